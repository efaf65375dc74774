"""What publishing costs, whole and where one profile in a hundred has changed, and what a read of each store costs.

`python tests/bench/publish_bench.py [--profiles N] [--share 0.01]`. CPU seconds are of this process and its threads.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from small_lake import AT, ROWS, graph, happened, view, write
from valkeys import valkey

from infra.serving.embedded import Generations
from infra.serving.remote import RemoteGenerations
from profiles.config import ProfileSettings
from profiles.publish import Edition, publish_edition, run_facts
from profiles.serving import FOLDER, view_key

READS = 20_000


def cpu() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rows(profiles: int, changed: int, moment: int) -> dict[str, list[dict[str, object]]]:
    """Return tables of so many people, the first of whom differ from moment to moment."""
    names = [f"{number:032x}" for number in range(profiles)]
    like, person, entries = view("ann", "service"), graph("ann"), [happened("ann", n) for n in range(3)]
    views = [
        {**like, "profile_id": name, "as_of": AT + timedelta(days=moment), "confidence": moment if n < changed else 0.9}
        for n, name in enumerate(names)
    ]
    return {
        **ROWS,
        "profile_views": views,
        "profile_graph": [{**person, "profile_id": name} for name in names],
        "profile_timeline": [{"profile_id": name, "entries": entries} for name in names],
        "profile_tokens": [
            {"token": f"1:{name}", "shared": False, "profile_ids": [name], "link": "own"} for name in names
        ],
    }


def timed(what: str, act: Callable[[], object]) -> None:
    """Act, and print what it took."""
    begun, used = time.perf_counter(), cpu()
    told = act()
    print(f"{what:32}{time.perf_counter() - begun:8.1f} s{cpu() - used:8.1f} CPU s   {told}")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--profiles", type=int, default=100_000)
    arguments.add_argument("--share", type=float, default=0.01)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, valkey() as server:
        root = Path(folder)
        first = Edition(root / "lake", root / "serving", "00000001", ProfileSettings(), run_facts("r", 1, AT))
        remote = replace(first, store=RemoteGenerations(server.url, "bench", time.monotonic))
        changed = int(asked.profiles * asked.share)
        write(first.lake, rows(asked.profiles, changed, 1))
        timed("LMDB, whole", lambda: publish_edition(first))
        timed("Valkey, whole", lambda: publish_edition(remote))
        write(first.lake, rows(asked.profiles, changed, 2))
        timed(f"LMDB, {changed:,} changed", lambda: publish_edition(replace(first, name="00000002")))
        timed(f"Valkey, {changed:,} changed", lambda: publish_edition(replace(remote, name="00000002")))
        timed("LMDB, whole again", lambda: publish_edition(replace(first, name="00000003", whole=True)))
        for name, store in (("LMDB", Generations(root / "serving" / FOLDER)), ("Valkey", remote.generations())):
            reader = store.current()
            keys = [view_key("service", f"{n:032x}") for n in range(0, asked.profiles, 7)]
            used, begun = cpu(), time.perf_counter()
            for number in range(READS):
                reader.get(keys[number % len(keys)])
            wall = (time.perf_counter() - begun) / READS * 1e6
            print(f"{name} get() of a view: {(cpu() - used) / READS * 1e6:6.1f} CPU µs, {wall:6.1f} µs")


if __name__ == "__main__":
    main()
