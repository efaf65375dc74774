"""What does a change cost, and what a rebuild, as the lake grows? Plain Splink rebuilds the same beside it.

`python tests/bench/identity_bench.py [--sizes N ...] [--changed N] [--no-race] [--json]`, or `kindred bench identity`.
For each size a crowd of invented people is put into a lake and resolved by the job itself, Spark and Delta included:
once to learn, once as a rebuild, once by a change to warm up, once by another one that counts. Then Splink alone, in
DuckDB, rebuilds from the same features with the same comparisons, model and blocks. Every size and every rival has a
process of its own; memory is what the process and all its children held at once.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import crowd
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import consent.store
from consent.intake import remember_mirror
from consent.tables import CONSENT_EVENT
from identity import jobs
from identity.config import IdentityConfig, load_identity
from identity.engine.postings import caps_sql, postings_sql
from identity.matching import frequencies, linkage, scoring
from identity.matching.registry import MatchModel
from identity.modelling import modelbook
from identity.stewardship.store import METADATA
from identity.tables import RECORD_FEATURES, TF_SNAPSHOT
from infra import shelf
from infra.database import open_database
from infra.lake import Lake
from infra.runtime import RunInfo, Runtime
from infra.spark import session
from infra.workspace import Workspace
from ingestion.tables import EVENTS, RECORDS

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "api" / "templates" / "workspace"
DATA = Path(os.environ.get("KINDRED_TEST_DATA", ROOT.parent / "shared" / "data"))
NOW = datetime(2026, 3, 1, tzinfo=UTC)
_MEGABYTE = 1 << 20
_STEPS = {1: "learn", 2: "rebuild", 3: "warm up", 4: "change"}


@dataclass
class Peak:
    """What a process and its children held at most at one moment, in bytes; pages that they share count once."""

    bytes: int = 0


@contextmanager
def memory() -> Iterator[Peak]:
    """Watch this process and its children, twice a second."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            peak.bytes = max(peak.bytes, sum(_held(pid) for pid in _family(os.getpid())))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _family(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(place.read_text().rsplit(")", 1)[1].split()[1]), []).append(int(place.parent.name))
        except OSError:  # it ended meanwhile
            continue
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


class World:
    """A workspace with so many records in its lake, and the runs over it."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size = size
        self._folder = folder
        shutil.copytree(TEMPLATE, folder / "workspace")
        (folder / "workspace" / "kindred.yaml").write_text("name: bench\njurisdiction: US-OH\nseed: 1\n")
        self.workspace = Workspace.open(folder / "workspace")
        self.known = crowd.names(DATA / "reference")
        self._spark = session(self.workspace.settings.engine, folder / "spark")
        self._database = open_database(self.workspace, METADATA, consent.store.METADATA)

    def fill(self) -> None:
        path = self._folder / "records.parquet"
        with pq.ParquetWriter(path, crowd.SCHEMA) as writer:
            for batch in crowd.records(self.size, self.known):
                writer.write_batch(batch)
        self._append(1, path)

    def change(self, number: int, changed: int) -> None:
        """Bring news of so many records, spread over all of them, other ones in every run."""
        held = pq.read_table(self._folder / "records.parquet")
        step = self.size // changed
        rows = held.take(list(range(number % step, step * changed, step))[:changed]).to_pylist()
        told = crowd.changes(rows, self.known, self.size * number, number, number)
        path = self._folder / f"news-{number}.parquet"
        pq.write_table(pa.Table.from_pylist(told, schema=crowd.SCHEMA), path)
        self._append(number, path)

    def _append(self, number: int, path: Path) -> None:
        lake = Lake(self._spark, self.workspace.lake_path, number, {})
        lake.ensure([RECORDS, EVENTS, CONSENT_EVENT])
        lake.append(RECORDS, self._spark.read.parquet(str(path)))

    def resolve(self, number: int, **arguments: str) -> dict[str, Any]:
        """Run the job; return how long it took, the longest steps, what it held, and its own figures."""
        base = shelf.newest_versions(self.workspace.lake_path)
        lake = Lake(self._spark, self.workspace.lake_path, number, base)
        remember_mirror(self._database, number, consent.store.last_sequence(self._database))
        run = RunInfo(f"run-{number}", number, NOW + timedelta(days=number), "salt", base)
        told = [(time.monotonic(), "beginning")]

        def say(line: str) -> None:
            told.append((time.monotonic(), line))
            print(f"{told[-1][0] - told[0][0]:8.1f} {_STEPS[number]}: {line}", file=sys.stderr, flush=True)

        runtime = Runtime(self.workspace, lake, self._database, run, say)
        with memory() as peak:
            figures = jobs.resolve(runtime, arguments)
        told.append((time.monotonic(), "end"))
        steps = {line: round(after - at, 1) for (at, line), (after, _) in pairwise(told) if after - at > 1}
        seconds = told[-1][0] - told[0][0]
        return {"seconds": round(seconds, 1), "peak_mb": peak.bytes // _MEGABYTE, "steps": steps, **figures}


def measured(size: int, changed: int, folder: Path) -> dict[str, Any]:
    """Return what every run over a lake of this size cost."""
    world = World(folder, size)
    world.fill()
    runs = {"learn": world.resolve(1), "rebuild": world.resolve(2, full="yes")}
    for number in (3, 4):
        world.change(number, changed)
        runs[_STEPS[number]] = world.resolve(number)
    return {"size": size, "changed": changed, **runs}


def raced(folder: Path) -> dict[str, Any]:
    """Return what Splink alone needs for a rebuild of what lies in the lake, from the same features."""
    workspace = Workspace.open(folder / "workspace")
    config = load_identity(workspace)
    connection = scoring.connect(file=str(folder / "splink.duckdb"))
    stored = modelbook.newest(workspace.lake_path)
    assert stored is not None
    model = stored.model()
    frequencies.load(connection, shelf.parquet_files(workspace.lake_path, TF_SNAPSHOT), model.frequencies_digest)
    connection.register("held", shelf.reader(workspace.lake_path, RECORD_FEATURES))
    connection.execute("CREATE TABLE features AS SELECT * FROM held ORDER BY record_key")
    started = time.monotonic()
    with memory() as peak:
        pairs = _splink(connection, model, config)
    return {"seconds": round(time.monotonic() - started, 1), "peak_mb": peak.bytes // _MEGABYTE, **pairs}


def _splink(connection: duckdb.DuckDBPyConnection, model: MatchModel, config: IdentityConfig) -> dict[str, int]:
    """Use Splink as its users would, with its own blocking, prediction and clustering; blocks within their caps."""
    from splink import block_on

    connection.execute("CREATE TABLE described AS SELECT * FROM features WHERE NOT bare")
    linkage.prepare(connection, model)
    connection.execute(
        "CREATE TABLE blocks AS SELECT record_key, list(hash(rule, block)) AS blocks FROM (SELECT rule, block, "
        f"record_key FROM ({postings_sql(config, 'described')}) JOIN ({caps_sql(config)}) USING (rule) "
        "QUALIFY count(*) OVER (PARTITION BY rule, block) BETWEEN 2 AND cap) GROUP BY record_key"
    )
    connection.execute(
        "CREATE TABLE entered AS SELECT s.*, coalesce(b.blocks, []) AS blocks FROM scoring s LEFT JOIN blocks b "
        "USING (record_key)"
    )
    with linkage.quiet():
        rule = block_on("blocks", arrays_to_explode=["blocks"])
        linker = linkage.linker_for(connection, "entered", model, learnt=True, levels=False, blocking=[rule])
        found = linker.inference.predict(threshold_match_weight=config.thresholds.merge)
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            found, threshold_match_weight=config.thresholds.merge
        )
    [(persons,)] = connection.execute(f"SELECT count(DISTINCT cluster_id) FROM {clusters.physical_name}").fetchall()
    return {"matches": scoring.count(connection, found.physical_name), "persons": persons}


def _alone(arguments: Sequence[str]) -> dict[str, Any]:
    """Run a part of this in a process of its own, so that what it held means something."""
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:
        command = [sys.executable, __file__, "--answer", answer.name, *arguments]
        subprocess.run(command, check=True)
        return dict(json.loads(Path(answer.name).read_text()))


def _line(name: str, run: dict[str, Any]) -> str:
    steps = ", ".join(f"{line} {seconds}" for line, seconds in run.get("steps", {}).items())
    pairs = f", {run['candidates']:,} pairs" if "candidates" in run else ""
    return f"  {name:<14}{run['seconds']:>8.1f} s {run['peak_mb']:>7,} MB{pairs}" + (
        f"\n      ({steps})" if steps else ""
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--changed", type=int, default=10_000)
    parser.add_argument("--no-race", action="store_true", help="leave Splink out")
    parser.add_argument("--keep", type=Path, help="a folder in which the lakes stay")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--race", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.answer:
        made = raced(told.race) if told.race else measured(told.sizes[0], told.changed, told.keep)
        told.answer.write_text(json.dumps(made))
        return
    for size in told.sizes:
        with tempfile.TemporaryDirectory(prefix="kindred-bench-") as temporary:
            folder = (told.keep or Path(temporary)) / str(size)
            folder.mkdir(parents=True)
            figures = _alone(["--sizes", str(size), "--changed", str(told.changed), "--keep", str(folder)])
            if not told.no_race:
                figures["splink"] = _alone(["--race", str(folder)])
        if told.json:
            print(json.dumps(figures), flush=True)
            continue
        print(f"{size:,} records, then {told.changed:,} changed", flush=True)
        for name in ("learn", "rebuild", "splink", "warm up", "change"):
            if name in figures:
                print(_line(name, figures[name]), flush=True)


if __name__ == "__main__":
    main()
