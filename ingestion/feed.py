"""The shell of ingestion: looks a source over, judges every fresh row once, writes what is new, closes the books."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Final, cast

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from consent.tables import CONSENT_INBOX
from infra.identifiers import IdentifierType
from infra.ids import content_digest
from infra.runtime import Runtime
from infra.tables import Table
from ingestion import facts
from ingestion.check import checks
from ingestion.config import Source
from ingestion.errors import BooksDoNotBalance, SourceUnreadable
from ingestion.identify import Naming
from ingestion.model import Account, Note, SourceFile
from ingestion.pii import Screen
from ingestion.rows import columns_of, raw_rows
from ingestion.store import Books
from ingestion.subjects import subject_versions, subjects
from ingestion.survey import survey
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS
from ingestion.transforms import (
    CONTENT,
    Reading,
    content_hash,
    current_records,
    identifier_columns,
    settled,
    understood,
)
from ingestion.versions import exceptions, fresh_lines, known_lines, rejected_lines, verdicts

# Raised when rows would be understood differently by newer code: files are then read again.
_RULES: Final = 1
# A join side with fewer rows than this is sent to every task; above, both sides are sorted.
_SMALL: Final = 200_000
_IDENTIFIED: Final = (
    "identifiers array<struct<type:string,value:string,token:string>>, subject string, subject_kind string, "
    "subject_value string, subject_token string, known boolean, anonymous_id string, suppressed boolean, "
    "dropped array<string>"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all sources of a run: identifier types, the words of consent, who may not be taken in."""

    kinds: Mapping[str, IdentifierType]
    words: Mapping[str, tuple[str, ...]]
    restricted: frozenset[str] = field(repr=False)

    def restrictions(self) -> str:
        """Return the digest of the list of restricted people."""
        return content_digest(sorted(self.restricted))

    def declaration(self, source: Source, zone: str, region: str) -> str:
        """Return the digest of everything that decides what a source's rows come to."""
        kinds = {name: self.kinds[name].model_dump(mode="json") for name in source.identifiers}
        words = self.words if source.record == "consent" else {}
        return content_digest([_RULES, source.model_dump(mode="json"), kinds, words, zone, region])


class Load:
    """One source in one run. `prepare` looks and complains; `carry_out` writes."""

    def __init__(self, runtime: Runtime, source: Source, terms: Terms) -> None:
        settings = runtime.workspace.settings
        self._runtime, self._source, self._terms = runtime, source, terms
        self._books = Books(runtime.database, runtime.run.id, source.source)
        self._zone = source.time_zone or settings.time_zone
        self._jurisdiction = source.jurisdiction or settings.jurisdiction
        self._declaration = terms.declaration(source, self._zone, settings.region)
        self._stamp = facts.Stamp(runtime.run.number, runtime.run.started_at, runtime.run.salt)
        self._done = self._books.accounts()
        self._fresh: tuple[SourceFile, ...] = ()
        self._repeated: tuple[Account, ...] = ()

    def prepare(self) -> None:
        """Look over the source's files; raise what is wrong with them, before anything of any source is written."""
        if self._done:
            return
        files = survey(self._runtime.workspace.root, self._source)
        known = self._books.rows_taken_in(self._declaration, self._terms.restrictions())
        rows = {file.path: known.get((file.path, file.sha256)) for file in files}
        self._fresh = tuple(file for file in files if rows[file.path] is None)
        self._repeated = tuple(
            Account(self._source.source, path, read=count, duplicate=count)
            for path, count in rows.items()
            if count is not None
        )
        self._books.plan(self._fresh)

    def carry_out(self) -> tuple[Account, ...]:
        """Take in the fresh files and return the accounts of all; what a killed run did already is not done again."""
        if self._done:
            return self._done
        accounts, notes = self._take_in() if self._fresh else ((), ())
        accounts = tuple(sorted((*accounts, *self._repeated), key=lambda account: account.file))
        self._books.close(
            {file.path: file for file in self._fresh},
            accounts,
            notes,
            declaration=self._declaration,
            restrictions=self._terms.restrictions(),
            at=self._runtime.run.started_at,
        )
        return accounts

    def _take_in(self) -> tuple[tuple[Account, ...], tuple[Note, ...]]:
        rows = self._rows().persist(StorageLevel.MEMORY_AND_DISK)
        found = exceptions(self._lines(rows), dated=self._dated).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            judged = verdicts(rows, _small(found))
            if self._source.record == "consent":
                judged = facts.contradictions(judged, self._mine(QUARANTINE))
            accounts = self._accounts(judged)
            notes = self._notes(judged)
            self._write(judged)
        except PySparkException as error:
            # Spark's own sentence may quote a value; its condition cannot.
            raise SourceUnreadable(self._source.source, str(error.getCondition() or type(error).__name__)) from None
        finally:
            found.unpersist()
            rows.unpersist()
        return accounts, notes

    @property
    def _dated(self) -> bool:
        return bool(self._source.observed_at or self._source.occurred_at)

    def _rows(self) -> DataFrame:
        """Return the fresh rows understood, identified and screened, each touched once."""
        source, runtime = self._source, self._runtime
        columns = columns_of(source, self._fresh)
        promised = checks(source, runtime.run.started_at, self._terms.words)
        reading = Reading(source, columns, promised, self._zone, runtime.run.started_at)
        raw = raw_rows(runtime.lake.spark, runtime.workspace.root, source, self._fresh, columns)
        return settled(_through(understood(raw, reading), self._naming(), self._screen()), source)

    def _naming(self) -> Naming:
        source, workspace = self._source, self._runtime.workspace
        return Naming(
            source=source.source,
            columns=identifier_columns(source),
            kinds=self._terms.kinds,
            region=workspace.settings.region,
            key=workspace.token_key(),
            restricted=self._terms.restricted,
            record_tokens=source.record == "person",
            known_first=source.record != "consent",
        )

    def _screen(self) -> Screen | None:
        texts = tuple(self._source.free_text.items())
        return Screen(texts, self._runtime.workspace.settings.region) if texts else None

    def _mine(self, table: Table) -> DataFrame:
        return self._runtime.lake.read_base(table).where(f.col("source") == self._source.source)

    def _lines(self, rows: DataFrame) -> DataFrame:
        known = {
            "person": lambda: known_lines(self._mine(RECORDS), "key", "observed_at"),
            "event": lambda: known_lines(
                self._mine(EVENTS).withColumn("sequence", f.col("version")).drop("record_key"),
                "message_id",
                "occurred_at",
            ),
            "catalogue": lambda: known_lines(self._mine(CATALOGUE), "key", "observed_at"),
            "consent": self._inbox_lines,
        }[self._source.record]()
        return reduce(DataFrame.unionByName, [fresh_lines(rows), known, rejected_lines(self._mine(QUARANTINE))])

    def _inbox_lines(self) -> DataFrame:
        inbox = facts.inbox_content(self._mine(CONSENT_INBOX))
        return known_lines(inbox.withColumn("content_hash", content_hash(CONTENT["consent"])), "event_id", "at")

    def _accounts(self, judged: DataFrame) -> tuple[Account, ...]:
        """Return the fate of every row, file by file; raise where a line of a file has no verdict."""
        names = ("accepted", "duplicate", "quarantined", "suppressed", "consent_filtered")
        counted = judged.groupBy("file").agg(
            f.count("*").alias("read"),
            f.sum("lines").alias("lines"),
            f.count_if("changed").alias("changed"),
            *(f.count_if(f.col("verdict") == name).alias(name) for name in names),
        )
        found = {row["file"]: row.asDict() for row in counted.collect()}
        accounts = []
        for file in self._fresh:
            counts = found.pop(file.path, {})
            lines = counts.pop("lines", 0)
            account = Account(self._source.source, file.path, **{k: v for k, v in counts.items() if k != "file"})
            for expected, met, unit in ((file.units, lines, "lines"), (account.read, account.judged, "rows")):
                if expected != met:
                    raise BooksDoNotBalance(self._source.source, file.path, expected, met, unit)
            accounts.append(account)
        return tuple(accounts)

    def _notes(self, judged: DataFrame) -> tuple[Note, ...]:
        told = judged.where("verdict = 'accepted'").select(f.explode(f.concat("notes", "dropped")).alias("note"))
        parts = [(row["note"].partition(": "), row["count"]) for row in told.groupBy("note").count().collect()]
        return tuple(Note(self._source.source, item, note, rows) for (item, _, note), rows in sorted(parts))

    def _write(self, judged: DataFrame) -> None:
        """Append what is new. The facts come last: should this run be given up midway, the next finds them new."""
        source, lake, part = self._source, self._runtime.lake, self._source.source
        lake.append(QUARANTINE, facts.rejected(judged, source, self._stamp), part)
        match source.record:
            case "person":
                lake.append(RECORDS, facts.records(judged, source, self._jurisdiction, self._stamp), part)
            case "event":
                self._write_events(judged)
            case "catalogue":
                lake.append(CATALOGUE, facts.catalogue(judged, source, self._stamp), part)
            case "consent":
                lake.append(CONSENT_INBOX, facts.consents(judged, source, self._stamp), part)

    def _write_events(self, judged: DataFrame) -> None:
        source, lake, part = self._source, self._runtime.lake, self._source.source
        known = current_records(self._mine(RECORDS))
        seen = subjects(judged.where("verdict = 'accepted'"), tuple(source.fields))
        grown = subject_versions(seen, known, part, self._stamp.salt)
        lake.append(RECORDS, facts.subject_records(grown, source, self._jurisdiction, self._stamp), part)
        keys = known.select(f.col("key").alias("subject"), f.col("record_key").alias("subject_key"))
        lake.append(EVENTS, facts.events(judged, _small(keys), source, self._stamp), part)


def _small(frame: DataFrame) -> DataFrame:
    """Return the frame, marked to be sent to every task if it is small enough."""
    return f.broadcast(frame) if frame.limit(_SMALL).count() < _SMALL else frame


def _through(frame: DataFrame, naming: Naming, screen: Screen | None) -> DataFrame:
    """Return the frame with identifiers named and free text screened, in one pass through Python."""
    gone = {f"i{index}" for index in range(len(naming.columns))}
    kept = [field for field in frame.schema.fields if field.name not in gone]
    found = [f"f{index} string" for index in range(len(screen.columns))] if screen else []
    made = cast("StructType", StructType.fromDDL(", ".join([_IDENTIFIED, *found])))

    def carried(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        named = naming.identified(batches)
        return screen.screened(named) if screen else named

    return frame.mapInArrow(carried, StructType([*kept, *made.fields]))
