"""How near does a mapping that the product proposes come to one that was written by hand?

`python tests/bench/proposal_bench.py [--only SET ...]` resolves each labelled set twice, with the mapping of
`accuracy_bench.py` and with what `kindred try` proposes for the same files without the columns that hold the answer.
"""

import argparse
import csv
import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]


def _bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accuracy_bench", ROOT / "tests" / "bench" / "accuracy_bench.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["accuracy_bench"] = module
    spec.loader.exec_module(module)
    return module


bench = _bench()


@dataclass(frozen=True)
class Files:
    """The files of a labelled set, and the columns of them that hold the answer."""

    names: Sequence[str]
    answers: Sequence[str] = ()


FILES = {
    "fake_1000": Files(["fake_1000/fake_1000.csv"], ["cluster"]),
    "febrl1": Files(["febrl/dataset1.csv.gz"]),
    "febrl2": Files(["febrl/dataset2.csv.gz"]),
    "febrl3": Files(["febrl/dataset3.csv.gz"]),
    "febrl4": Files(["febrl/dataset4a.csv.gz", "febrl/dataset4b.csv.gz"]),
    "febrl_multiparty": Files([f"febrl_multiparty/dataset-{n}.csv.gz" for n in "12345"], ["id"]),
    "historical_50k": Files(["historical_50k/historical_figures_with_errors_50k.parquet"], ["cluster"]),
}
# The rules were written and mended on these; the others were measured once they were done.
LOOKED_AT = ("fake_1000", "febrl3")


def proposed(name: str, data: Path, folder: Path) -> tuple[list[Any], Any]:
    """Return a set's rows under the mapping that is proposed for its files, and the proposal."""
    from proposals import proposal_of, taken_in, without

    known = FILES[name]
    files = []
    for one in known.names:
        source = data / "identity" / one
        plain = Path(source.name.removesuffix(".gz")).name
        files.append(without(source, folder / plain, known.answers) if known.answers else source)
    gathered, proposal = proposal_of(files)
    truth = _truth(name, data)
    order = [path for paths in gathered.files.values() for path in paths]
    people = [person for path in order for person in truth[files.index(path)]]
    rows = [
        bench.Row(
            f"{t.source}:{t.key}", person, t.attributes, {k: v[0] for k, v in t.identifiers.items() if v}, t.source
        )
        for t, person in zip(taken_in(gathered, proposal), people, strict=True)
    ]
    return rows, proposal


def _truth(name: str, data: Path) -> list[list[str]]:
    """Return the person of each row, file by file."""
    rows = list(bench.SETS[name].read(data / "identity"))
    by_source: dict[str, list[str]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row.person)
    return list(by_source.values())


def score(rows: Sequence[Any], one: Any, types: Any, region: str) -> tuple[float, float, float]:
    """Return precision, recall and F1 of the resolved rows; rows under one key are versions of one record."""
    config = bench.default_config(types)
    unique = {row.key: row for row in rows}
    table = bench.pa.Table.from_pylist(
        list(bench.feature_rows(list(unique.values()), config, region, None)), schema=bench.schema()
    )
    with tempfile.TemporaryDirectory() as folder, bench.scoring.connect() as connection:
        clusters = bench.resolve(table, config, Path(folder), connection)
    found: tuple[float, float, float] = bench._pairwise(rows, clusters, linked=one.linked)
    return found


def compared(name: str, data: Path) -> tuple[tuple[float, float, float], tuple[float, float, float], Any]:
    """Return precision, recall and F1 by hand and as proposed, and the proposal."""
    from proposals import types_of

    one = bench.SETS[name]
    hand = score(list(one.read(data / "identity")), one, one.types, one.region)
    with tempfile.TemporaryDirectory() as folder:
        rows, proposal = proposed(name, data, Path(folder))
    region = proposal.region[0] if proposal.region else "US"
    return hand, score(rows, one, types_of(proposal), region), proposal


class Pairs:
    """Identifiers of which a type may have several values."""

    def __init__(self, held: Mapping[str, Sequence[str]]) -> None:
        self._held = held

    def items(self) -> list[tuple[str, str]]:
        """Return each value with its type."""
        return [(kind, value) for kind, values in self._held.items() for value in values]


DEMO = ("crm", "loyalty", "newsletter", "webshop_accounts", "webshop_guests")


def demo(households: int) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return precision, recall and F1 of the demo's five sources of people, by its own declarations and as proposed."""
    from proposals import proposal_of, rows_of, taken_in, types_of

    from api.cli.demo_data import make_data
    from infra.workspace import Workspace
    from ingestion.config import load_sources

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "demo"
        make_data(root, households)
        with (root / "truth" / "records.csv").open(encoding="utf-8") as file:
            truth = {(r["source"], r["key"]): r["person_id"] for r in csv.DictReader(file) if r["shared"] == "false"}
        by_hand = [source for source in load_sources(Workspace.open(root)) if source.source in DEMO]
        gathered, proposal = proposal_of([root / "data" / name for name in DEMO])
        hand = [taken for one in by_hand for taken in rows_of(one, sorted((root / "data" / one.source).iterdir()))]
        ours = list(taken_in(gathered, proposal))
        one = bench.LabelledSet(lambda _: iter(()))
        return tuple(  # type: ignore[return-value]
            score(
                [
                    bench.Row(
                        f"{t.source}|{t.key}", truth[t.source, t.key], t.attributes, Pairs(t.identifiers), t.source
                    )
                    for t in taken
                    if (t.source, t.key) in truth and t.kept
                ],
                one,
                types,
                "US",
            )
            for taken, types in ((hand, {}), (ours, types_of(proposal)))
        )


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(FILES), default=list(FILES))
    parser.add_argument("--demo", type=int, default=0, metavar="HOUSEHOLDS", help="the demo's people instead")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("KINDRED_TEST_DATA", ROOT / "../shared/data")))
    told = parser.parse_args()
    print(f"{'set':20}{'':10}{'hand P':>8}{'R':>8}{'F1':>8}{'proposed P':>12}{'R':>8}{'F1':>8}{'less':>9}")
    if told.demo:
        hand, ours = demo(told.demo)
        print(_line("demo", "looked at", hand, ours))
        return
    for name in told.only:
        hand, ours, _ = compared(name, told.data)
        kind = "looked at" if name in LOOKED_AT else "held out"
        print(_line(name, kind, hand, ours), flush=True)


def _line(name: str, kind: str, hand: tuple[float, float, float], ours: tuple[float, float, float]) -> str:
    by_hand = "".join(f"{figure:8.4f}" for figure in hand)
    return f"{name:20}{kind:10}{by_hand}{ours[0]:12.4f}{ours[1]:8.4f}{ours[2]:8.4f}{hand[2] - ours[2]:9.4f}"


if __name__ == "__main__":
    main()
