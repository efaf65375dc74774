"""Where a resolution is worked out until its tables are written: on this machine by DuckDB, or on a cluster by Spark.

Both make the same to the bit. One machine is quicker as long as what a change touches fits on its disk; on a cluster no
step rests on the driver's memory or on folders that the workers do not share with it.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

import duckdb
import pyarrow as pa
from pyspark.sql import DataFrame

from identity import transforms
from identity.changes import Changes
from identity.config import IdentityConfig, rules
from identity.engine.base import Engine
from identity.engine.distributed import Distributed
from identity.engine.local import Local, settle_here
from identity.matching import scoring
from identity.matching.registry import MatchModel
from identity.modelling import modelling
from identity.tables import CONSTRAINTS, EDGES, POSTING_INDEX, RECORD_FEATURES
from infra import shelf
from infra.arrow import nothing, schema
from infra.runtime import Runtime
from infra.settings import EngineSettings
from infra.tables import Table

_LOADED = ("fresh", "gone", "taken")
_MOST_TAUGHT = 2_000_000
_PARTS_IN_PROCESS = 100_000
_WISH = ("kind", "left_key", "right_key")


class Site(Protocol):
    """What a job asks of the place where it resolves, beside the engine itself."""

    def load(self, changes: Changes) -> None:
        """Make the tables `fresh`, `gone` and `taken` from what changed."""

    def take_all(self) -> None:
        """Let the records that did not change count as changed too."""

    def described(self) -> int:
        """Return how many records that describe somebody there are with the changes."""

    def lesson(self, records: int) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB with the table `described` to learn from, of all `records` once they count as changed."""

    def engine(self, model: MatchModel, *, whole: bool) -> Engine:
        """Return the engine, with the stewards' `wishes` that stand; as if nothing was resolved before, if whole."""

    def count(self, name: str) -> int:
        """Return how many rows a table has."""

    def frame(self, name: str) -> DataFrame:
        """Return a table as a frame over files."""

    def close(self) -> None:
        """Let go of everything but the files, which go with the work folder."""


def site(runtime: Runtime, config: IdentityConfig, work: Path) -> Site:
    """Return the place where this run resolves."""
    settings, master = runtime.workspace.settings.engine, str(runtime.lake.spark.sparkContext.master)
    return Cluster(runtime, config, work) if spreads(settings, master) else Machine(runtime, config, work)


def spreads(settings: EngineSettings, master: str) -> bool:
    """Say whether Spark resolves: where its workers are other machines, unless the settings say otherwise."""
    if settings.resolve_with == "auto":
        return not master.startswith("local")
    return settings.resolve_with == "spark"


def before(runtime: Runtime, table: Table, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
    """Return a table's rows as this run found them; a table that the run made itself was empty."""
    version = runtime.run.base.get(table.name)
    if version is None:
        return nothing(table, columns)
    return shelf.reader(runtime.workspace.lake_path, table, version, columns)


class Machine:
    """Tables are those of a DuckDB in a file of the work folder, past which the lake's tables stream."""

    def __init__(self, runtime: Runtime, config: IdentityConfig, work: Path) -> None:
        self._runtime = runtime
        self._config = config
        self._work = work
        # what a batch makes of many records need not fit into memory; the folder has a name of its own, for DuckDB would
        # lend a second try in this process the database of the first
        self._connection = scoring.connect(file=str(Path(mkdtemp(dir=work)) / "engine.duckdb"))

    def load(self, changes: Changes) -> None:
        """Make the tables `fresh`, `gone` and `taken` from what changed."""
        for name in _LOADED:
            self._connection.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_parquet(?) ORDER BY ALL",
                [f"{getattr(changes, name)}/*.parquet"],
            )

    def take_all(self) -> None:
        """Let the records that did not change count as changed too."""
        self._connection.register("held", before(self._runtime, RECORD_FEATURES))
        self._connection.execute(f"INSERT INTO fresh {_unchanged('held')}")

    def described(self) -> int:
        """Return how many records that describe somebody there are with the changes."""
        self._connection.register("held", before(self._runtime, RECORD_FEATURES, ("record_key", "bare")))
        return self.count(f"({_described('held')})")

    def lesson(self, records: int) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB with the table `described` to learn from, of all `records` once they count as changed."""
        rows = self._connection.sql(_lesson(records)).to_arrow_table().to_reader()
        scoring.load_features(self._connection, rows)
        return self._connection

    def engine(self, model: MatchModel, *, whole: bool) -> Engine:
        """Return the engine, with the stewards' `wishes` that stand; as if nothing was resolved before, if whole."""
        modelling.load_frequencies(self._runtime, self._connection, model)
        lake = self._runtime.workspace.lake_path
        self._connection.register("mirror", shelf.reader(lake, CONSTRAINTS, columns=list(_WISH)))
        self._connection.execute(f"CREATE TABLE wishes AS SELECT DISTINCT {', '.join(_WISH)} FROM mirror")

        def base(table: Table, columns: Sequence[str] | None) -> pa.RecordBatchReader:
            return nothing(table, columns) if _blank(table, whole=whole) else before(self._runtime, table, columns)

        return Local(self._connection.cursor(), model, self._config, base, self._settle)

    def _settle(self, parts: str, into: str) -> None:
        """Settle few pieces in this process, many on all cores: Spark's Python workers apply the same rule."""
        number, borders = self.count(parts), rules(self._config)
        if number <= _PARTS_IN_PROCESS:
            settle_here(self._connection, parts, into, borders)
            return
        settled = transforms.persons(self.frame(parts), borders, transforms.buckets(number))
        settled.write.mode("overwrite").parquet(str(self._work / into))
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {into} AS SELECT * FROM read_parquet(?)", [f"{self._work / into}/*.parquet"]
        )

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        return scoring.count(self._connection, name)

    def frame(self, name: str) -> DataFrame:
        """Return a table as a frame over a file."""
        path = self._work / f"{name}.parquet"
        self._connection.execute(f"COPY {name} TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        return self._runtime.lake.spark.read.parquet(str(path))

    def close(self) -> None:
        """Let go of everything but the files."""
        self._connection.close()


class Cluster:
    """Tables are Parquet in the work folder, which all workers reach; the driver holds plans, a model and counts."""

    def __init__(self, runtime: Runtime, config: IdentityConfig, work: Path) -> None:
        self._runtime = runtime
        self._work = work
        self._whole = False
        self._lesson: duckdb.DuckDBPyConnection | None = None
        self._engine = Distributed(runtime.lake.spark, config, self._open, str(work / "tables"))

    def _open(self, table: Table) -> DataFrame:
        lake = self._runtime.lake
        return lake.empty(table) if _blank(table, whole=self._whole) else lake.read_base(table)

    def load(self, changes: Changes) -> None:
        """Make the tables `fresh`, `gone` and `taken` from what changed."""
        for name in _LOADED:
            self._engine.keep(name, self._runtime.lake.spark.read.parquet(str(getattr(changes, name))))

    def take_all(self) -> None:
        """Let the records that did not change count as changed too."""
        held = self._engine.base(RECORD_FEATURES, schema(RECORD_FEATURES).names)
        self._engine.make("fresh", f"SELECT * FROM fresh UNION ALL {_unchanged(held)}")

    def described(self) -> int:
        """Return how many records that describe somebody there are with the changes."""
        self._engine.make("described", _described(self._engine.base(RECORD_FEATURES)))
        return self._engine.count("described")

    def lesson(self, records: int) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB with the table `described` to learn from, of all `records` once they count as changed."""
        self._engine.make("lesson", _lesson(records))
        self._lesson = scoring.connect(file=str(Path(mkdtemp(dir=self._work)) / "lesson.duckdb"))
        scoring.load_features(self._lesson, [self._engine.files("lesson")])
        return self._lesson

    def engine(self, model: MatchModel, *, whole: bool) -> Engine:
        """Return the engine, with the stewards' `wishes` that stand; as if nothing was resolved before, if whole."""
        self._whole = whole
        connection = scoring.connect()
        modelling.load_frequencies(self._runtime, connection, model)
        self._engine.weigh_by(model, connection.sql("SELECT * FROM frequencies").to_arrow_table())
        connection.close()
        self._engine.put("wishes", self._runtime.lake.read(CONSTRAINTS).select(*_WISH).distinct())
        return self._engine

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        return self._engine.count(name)

    def frame(self, name: str) -> DataFrame:
        """Return a table as a frame over files."""
        return self._engine.frame(name)

    def close(self) -> None:
        """Let go of everything but the files."""
        self._engine.close()
        if self._lesson is not None:
            self._lesson.close()


def _blank(table: Table, *, whole: bool) -> bool:
    """Say whether the engine sees nothing in a table: who resolves all records anew knows no posting and no edge."""
    return whole and table.name in {POSTING_INDEX.name, EDGES.name}


def _unchanged(held: str) -> str:
    return (
        f"SELECT * FROM {held} WHERE record_key NOT IN (SELECT record_key FROM fresh) "
        "AND record_key NOT IN (SELECT record_key FROM gone)"
    )


def _described(held: str) -> str:
    return (
        "SELECT record_key FROM fresh WHERE NOT bare "
        f"UNION ALL SELECT record_key FROM ({_unchanged(held)}) unchanged WHERE NOT bare"
    )


def _lesson(records: int) -> str:
    """Return SQL for the records to learn from: those that describe somebody, or so many of them that a driver can hold.

    A digest chooses: both engines take the same ones, and the next version of a record is not dealt anew.
    """
    chosen = "SELECT * FROM fresh WHERE NOT bare"
    if records <= _MOST_TAUGHT:
        return chosen
    return f"{chosen} AND md5(record_key) < '{16**8 * _MOST_TAUGHT // records:08x}'"
