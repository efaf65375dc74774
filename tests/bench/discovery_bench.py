"""Precision and recall of personal data discovery, kind by kind, over columns of our own making.

Run with: python tests/bench/discovery_bench.py [seeds]
"""

import os
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]

from columns import tuned  # noqa: E402 - found once the path is set
from columns_held_out import held_out  # noqa: E402
from discovering import tallied  # noqa: E402

ROOT = Path(__file__).parents[2]


def main() -> None:
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    reference = Path(os.environ.get("KINDRED_TEST_DATA", ROOT.parent / "shared" / "data")) / "reference"
    halves = {"tuned": tuned, "held out": lambda seed: held_out(seed, reference)}
    for half, columns in halves.items():
        made = [column for seed in seeds for column in columns(seed)]
        began = time.monotonic()
        kinds, whole = tallied(made)
        seconds = time.monotonic() - began
        each = seconds / len(made) * 1000
        print(f"\n{half}: {len(made)} columns of 400 values, {len(seeds)} seeds, {each:.0f} ms a column")
        print(f"{'kind':<14}{'columns':>8}{'precision':>11}{'recall':>9}")
        for kind, tally in sorted(kinds.items()):
            print(f"{kind:<14}{tally.right + len(tally.missed):>8}{tally.precision:>11.3f}{tally.recall:>9.3f}")
        print(f"{'personal':<14}{whole.right + len(whole.missed):>8}{whole.precision:>11.3f}{whole.recall:>9.3f}")
        for word, named in (("missed", "missed"), ("wrong", "wrong")):
            told = sorted(
                {one for kind, tally in kinds.items() for one in (f"{kind}: {x}" for x in getattr(tally, named))}
            )
            print(f"{word}: {'; '.join(told) or 'none'}")


if __name__ == "__main__":
    main()
