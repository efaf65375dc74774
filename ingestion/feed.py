"""The shell of ingestion: all fresh rows of all sources are judged in one pass, then written and accounted for."""

from collections.abc import Sequence
from functools import reduce
from time import monotonic
from typing import Final

from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import StringType, StructField, StructType

from consent.tables import CONSENT_INBOX
from infra.runtime import Runtime
from infra.tables import Table
from ingestion import facts
from ingestion.errors import BooksDoNotBalance, SourceUnreadable
from ingestion.intake import Intake
from ingestion.model import Account, Note
from ingestion.pii import Screen
from ingestion.rows import raw_rows
from ingestion.subjects import subject_versions, subjects
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS
from ingestion.transforms import content_hash, current_records, settled, understood
from ingestion.versions import exceptions, fresh_lines, known_lines, rejected_lines, shared_slots, verdicts

# A join side with fewer rows than this is sent to every task; above, both sides are sorted.
_SMALL: Final = 200_000
_PART: Final = "ingest"


class Feed:
    """The fresh files of a run's sources, on their way into the lake."""

    def __init__(self, runtime: Runtime, intakes: Sequence[Intake]) -> None:
        self._runtime, self._lake = runtime, runtime.lake
        self._intakes = [intake for intake in intakes if intake.taken.fresh]
        self._persisted: list[DataFrame] = []
        self._stamp = facts.Stamp(runtime.run.number, runtime.run.started_at, runtime.run.salt)

    def take_in(self) -> tuple[tuple[Account, ...], tuple[Note, ...]]:
        """Judge every row, write what is new, and return the accounts and notes; raise before writing if one is off."""
        if not self._intakes:
            return (), ()
        began = monotonic()
        try:
            rows = self._kept(self._rows())
            lines = self._lines(rows)
            judged = self._judged(rows, self._keep(exceptions(lines, self._keep(shared_slots(lines)))))
            accounts = self._accounts(judged)
            self._say("judged", accounts, began)
            notes = _notes(judged)
            self._write(judged)
            self._say("taken in", accounts, began)
        except PySparkException as error:
            # Spark's own sentence may quote a value; its condition cannot.
            names = tuple(intake.source.source for intake in self._intakes)
            raise SourceUnreadable(names, str(error.getCondition() or type(error).__name__)) from None
        finally:
            for frame in self._persisted:
                frame.unpersist()
        return accounts, notes

    def _kept(self, frame: DataFrame) -> DataFrame:
        self._persisted.append(frame.persist(StorageLevel.MEMORY_AND_DISK))
        return frame

    def _keep(self, frame: DataFrame) -> DataFrame:
        """Return the frame kept, and marked to be sent to every task if it is small enough."""
        return f.broadcast(frame) if self._kept(frame).limit(_SMALL).count() < _SMALL else frame

    def _say(self, what: str, accounts: Sequence[Account], began: float) -> None:
        rows, seconds = sum(account.read for account in accounts), monotonic() - began
        self._runtime.say(f"{what}: {rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)")

    def _rows(self) -> DataFrame:
        """Return the fresh rows of all sources understood, identified and screened, each touched once."""
        frames = [self._source_rows(intake) for intake in self._intakes]
        return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), frames)

    def _source_rows(self, intake: Intake) -> DataFrame:
        runtime, source = self._runtime, intake.source
        raw = raw_rows(
            self._lake.spark, runtime.workspace.root, intake.reading, intake.taken.fresh, intake.naming, self._keep
        )
        return settled(_screened(understood(raw, intake.reading), intake.screen), source)

    def _mine(self, table: Table) -> DataFrame:
        names = [intake.source.source for intake in self._intakes]
        return self._lake.read_base(table).where(f.col("source").isin(names))

    def _lines(self, rows: DataFrame) -> DataFrame:
        """Return the fresh rows and all that they could repeat, narrowed to what tells."""
        kinds = {intake.source.record for intake in self._intakes}
        dated = [i.source.source for i in self._intakes if i.source.observed_at or i.source.occurred_at]
        lines = [fresh_lines(rows), rejected_lines(self._mine(QUARANTINE))]
        if "person" in kinds:
            lines.append(known_lines(self._mine(RECORDS).where("kind = 'person'"), "key", "observed_at", dated))
        if "event" in kinds:
            events = self._mine(EVENTS).withColumn("sequence", f.col("version")).drop("record_key")
            lines.append(known_lines(events, "message_id", "occurred_at", dated))
        if "catalogue" in kinds:
            lines.append(known_lines(self._mine(CATALOGUE), "key", "observed_at", dated))
        if "consent" in kinds:
            inbox = facts.inbox_content(self._mine(CONSENT_INBOX))
            hashed = inbox.withColumn("content_hash", content_hash("consent"))
            lines.append(known_lines(hashed, "event_id", "at", dated))
        return reduce(DataFrame.unionByName, lines)

    def _judged(self, rows: DataFrame, found: DataFrame) -> DataFrame:
        judged = verdicts(rows, found)
        if all(intake.source.record != "consent" for intake in self._intakes):
            return judged
        return facts.contradictions(judged, self._keep(self._mine(QUARANTINE).where("rule = 'immutable'")))

    def _accounts(self, judged: DataFrame) -> tuple[Account, ...]:
        """Return the fate of every row, file by file; raise where a line of a file has no verdict."""
        names = ("accepted", "duplicate", "quarantined", "suppressed", "consent_filtered")
        counted = judged.groupBy("source", "file").agg(
            f.count("*").alias("read"),
            f.sum("lines").alias("lines"),
            f.count_if("changed").alias("changed"),
            *(f.count_if(f.col("verdict") == name).alias(name) for name in names),
        )
        found = {(row["source"], row["file"]): row.asDict() for row in counted.collect()}
        accounts = []
        for intake in self._intakes:
            for file in intake.taken.fresh:
                counts = found.get((intake.source.source, file.path), {"lines": 0})
                lines = counts.pop("lines")
                account = Account(**{"source": intake.source.source, "file": file.path, **counts})
                for expected, met, unit in ((file.units, lines, "lines"), (account.read, account.judged, "rows")):
                    if expected != met:
                        raise BooksDoNotBalance(account.source, account.file, expected, met, unit)
                accounts.append(account)
        return tuple(accounts)

    def _write(self, judged: DataFrame) -> None:
        """Append what is new. Events come last: should this run be given up midway, the next finds them new."""
        lake, stamp = self._lake, self._stamp
        kinds = {intake.source.record for intake in self._intakes}
        known = current_records(self._mine(RECORDS).where("kind = 'subject'"))
        lake.append(QUARANTINE, facts.rejected(judged, stamp), _PART)
        if kinds & {"person", "event"}:
            grown = subject_versions(subjects(judged), known, stamp.salt)
            lake.append(RECORDS, facts.records(judged, grown, stamp), _PART)
        if "catalogue" in kinds:
            lake.append(CATALOGUE, facts.catalogue(judged, stamp), _PART)
        if "consent" in kinds:
            lake.append(CONSENT_INBOX, facts.consents(judged, stamp), _PART)
        if "event" in kinds:
            keys = known.select("source", f.col("key").alias("subject"), f.col("record_key").alias("subject_key"))
            lake.append(EVENTS, facts.events(judged, self._keep(keys), stamp), _PART)


def _notes(judged: DataFrame) -> tuple[Note, ...]:
    told = judged.where("verdict = 'accepted'").select("source", f.explode(f.concat("notes", "dropped")).alias("note"))
    rows = told.groupBy("source", "note").count().collect()
    parts = [(row["source"], *row["note"].partition(": "), row["count"]) for row in rows]
    return tuple(Note(source, item, note, count) for source, item, _, note, count in sorted(parts))


def _screened(frame: DataFrame, screen: Screen | None) -> DataFrame:
    """Return the frame with its free text screened, in one pass through Python if there is any."""
    if screen is None:
        return frame
    found = [StructField(f"f{index}", StringType()) for index in range(len(screen.columns))]
    return frame.mapInArrow(screen.screened, StructType([*frame.schema.fields, *found]))
