"""How right are we on public labelled people, learnt without their labels, with one default configuration?

`python tests/bench/accuracy_bench.py [--only SET ...] [--json]`, or `kindred bench accuracy`. Every set is resolved
with and without its strongest key, each in a process of its own so that peak memory means something. A pair counts
as found where the final clusters imply it; febrl4 counts pairs between its two files only.
"""

import argparse
import csv
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from identity.clustering import components
from identity.config import IdentityConfig, rules
from identity.engine import pairing
from identity.fields.features import Features, Value, features
from identity.matching import scoring
from identity.modelling import training
from infra.identifiers import IdentifierType, usable

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "api" / "templates" / "workspace" / "identity.yaml"
TODAY = date(2026, 11, 1)
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))


@dataclass(frozen=True)
class Row:
    """A record as a mapped source gives it, and whose it is."""

    key: str
    person: str
    attributes: Mapping[str, str]
    identifiers: Mapping[str, str] = field(default_factory=dict)
    source: str = "s"


@dataclass(frozen=True)
class LabelledSet:
    """A set with its mapping; `strong` is the identifier to leave out, `linked` counts pairs across sources only."""

    read: Callable[[Path], Iterator[Row]]
    strong: str | None = None
    types: Mapping[str, IdentifierType] = field(default_factory=dict)
    region: str = "US"
    linked: bool = False


@dataclass(frozen=True)
class Score:
    """What came of a set. `blocked` is the share of true pairs that were compared at all."""

    records: int
    precision: float
    recall: float
    f1: float
    cubed_precision: float
    cubed_recall: float
    cubed_f1: float
    scored: int
    blocked: float
    largest: int
    seconds: float
    peak_mb: int


def _csv(path: Path) -> Iterator[dict[str, str]]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for row in csv.DictReader(text.decode("utf-8").splitlines()):
        yield {k.strip(): (v or "").strip() for k, v in row.items()}


def febrl(data: Path, names: Sequence[str]) -> Iterator[Row]:
    """Yield Australian people with slips of the pen; the person is the number in `rec_id`."""
    for name in names:
        for r in _csv(data / "febrl" / f"dataset{name}.csv.gz"):
            told = {
                "given_name": r["given_name"], "family_name": r["surname"], "birth_date": r["date_of_birth"],
                "street": f"{r['street_number']} {r['address_1']}".strip(), "city": r["suburb"],
                "postcode": r["postcode"],
            }  # fmt: skip
            yield Row(f"{name}:{r['rec_id']}", r["rec_id"].split("-")[1], told, {"ssn": r["soc_sec_id"]}, name)


def fake_1000(data: Path) -> Iterator[Row]:
    """Yield Splink's example."""
    for r in _csv(data / "fake_1000" / "fake_1000.csv"):
        told = {
            "given_name": r["first_name"], "family_name": r["surname"], "birth_date": r["dob"], "city": r["city"],
        }  # fmt: skip
        yield Row(r["unique_id"], r["cluster"], told, {"email": r["email"]})


def historical(data: Path) -> Iterator[Row]:
    """Yield people of Wikidata with errors; keys are numbered, for the set's own begin with the answer."""
    table = pq.read_table(data / "historical_50k" / "historical_figures_with_errors_50k.parquet")
    for number, r in enumerate(table.to_pylist()):
        told = {
            "given_name": r["first_name"], "family_name": r["surname"], "full_name": r["full_name"],
            "birth_date": r["dob"], "city": r["birth_place"], "postcode": r["postcode_fake"], "gender": r["gender"],
        }  # fmt: skip
        yield Row(f"{number:06}", r["cluster"], {k: v for k, v in told.items() if v})


def multiparty(data: Path) -> Iterator[Row]:
    """Yield five files of the same people, very dirty; dates are written day first, which the mapping says."""
    for name in "12345":
        for number, r in enumerate(_csv(data / "febrl_multiparty" / f"dataset-{name}.csv.gz")):
            born = r["dob"].split("-")
            told = {
                "given_name": r["givenname"], "family_name": r["surname"],
                "birth_date": "-".join(reversed(born)), "gender": r["gender"], "city": r["city"],
            }  # fmt: skip
            yield Row(f"{name}:{number:05}", r["id"], told, {"phone": r["phone number"]}, name)


# a number that the state gives to one person each
NUMBER = IdentifierType(normaliser="code", strength="decisive", unique=True)
SETS = {
    "fake_1000": LabelledSet(fake_1000, "email"),
    **{
        f"febrl{name[0]}": LabelledSet(
            partial(febrl, names=name.split("+")), "ssn", {"ssn": NUMBER}, linked="+" in name
        )
        for name in ("1", "2", "3", "4a+4b")
    },
    "febrl_multiparty": LabelledSet(multiparty, "phone", region="AU"),
    "historical_50k": LabelledSet(historical),
}


def default_config(types: Mapping[str, IdentifierType]) -> IdentityConfig:
    """Return what `kindred init` writes, with a set's own identifier types beside the template's."""
    config = IdentityConfig.model_validate(YAML(typ="safe").load(TEMPLATE.read_text(encoding="utf-8")))
    return config.model_copy(update={"identifiers": {**config.identifiers, **types}})


def feature_rows(
    rows: Sequence[Row], config: IdentityConfig, region: str, without: str | None
) -> Iterator[dict[str, Any]]:
    """Yield each record normalised, as `record_features` has it."""
    for number, row in enumerate(rows):
        held = []
        for kind, raw in row.identifiers.items():
            value = usable(config.identifiers, kind, raw, region) if kind != without else None
            if value is not None:
                held.append(Value(kind, value, f"1:{kind}:{value}"))
        made = features(row.attributes, held, config.identifiers, TODAY)
        plain = {"record_key": row.key, "source": row.source, "key": row.key, "kind": "person", "known": True}
        yield {**plain, "arrival": number, **asdict(made)}


def schema() -> pa.Schema:
    """Return the Arrow schema of the features, from their declaration."""

    def kind(name: str, spelled: str) -> pa.DataType:
        if name == "identifiers":
            return VALUES
        if "list" in spelled:
            return pa.list_(pa.string())
        return pa.bool_() if "bool" in spelled else pa.string()

    made = [(name, kind(name, str(one.type))) for name, one in Features.__dataclass_fields__.items()]
    plain = [(name, pa.string()) for name in ("record_key", "source", "key", "kind")]
    return pa.schema([*plain, ("known", pa.bool_()), ("arrival", pa.int64()), *made])


def resolve(
    table: pa.Table, config: IdentityConfig, folder: Path, connection: duckdb.DuckDBPyConnection
) -> dict[str, str]:
    """Return each record's cluster, by a run's way without Spark; leaves the pairs compared in the table `touching`."""
    pq.write_table(table, folder / "features.parquet")
    scoring.load_features(connection, [str(folder / "features.parquet")])
    model = training.train(connection, config)
    work = pairing.Work(edges=folder / "edges.parquet", parts=folder / "parts.parquet")
    pairing.pair_up(connection, model, config, (), work)
    settled = components.resolved_bucket(pq.read_table(work.parts), rules(config)).to_pylist()
    cluster_of = {r["left_key"]: r["cluster"] for r in settled if r["kind"] == "node"}
    return {key: cluster_of.get(key, key) for key in table["record_key"].to_pylist()}


def measure(one: LabelledSet, data: Path, *, without_key: bool) -> Score:
    """Return how a set comes out."""
    started = time.perf_counter()
    rows = list(one.read(data / "identity"))
    config = default_config(one.types)
    made = feature_rows(rows, config, one.region, one.strong if without_key else None)
    table = pa.Table.from_pylist(list(made), schema=schema())
    with tempfile.TemporaryDirectory() as folder, scoring.connect() as connection:
        clusters = resolve(table, config, Path(folder), connection)
        seconds = time.perf_counter() - started
        scored, reached = _compared(connection, rows, one)
    return Score(
        len(rows),
        *_pairwise(rows, clusters, linked=one.linked),
        *_cubed(rows, clusters),
        scored,
        reached / max(_true_pairs(rows, linked=one.linked), 1),
        max(Counter(clusters.values()).values(), default=0),
        round(seconds, 1),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def _pairs(counts: Mapping[Any, int]) -> int:
    return sum(n * (n - 1) // 2 for n in counts.values())


def _counted(keys: Sequence[tuple[Any, str]], *, linked: bool) -> int:
    """Return how many pairs share a key; `linked`: of different sources."""
    within = _pairs(Counter(keys)) if linked else 0
    return _pairs(Counter(key for key, _ in keys)) - within


def _true_pairs(rows: Sequence[Row], *, linked: bool) -> int:
    return _counted([(r.person, r.source) for r in rows], linked=linked)


def _pairwise(rows: Sequence[Row], clusters: Mapping[str, str], *, linked: bool) -> tuple[float, float, float]:
    claimed = _counted([(clusters[r.key], r.source) for r in rows], linked=linked)
    right = _counted([((clusters[r.key], r.person), r.source) for r in rows], linked=linked)
    true = _true_pairs(rows, linked=linked)
    return right / max(claimed, 1), right / max(true, 1), 2 * right / max(claimed + true, 1)


def _cubed(rows: Sequence[Row], clusters: Mapping[str, str]) -> tuple[float, float, float]:
    cells = Counter((clusters[r.key], r.person) for r in rows)
    groups, people = Counter(clusters[r.key] for r in rows), Counter(r.person for r in rows)
    precision = sum(n * n / groups[g] for (g, _), n in cells.items()) / len(rows)
    recall = sum(n * n / people[p] for (_, p), n in cells.items()) / len(rows)
    return precision, recall, 2 * precision * recall / (precision + recall)


def _compared(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row], one: LabelledSet) -> tuple[int, int]:
    """Return how many pairs were compared, and how many of them are true."""
    truth = pa.table({"k": [r.key for r in rows], "p": [r.person for r in rows], "s": [r.source for r in rows]})
    connection = connection.cursor()
    connection.register("truth", truth)
    across = "AND a.s <> b.s" if one.linked else ""
    row = connection.execute(
        f"SELECT count(*), count(*) FILTER (a.p = b.p {across}) FROM touching "
        "JOIN truth a ON a.k = left_key JOIN truth b ON b.k = right_key"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _apart(name: str, data: Path, *, without_key: bool) -> Score:
    """Measure in a process of its own."""
    asked = [sys.executable, __file__, "--one", name, "--data", str(data), *(["--without-key"] if without_key else [])]
    done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True)
    return Score(**json.loads(done.stdout.splitlines()[-1]))


def _line(label: str, s: Score) -> str:
    accuracy = (s.precision, s.recall, s.f1, s.cubed_precision, s.cubed_recall, s.cubed_f1)
    figures = "".join(f"{figure:8.4f}" for figure in accuracy)
    return f"{label:38}{figures}{s.scored:11,}{s.blocked:9.4f}{s.largest:9,}{s.seconds:7.1f}{s.peak_mb:7,}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("KINDRED_TEST_DATA", ROOT / "../shared/data")))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=list(SETS), help=argparse.SUPPRESS)
    parser.add_argument("--without-key", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.one:
        print(json.dumps(asdict(measure(SETS[told.one], told.data, without_key=told.without_key))))
        return
    if not told.json:
        print(f"{'set':38}{'P':>8}{'R':>8}{'F1':>8}{'B³ P':>8}{'B³ R':>8}{'B³ F1':>8}"
              f"{'compared':>11}{'blocked':>9}{'largest':>9}{'s':>7}{'MB':>7}")  # fmt: skip
    for name in told.only:
        for without in (False, True) if SETS[name].strong else (False,):
            s = _apart(name, told.data, without_key=without)
            label = f"{name} without {SETS[name].strong}" if without else name
            if told.json:
                print(json.dumps({"set": label, **asdict(s)}))
                continue
            print(_line(label, s), flush=True)


if __name__ == "__main__":
    main()
