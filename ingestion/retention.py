"""Retention of facts: which rows are past, taken out of every table by their keys, remembered where they must be.

What is found is written down first, as work tables: once rows are gone nobody finds them again, and a run that died is
ended by the next. What is past is kept by the rules that said so, whom a legal hold keeps by the holds: other rules or
holds in the meantime are asked anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.erasure.ports import Subject
from infra import shelf, upkeep
from infra.ids import content_digest
from infra.runtime import Runtime
from infra.tables import Table
from ingestion import aged
from ingestion.config import load_sources
from ingestion.periods import Periods
from ingestion.tables import EVENTS, LET_GO, QUARANTINE, RECORDS, RECOVERED, REPEATED, TABLES, VERDICTS
from ingestion.theirs import EVENT, OWN, REJECTED, TOLD, Theirs

Last = Callable[[], tuple[DataFrame, DataFrame]]
PART: Final = "retention"
# Below the folder of a maintenance: which records and cookies changed, as `identity` wants them told.
_RECORDS, _COOKIES = "records", "cookies"
# By which columns the past rows of a table are taken out, and the column that says when a row came.
_KEYS: Final[Mapping[Table, tuple[str, ...]]] = {
    RECORDS: ("record_key", "sequence"),
    EVENTS: EVENT,
    QUARANTINE: QUARANTINE.keys,
    RECOVERED: RECOVERED.keys,
    VERDICTS: VERDICTS.keys,
    LET_GO: ("source", "token", "let_go_at"),
}
_CAME: Final = {QUARANTINE: "received_at", RECOVERED: "arrived_at", VERDICTS: "received_at", LET_GO: "let_go_at"}
# A rejection and what became of it are past together.
_RULED_BY: Final = {RECOVERED: QUARANTINE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How many rows of a table are past, how many of them a legal hold keeps, and how many the table has."""

    table: str
    past: int
    held: int
    rows: int

    @property
    def going(self) -> int:
        """How many rows go."""
        return self.past - self.held


class Aging:
    """The facts of a lake, as one maintenance sees them: what is past, but for rows of a subject who is `held` by law.

    `last` returns both frames of `identity.activity`; `holds` is a digest of the holds.
    """

    def __init__(
        self, runtime: Runtime, folder: Path, periods: Periods, last: Last, held: Subject | None, holds: str
    ) -> None:
        self._runtime, self._lake, self._folder, self._periods = runtime, runtime.lake, folder, periods
        self._last, self._subject, self._holds = last, held, f"held-{holds}"
        self._rules = f"past-{content_digest(periods.facts())[:16]}"
        self._at = runtime.run.started_at
        ruled = {rule.table for rule in periods.rules}
        self._ruled = tuple(table for table in _KEYS if _RULED_BY.get(table, table).name in ruled)
        self._dated = [s.source for s in load_sources(runtime.workspace) if s.observed_at or s.occurred_at]

    def find(self) -> tuple[Found, ...]:
        """Write down which rows are past, and return how many of each table."""
        self._lake.ensure(TABLES)
        found = []
        for table in self._ruled:
            rows = self._marked(table)
            counts = {bool(row["held"]): int(row["count"]) for row in rows.groupBy("held").count().collect()}
            whole = shelf.count(self._runtime.workspace.lake_path, table)
            past = sum(counts.values())
            found.append(Found(table=table.name, past=past, held=counts.get(True, 0), rows=whole))
        self._change()
        return tuple(found)

    def _marked(self, table: Table) -> DataFrame:
        """Return the past rows of a table with whether they are `held`."""
        if self._is_made(f"{self._rules}/{self._holds}/{table.name}"):
            return self._read(f"{self._rules}/{self._holds}/{table.name}")
        past = self._made(f"{self._rules}/{table.name}", lambda: self._past(table))
        return self._made(f"{self._rules}/{self._holds}/{table.name}", lambda: self._held(table, past))

    def _past(self, table: Table) -> DataFrame:
        if table is RECORDS:
            rows = aged.versions(self._lake.read(RECORDS), self._counted_from_last(table, 0))
        elif table is EVENTS:
            rows = aged.happenings(self._lake.read(EVENTS), self._counted_from_last(table, 1))
        else:
            rows = self._lake.read(table).withColumn("received", f.col(_CAME[table]))
        ruled = _RULED_BY.get(table, table).name
        past = aged.marked(rows, ruled, self._periods, self._at, self._dated)
        if table is RECOVERED:  # what tells that a rejection is settled stays as long as the rejection
            entry = ("source", "content_hash", "field", "rule")
            gone = self._gone(QUARANTINE).select(*QUARANTINE.keys)
            stay = _without(self._lake.read(QUARANTINE), gone, QUARANTINE.keys)
            past = _without(past, stay.select(*entry).distinct(), entry)
        return past

    def _counted_from_last(self, table: Table, which: int) -> DataFrame | None:
        asked = [r for r in self._periods.rules if (r.table, r.counted_from) == (table.name, "last_activity")]
        return self._last()[which] if asked else None

    def _held(self, table: Table, past: DataFrame) -> DataFrame:
        no = f.lit(None).cast("boolean")
        if self._subject is None or table is LET_GO:
            return past.withColumn("held", f.lit(False))
        theirs = Theirs(self._runtime, self._folder / self._holds, self._subject)
        events = theirs.events().withColumnRenamed("message_id", "key")
        marks_of: Mapping[Table, list[tuple[DataFrame, tuple[str, ...]]]] = {
            RECORDS: [(theirs.records(), ("record_key",)), (theirs.named(), OWN)],
            EVENTS: [(events, OWN)],
            QUARANTINE: [(theirs.rejected(), REJECTED)],
            RECOVERED: [(theirs.rejected(), REJECTED), (theirs.named(), OWN)],
            VERDICTS: [(theirs.told(), TOLD)],
        }
        by = marks_of[table]
        for number, (frame, keys) in enumerate(by):
            mine = frame.select(*keys).distinct().withColumn(f"held_{number}", f.lit(True))
            past = past.join(f.broadcast(mine), list(keys), "left")
        marks = [f"held_{number}" for number in range(len(by))]
        return past.withColumn("held", f.coalesce(*marks, no, f.lit(False))).drop(*marks)

    def _change(self) -> None:
        """Write down which records and cookies are not what they were."""
        none = self._lake.empty(EVENTS)
        events = self._gone(EVENTS) if EVENTS in self._ruled else none
        records = events.where(f.col("record_key").isNotNull()).select("record_key")
        if RECORDS in self._ruled:
            records = records.union(self._gone(RECORDS).select("record_key"))
        cookies = events.where(f.col("anonymous_id").isNotNull()).select("source", "anonymous_id")
        self._made(f"{self._rules}/{self._holds}-{_RECORDS}", records.distinct)
        self._made(f"{self._rules}/{self._holds}-{_COOKIES}", cookies.distinct)

    def changed(self) -> Path:
        """Return a folder that tells the next resolution which records and cookies are not what they were."""
        for name in (_RECORDS, _COOKIES):
            parts = [str(path) for path in sorted(self._folder.glob(f"past-*/held-*-{name}"))]
            rows = self._lake.spark.read.parquet(*parts).distinct()
            rows.coalesce(1).write.mode("overwrite").parquet(str(self._folder / "changed" / name))
        return self._folder / "changed"

    def let_go(self) -> None:
        """Take out what was found; done again after any end, it comes to the same."""
        self._ruled = self._known()  # what nobody was told of stays
        self._lake.append(LET_GO, self._memory(), PART)
        for table in self._ruled:
            if self._any(table):
                keys = _KEYS[table]
                upkeep.erase(self._lake, table, self._keyed(table).select(*keys), keys)
        if VERDICTS in self._ruled and self._any(VERDICTS):
            upkeep.erase(self._lake, REPEATED, self._gone(VERDICTS), REPEATED.keys)
        if EVENTS in self._ruled and self._any(EVENTS):
            firsts = self._gone(EVENTS).select("source", f.col("key").alias("first"))
            upkeep.erase(self._lake, REPEATED, firsts, ("source", "first"))
            self._prune()

    def _prune(self) -> None:
        """Let records that were made of events follow them."""
        rows, gone = aged.pruned(self._lake.read(RECORDS), self._lake.read(EVENTS), self._gone(EVENTS))
        kept = f"{self._rules}/{self._holds}-pruned"
        rows, gone = self._made(f"{kept}-rows", lambda: rows), self._made(f"{kept}-gone", lambda: gone)
        if not gone.isEmpty():
            self._lake.replace(RECORDS, rows, gone, _KEYS[RECORDS], PART)

    def left(self) -> dict[str, int]:
        """Return how many rows of each table still have a key that was let go."""
        found = {}
        for table in self._known():
            there = self._lake.read(table)
            gone = self._keyed(table).select(*_KEYS[table]).distinct()
            found[table.name] = there.count() - _without(there, gone, _KEYS[table]).count()
        return found

    def records_gone(self) -> DataFrame:
        """Return the keys of the records of which nothing is left."""
        changed = self._lake.spark.read.parquet(str(self._folder / "changed" / _RECORDS))
        return changed.join(self._lake.read(RECORDS).select("record_key"), "record_key", "left_anti").distinct()

    def _memory(self) -> DataFrame:
        """Return the digests of rows that would come again as if they were new."""
        secret = self._lake.spark.createDataFrame([(self._periods.secret,)], "secret string")
        frames = []
        for table, by in ((RECORDS, ("key", "content_hash")), (EVENTS, ("key", "content_hash"))):
            if table in self._ruled:
                untold = self._gone(table).where("NOT told")
                if table is RECORDS:  # of a record that stands another version may say the same again
                    stays = self._held_versions()
                    untold = untold.join(stays, "record_key", "left_anti")
                frames.append(aged.named(untold, by, secret))
        if QUARANTINE in self._ruled:
            rejected = ("content_hash", "field", "rule")
            frames.append(aged.named(self._gone(QUARANTINE), rejected, secret))
        if not frames:
            return self._lake.empty(LET_GO)
        tokens = reduce(DataFrame.unionByName, (frame.select("source", "token") for frame in frames)).distinct()
        return tokens.select(
            *("source", "token"),
            f.lit(self._at).alias("let_go_at"),
            f.lit(self._runtime.run.number).cast("bigint").alias("batch"),
        )

    def _held_versions(self) -> DataFrame:
        """Return the keys of records of which a version stays."""
        counted = (
            self._gone(RECORDS)
            .groupBy("record_key")
            .agg(f.count(f.lit(1)).alias("going"), f.max("versions").alias("versions"))
        )
        return counted.where("going < versions").select("record_key")

    def _gone(self, table: Table) -> DataFrame:
        return self._marked(table).where(~f.col("held"))

    def _keyed(self, table: Table) -> DataFrame:
        gone = self._gone(table)
        return gone.withColumnRenamed("key", "message_id") if table is EVENTS else gone

    def _known(self) -> tuple[Table, ...]:
        return tuple(table for table in self._ruled if self._is_made(f"{self._rules}/{table.name}"))

    def _any(self, table: Table) -> bool:
        return not self._gone(table).isEmpty()

    def _made(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """Return a work table as it was first made."""
        if not self._is_made(name):
            make().coalesce(1).write.mode("overwrite").parquet(str(self._folder / name))
        return self._read(name)

    def _is_made(self, name: str) -> bool:
        return (self._folder / name / "_SUCCESS").exists()

    def _read(self, name: str) -> DataFrame:
        return self._lake.spark.read.parquet(str(self._folder / name))


def _without(rows: DataFrame, gone: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Return the rows whose keys are not among others, nulls being equal."""
    left, right = rows.alias("l"), gone.alias("r")
    same = reduce(lambda a, b: a & b, (f.col(f"l.{key}").eqNullSafe(f.col(f"r.{key}")) for key in keys))
    return left.join(right, same, "left_anti")
