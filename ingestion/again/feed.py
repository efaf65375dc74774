"""Rows that came before on their way through the feed once more, each at the moment at which it had come."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from infra.runtime import Runtime
from ingestion import facts
from ingestion.again.history import came, exceptions, fresh_lines, known_lines, rejected_lines
from ingestion.again.raw import Raw
from ingestion.config import Source
from ingestion.connectors.declared import Collector
from ingestion.feed import Feed
from ingestion.intake import Intake, Terms, personal, prepared
from ingestion.periods import EXPIRED
from ingestion.quarantine.replay import still_open, withhold
from ingestion.rows import columns_of, natives_of
from ingestion.store import Books, Taken
from ingestion.tables import QUARANTINE, RECOVERED, REPEATED, VERDICTS
from ingestion.versions import shared_slots

ARRIVED: Final = "arrived"
_PLACE: Final = ("source", "file", "position")
_ENTRY: Final = ("source", "content_hash", "field", "rule")
_TOLD: Final = ("source", "token", "verdict", "received_at")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A source whose raw rows come again: what there is of them, and what they are held to today."""

    raw: Raw
    intake: Intake


def replayed(runtime: Runtime, raw: Raw, terms: Terms, books: Books | None = None) -> Replayed:
    """Return a source prepared to be read again; by its books, a run that is resumed reads the same files."""
    source = raw.source
    files = raw.files if books is None else books.plan(source.source, raw.files, grows=True)
    taken = Taken(source.source, files, (), "")
    found = personal(runtime, source, files) if source.on_personal_data is not None else ()
    intake = prepared(runtime, source, terms, taken, columns_of(source, files), natives_of(source, files), found)
    arrival = None if _tells_time(source) else ARRIVED
    reading = replace(intake.reading, arrival=arrival)
    return Replayed(raw, replace(intake, reading=reading, landed=raw.streamed))


def _tells_time(source: Source) -> bool:
    return bool(source.observed_at or source.occurred_at)


class _Arrival(facts.Stamp):
    """A run's stamp on rows that came before it."""

    @property
    def received(self) -> Column:
        """The moment of a row's own arrival."""
        return f.col(ARRIVED).alias("received_at")


class Again(Feed):
    """The raw rows of a span, judged as they would be today, into the lake that had them before."""

    def __init__(self, runtime: Runtime, sources: Sequence[Replayed]) -> None:
        super().__init__(runtime, [one.intake for one in sources])
        self._stamp = _Arrival(self._stamp.batch, self._stamp.received_at, self._stamp.salt)
        self._raws = {one.intake.source.source: one.raw for one in sources}
        kinds = {name: one.source for name, one in self._raws.items()}
        plain = {n: s for n, s in kinds.items() if s.record in ("person", "catalogue") and not s.once}
        self._timed = [name for name, source in plain.items() if _tells_time(source)]
        self._ordered = [name for name, source in plain.items() if not _tells_time(source)]

    def _source_rows(self, intake: Intake) -> DataFrame:
        raw = self._raws[intake.source.source]
        rows = super()._source_rows(intake).join(f.broadcast(self._moments(raw)), "file")
        rows = rows.withColumn(ARRIVED, f.coalesce("received", ARRIVED))
        if not isinstance(intake.source.connector, Collector):
            return rows  # a file came whole
        return rows.where((f.col(ARRIVED) >= f.lit(raw.span.since)) & (f.col(ARRIVED) < f.lit(raw.span.until)))

    def _raw(self, intake: Intake) -> DataFrame:
        raw = self._read(intake)
        if intake.reading.arrival is None:
            return raw
        return raw.join(f.broadcast(self._moments(self._raws[intake.source.source]).select("file", ARRIVED)), "file")

    def _read(self, intake: Intake) -> DataFrame:
        return super()._raw(intake)

    def _moments(self, raw: Raw) -> DataFrame:
        """Return when the files were read: for the first time, and later."""
        rows = [(path, moments[0], list(moments[1:])) for path, moments in raw.moments.items()]
        return self._lake.spark.createDataFrame(rows, f"file string, {ARRIVED} timestamp, reread array<timestamp>")

    def _exceptions(self, rows: DataFrame) -> DataFrame:
        recovered = self._mine(RECOVERED)
        known = (known_lines(came(table, recovered, key), key, at, self._timed) for table, key, at in self._known())
        fresh = fresh_lines(rows, self._timed, self._ordered)
        lines = reduce(DataFrame.unionByName, (fresh, rejected_lines(self._mine(QUARANTINE)), *known))
        return exceptions(lines, self._keep(shared_slots(lines)))

    def _judged(self, rows: DataFrame, found: DataFrame) -> DataFrame:
        judged = super()._judged(rows, found).join(found.select(*_PLACE, "same"), list(_PLACE), "left")
        # A row that is rejected as before is no duplicate of itself: it stands where it was.
        fails = f.col("broken").isNotNull() & f.col("status").isin("accepted", "quarantined")
        stands = fails & (f.col("verdict") == "duplicate")
        verdict = f.when(stands, "quarantined").otherwise(f.col("verdict"))
        came = f.coalesce("received", ARRIVED)
        marked = judged.withColumns(
            {"stands": stands, "verdict": verdict, "token": facts.told_under(), "received_at": came}
        )
        told = self._mine(VERDICTS).select(*_TOLD, f.lit(True).alias("told")).distinct()
        return marked.join(told, list(_TOLD), "left").drop("token", "received_at")

    def _rejected(self, judged: DataFrame) -> DataFrame:
        return super()._rejected(judged.where(~f.col("stands")))

    def _enters_quarantine(self) -> Column:
        """Say of judged rows whether they are rejected for something new."""
        return super()._enters_quarantine() & ~f.col("stands")

    def _enters_verdicts(self) -> Column:
        """Say of judged rows whether no table tells of them yet; what the lake has from its arrival repeats none."""
        own = f.coalesce("same", f.lit(False)) & (f.col("verdict") == "duplicate")
        return super()._enters_verdicts() & ~own & f.col("told").isNull()

    def _repeated(self, judged: DataFrame) -> DataFrame:
        there = self._mine(REPEATED).select("source", "token", "first")
        return super()._repeated(judged).join(there, ["source", "token", "first"], "left_anti")

    def _grown(self, judged: DataFrame, known: DataFrame) -> DataFrame:
        # What is known of a subject grows when the run lets it grow, whenever its events came.
        return super()._grown(judged, known).withColumn(ARRIVED, f.lit(self._stamp.received_at))


class InPlace(Again):
    """A replay into the lake that had the rows: what was rejected and passes now is marked as recovered."""

    def __init__(self, runtime: Runtime, sources: Sequence[Replayed]) -> None:
        super().__init__(runtime, sources)
        self._name = f"replay {runtime.run.id}"

    def _write(self, judged: DataFrame) -> None:
        entries = self._keep(still_open(self._mine(QUARANTINE), self._mine(RECOVERED)))
        settled = self._kept(self._settled(judged, entries))
        super()._write(judged)
        filtered = settled.where(f.col("verdict").isin("consent_filtered", EXPIRED)).select("source", "content_hash")
        if self._periods or any(intake.source.consent_gate for intake in self._intakes):
            withhold(self._lake, filtered, self._mine(RECOVERED))
        self._put(RECOVERED, settled)

    def _settled(self, judged: DataFrame, entries: DataFrame) -> DataFrame:
        """Return the rejections that are settled: of rows that pass now, and the former ones of those that fail anew.

        A rejection is a row's where file, place and moment agree; where two files of one name and moment have the
        place, nothing can tell whose it is, and it stays open.
        """
        outcome = (
            f.when(f.col("status") == "suppressed", f.lit(None).cast("string"))
            .when(f.col("status").isin("consent_filtered", EXPIRED), f.col("status"))
            .when(f.col("broken").isNotNull(), "quarantined")
            .otherwise(f.col("verdict"))
        )
        kept = f.col("verdict").isin("accepted", "duplicate") & f.col("broken").isNull()
        moments = f.explode(f.concat(f.array(ARRIVED), f.coalesce("reread", f.array().cast("array<timestamp>"))))
        told = judged.select(
            *("source", "position", f.regexp_extract("file", "[^/]*$", 0).alias("file")),
            *(f.col(ARRIVED).alias("had_come"), moments.alias("received_at"), outcome.alias("outcome")),
            f.when(kept, f.col("key")).alias("key"),
            f.col("content_hash").alias("now_hash"),
            *(f.col(f"broken.{name}").alias(f"now_{name}") for name in ("field", "rule")),
        )
        place = ["source", "file", "position", "received_at"]
        near = told.join(entries.select(*place).distinct(), place, "left_semi")
        single = near.groupBy(*place).count().where("count = 1").drop("count")
        joined = entries.join(near.join(single, place), place)
        stands = reduce(and_, (f.col(n).eqNullSafe(f.col(f"now_{n.removeprefix('content_')}")) for n in _ENTRY[1:]))
        settled = f.col("outcome").isNotNull() & ~((f.col("outcome") == "quarantined") & stands)
        return joined.where(settled).select(
            *_ENTRY,
            f.lit(self._name).alias("fix"),
            f.col("outcome").alias("verdict"),
            "key",
            f.when(f.col("outcome") == "quarantined", f.col("now_hash")).alias("became"),
            f.col("had_come").alias("arrived_at"),
            f.lit(self._stamp.received_at).alias("replayed_at"),
            self._stamp.number,
        )
