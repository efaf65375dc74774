"""The online resolver: what a pair costs, what an answer costs, and whether one by one comes out as all at once.

`python tests/bench/online_bench.py [--lake LAKE] [--households N] [--share 0.1]`. With a resolved workspace's lake its
records, model and frequencies; else invented households with a model trained on them. A share of the records is held
out, the rest resolved as a batch in DuckDB; then the held-out ones are asked and taken in one by one.
"""

import argparse
import gc
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from household_world import row, world
from ruamel.yaml import YAML

from identity.clustering import components, ids
from identity.config import IdentityConfig, rules
from identity.engine import pairing
from identity.errors import ForeignModel
from identity.matching import frequencies, scoring
from identity.matching.compiled import Scorer
from identity.matching.registry import MatchModel
from identity.model import Rank
from identity.modelling import modelbook, training
from identity.online import build as online_build
from identity.online import state as online_state
from identity.online.attach import Answer
from identity.online.build import Resolved
from identity.online.newcomers import Newcomer, newcomer_of
from identity.online.resolver import Resolver
from identity.tables import RECORD_FEATURES, TF_SNAPSHOT
from infra import shelf
from infra.ids import RecordKey
from infra.keyvalue import LmdbStore

TEMPLATE = Path(__file__).parents[2] / "api" / "templates" / "workspace" / "identity.yaml"
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))
KINDS = {name: pa.list_(pa.string()) for name in ("given_forms", "emails", "phones", "numbers")} | {
    "identifiers": VALUES, "bare": pa.bool_(), "given_known": pa.bool_(), "known": pa.bool_(), "arrival": pa.int64(),
}  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and those that this thread computed: the rest is who else uses the machine."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Batch:
    """A batch's outcome: its memberships, edges and the profile of every record."""

    places: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    seconds: float


def main() -> int:
    """Measure, print and say whether the targets are met."""
    args = _arguments()
    config = IdentityConfig.model_validate(YAML(typ="safe").load(TEMPLATE.read_text(encoding="utf-8")))
    folder = Path(tempfile.mkdtemp(prefix="online-"))
    try:
        figures = _measured(args, config, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures, indent=2))
    met = figures["resolve_ms"]["p99"] < 10 and figures["pair_cpu_us"] <= 30 and figures["unexplained"] == 0
    return 0 if met else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--households", type=int, default=2_000)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def _measured(args: argparse.Namespace, config: IdentityConfig, folder: Path) -> dict[str, Any]:
    if args.lake:
        table = pa.Table.from_batches(list(shelf.batches(args.lake, RECORD_FEATURES)))
    else:
        rows = [row(told, config) for told in world(args.households, args.seed)]
        table = pa.Table.from_pylist(rows, schema=pa.schema([(n, KINDS.get(n, pa.string())) for n in rows[0]]))
    model, often = _model(args.lake, config, table, folder)
    chance = random.Random(args.seed)  # noqa: S311 - a sample
    keys = table["record_key"].to_pylist()
    held = set(chance.sample(keys, round(len(keys) * args.share)))
    whole = _batch(table, model, often, config, folder)
    base = table.filter(pa.array([key not in held for key in keys]))
    known = _batch(base, model, often, config, folder)
    begun = time.perf_counter()
    online_build.build(folder / "state", config, model, often, Resolved(base.to_pylist(), known.places, known.edges), 1)
    figures: dict[str, Any] = {
        "records": len(keys), "profiles": len({p["profile_id"] for p in whole.places}), "held_out": len(held),
        "batch_s": round(whole.seconds, 1), "state_build_s": round(time.perf_counter() - begun, 1),
        "state_mb": round(sum(f.stat().st_size for f in (folder / "state").iterdir()) / 1e6, 1),
    }  # fmt: skip
    newcomers = [newcomer_of(one) for one in table.to_pylist() if one["record_key"] in held]
    chance.shuffle(newcomers)
    return figures | _pairs(table, model, often, config, folder) | _answers(folder, config, newcomers, whole.places)


def _model(
    lake: Path | None, config: IdentityConfig, table: pa.Table, folder: Path
) -> tuple[MatchModel, dict[Any, float]]:
    with _loaded(table, folder) as connection:
        stored = _stored(lake) if lake else None
        if lake and stored:
            model = stored
            frequencies.load(connection, shelf.parquet_files(lake, TF_SNAPSHOT), model.frequencies_digest)
        else:
            model = training.train(connection, config)
        found = connection.execute("SELECT field, value_hash, frequency FROM frequencies").fetchall()
    return model, {(field, digest): often for field, digest, often in found}


def _stored(lake: Path) -> MatchModel | None:
    """Return the newest model of a lake, or None where it is of another Kindred's format."""
    newest = modelbook.newest(lake)
    assert newest is not None
    try:
        return newest.model()
    except ForeignModel:
        return None


@contextmanager
def _loaded(table: pa.Table, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a DuckDB with the features of a table, closed at the end."""
    pq.write_table(table, folder / "features.parquet")
    connection = scoring.connect()
    scoring.load_features(connection, [str(folder / "features.parquet")])
    try:
        yield connection
    finally:
        connection.close()


def _know(connection: duckdb.DuckDBPyConnection, often: Mapping[Any, float]) -> None:
    connection.execute("CREATE OR REPLACE TABLE frequencies (field VARCHAR, value_hash VARCHAR, frequency DOUBLE)")
    rows = [[field, digest, one] for (field, digest), one in often.items()]
    if rows:
        connection.executemany("INSERT INTO frequencies VALUES (?, ?, ?)", rows)


def _batch(
    table: pa.Table, model: MatchModel, often: Mapping[Any, float], config: IdentityConfig, folder: Path
) -> Batch:
    begun = time.perf_counter()
    work = pairing.Work(edges=folder / "edges.parquet", parts=folder / "parts.parquet")
    with _loaded(table, folder) as connection:
        _know(connection, often)
        pairing.pair_up(connection, model, config, (), work)
    settled = components.resolved_bucket(pq.read_table(work.parts), rules(config)).to_pylist()
    node = {one["left_key"]: one for one in settled if one["kind"] == "node"}
    ranks = {
        one["record_key"]: Rank(not one["known"], one["arrival"], one["source"], one["record_key"])
        for one in table.select(["record_key", "known", "arrival", "source"]).to_pylist()
    }
    cluster_of = {key: node[key]["cluster"] if key in node else key for key in ranks}
    named = ids.profile_ids(cluster_of, ranks)
    places = [
        {"record_key": key, "profile_id": named[key], "component": node[key]["component"] if key in node else key}
        for key in ranks
    ]
    edges = pq.read_table(work.edges, columns=["left_key", "right_key", "weight_micro", "conflict_micro"]).to_pylist()
    return Batch(places, edges, time.perf_counter() - begun)


def _pairs(
    table: pa.Table, model: MatchModel, often: Mapping[Any, float], config: IdentityConfig, folder: Path
) -> dict[str, Any]:
    """Return what a pair costs in Python and in SQL, and how many of them differ."""
    begun = time.perf_counter()
    scorer = Scorer(model, config, often)
    compiling = time.perf_counter() - begun
    described = {one["record_key"]: scorer.described(one) for one in table.to_pylist() if not one["bare"]}
    with _loaded(table, folder) as connection:
        _know(connection, often)
        scoring.make_candidates(connection, config)
        connection.execute(
            "CREATE TABLE drawn AS SELECT * FROM candidates SEMI JOIN described l ON l.record_key = left_key "
            "SEMI JOIN described r ON r.record_key = right_key ORDER BY hash(left_key || right_key) LIMIT 50000"
        )
        begun = time.perf_counter()
        scoring.weigh(connection, model, config, "drawn", "weighed")
        in_sql = time.perf_counter() - begun
        rows = connection.execute(
            "SELECT left_key, right_key, rule_mask, weight_micro, conflict_micro FROM weighed"
        ).fetchall()
    asked = [(described[left], described[right], mask) for left, right, mask, *_ in rows]
    begun, spent = time.perf_counter(), time.thread_time()
    answers = [scorer.weigh(*one) for one in asked]
    in_python, in_cpu = time.perf_counter() - begun, time.thread_time() - spent
    differ = sum((a.weight_micro, a.conflict_micro) != told[3:] for a, told in zip(answers, rows, strict=True))
    return {
        "pairs": len(rows), "pair_us": round(1e6 * in_python / max(len(rows), 1), 1),
        "pair_cpu_us": round(1e6 * in_cpu / max(len(rows), 1), 1), "compile_ms": round(1e3 * compiling, 1),
        "pair_us_in_sql_in_bulk": round(1e6 * in_sql / max(len(rows), 1), 1), "pairs_that_differ": differ,
    }  # fmt: skip


def _answers(
    folder: Path, config: IdentityConfig, newcomers: Sequence[Newcomer], places: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    store = LmdbStore(folder / "state", durable=False)
    resolver = Resolver(store, config)
    asking, taking = [], []
    gc.collect()
    gc.freeze()  # the records of both batches lie in this process, as they would not in a server
    answers: dict[str, Answer] = {}
    for newcomer in newcomers:
        asking.append(_timed(resolver.resolve, newcomer)[0])
        spent, answers[newcomer.record_key] = _timed(resolver.accept, newcomer)
        taking.append(spent)
    again = [_timed(resolver.resolve, newcomer)[0] for newcomer in newcomers]
    agreement = _agreement(store, answers, places)
    store.close()
    return {
        "resolve_ms": _spread(asking), "accept_ms": _spread(taking), "resend_ms": _spread(again),
        "a_second": round(len(newcomers) / max(sum(one.wall for one in (*asking, *taking)), 1e-9)), **agreement,
        "acts": Counter(a.act for a in answers.values()),
        "left_to_the_batch": Counter(why for a in answers.values() for why in a.deferred),
    }  # fmt: skip


def _timed(answer: Callable[[Newcomer], Answer], newcomer: Newcomer) -> tuple[Spent, Answer]:
    begun, busy = time.perf_counter(), time.thread_time()
    found = answer(newcomer)
    return Spent(time.perf_counter() - begun, time.thread_time() - busy), found


def _spread(spent: Sequence[Spent]) -> dict[str, float]:
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    ranked = {"": sorted(one.wall for one in spent), "cpu_": sorted(one.cpu for one in spent)}
    return {
        f"{sort}{name}": round(1e3 * held[min(int(share * len(held)), len(held) - 1)], 3)
        for sort, held in ranked.items()
        for name, share in at.items()
    }


def _agreement(store: LmdbStore, answers: Mapping[str, Answer], places: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many come out as in the batch over all, and how many differ with and without a word that they may."""
    place = {p["record_key"]: p for p in places}
    now = {key: (online_state.member(store, RecordKey(key)) or (key,))[0] for key in place}
    theirs, mine = _groups({key: p["profile_id"] for key, p in place.items()}), _groups(now)
    told = {place[key]["component"] for key, answer in answers.items() if answer.deferred}
    differ = [key for key in answers if theirs[key] != mine[key] or now[key] != place[key]["profile_id"]]
    unexplained = sum(place[key]["component"] not in told for key in differ)
    return {
        "as_in_the_batch": len(answers) - len(differ),
        "explained": len(differ) - unexplained,
        "unexplained": unexplained,
    }


def _groups(profile_of: Mapping[str, str]) -> dict[str, frozenset[str]]:
    of: dict[str, set[str]] = defaultdict(set)
    for key, profile in profile_of.items():
        of[profile].add(key)
    return {key: frozenset(of[profile]) for key, profile in profile_of.items()}


if __name__ == "__main__":
    sys.exit(main())
