"""Rejected rows on their way back in: mended, then read, checked, named, screened and told apart as any row is.

A replay is a run of the job `ingest` whose rows come from the quarantine as it was before the run. Facts and new
rejections are written as always; last comes what became of the old ones (`recovered`), so that a replay that was
given up midway is simply asked for again: what came in is a duplicate then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import and_
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from infra.lake import Lake
from infra.runtime import Runtime
from infra.tables import Table
from ingestion import facts
from ingestion.config import Source
from ingestion.feed import PART, Feed
from ingestion.intake import Intake, Terms, prepared
from ingestion.model import SourceFile
from ingestion.periods import EXPIRED
from ingestion.quarantine.again import Form, is_line
from ingestion.quarantine.form import form_of
from ingestion.quarantine.opened import Rejection, named, open_rejections
from ingestion.quarantine.patch import Fix, Where, mended
from ingestion.quarantine.payload import parsed
from ingestion.quarantine.workers import ARRIVED, mended_rows, read_again
from ingestion.store import Books, Taken
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS, RECOVERED
from ingestion.tracking.column import read_columns

_TABLES: Final = ("csv", "parquet")
_ENTRY: Final = ("source", "content_hash", "field", "rule")
# The rejection that a replayed row comes from, beside what the row is now.
_WAS: Final = {"content_hash": "was_hash", "file": "was_file", "place": "was_place", "received_at": "was_received"}
# Where what is known of a key stands, and under which names: a row's own time decides except for events, of which
# the last version counts.
_KNOWN: Final = {
    "person": (RECORDS, "key", "observed_at"),
    "event": (EVENTS, "message_id", None),
    "catalogue": (CATALOGUE, "key", "observed_at"),
}


@dataclass(frozen=True, slots=True)
class Replay:
    """A fix on its way: how the rows are read again, and the intake that holds them to the contract."""

    fix: Fix
    form: Form
    intake: Intake


def replay_of(runtime: Runtime, source: Source, terms: Terms, books: Books, fix: Fix) -> Replay:
    """Look over what a fix names; its rows are counted here, before Spark reads them."""
    form, files = form_of(runtime.workspace, source, _named(runtime, fix))
    books.plan(source.source, files)
    rows: set[str] = set()
    shapes: dict[tuple[str, ...], tuple[datetime, str, int]] = {}
    for one in _named(runtime, fix):
        before = parsed(one.payload) or {}
        made = mended(fix, before)
        if made is None:
            continue
        rows.add(one.content_hash)
        if form.format in _TABLES and not is_line(one.rule, before):
            came = (one.received_at, one.file, one.position)
            shapes[tuple(made.tree)] = min(came, shapes.get(tuple(made.tree), came))
    shaped = [*sorted(shapes, key=shapes.__getitem__), *(h for headers in form.headers.values() for h in headers)]
    # The columns of all tables in the order in which these came; of objects, the declared paths.
    columns = dict.fromkeys((*(name for names in shaped for name in names), *read_columns(source)))
    fresh = (SourceFile(f"replay {fix.id}", 0, "", len(rows)),) if rows else ()
    intake = prepared(runtime, source, terms, Taken(source.source, fresh, (), ""), tuple(columns), {})
    return Replay(fix, form, replace(intake, reading=replace(intake.reading, arrival=ARRIVED)))


def _named(runtime: Runtime, fix: Fix) -> Iterator[Rejection]:
    """Yield the rejections that a fix speaks of, as they were before this run."""
    opened = open_rejections(runtime.workspace.lake_path, fix.where.source, runtime.run.base)
    return named(opened, fix.where)


class Return(Feed):
    """The rows of one replay, on their way into the lake."""

    def __init__(self, runtime: Runtime, replayed: Replay) -> None:
        super().__init__(runtime, [replayed.intake])
        self._replay = replayed
        self._sent = runtime.lake.empty(QUARANTINE)

    def _raw(self, intake: Intake) -> DataFrame:
        where = self._replay.fix.where
        entries = self._mine(QUARANTINE).where(_meant(where)).withColumnRenamed("position", "place")
        self._sent = self._kept(_numbered(mended_rows(entries, self._replay.fix)))
        file = intake.taken.fresh[0].path
        return read_again(self._sent, self._replay.form, intake.reading.columns, intake.naming, file)

    def _mine(self, table: Table) -> DataFrame:
        """Return a table's rows of the source; of the quarantine those that are open: what left it may come again."""
        mine = super()._mine(table)
        return still_open(mine, super()._mine(RECOVERED)) if table is QUARANTINE else mine

    def _judged(self, rows: DataFrame, found: DataFrame) -> DataFrame:
        was = self._sent.select("position", *(f.col(name).alias(new) for name, new in _WAS.items()))
        judged = super()._judged(rows, found).join(was, "position")
        # A row that is rejected as before is no duplicate of itself: it stands where it was.
        fails = f.col("broken").isNotNull() & f.col("status").isin("accepted", "quarantined")
        stands = fails & (f.col("verdict") == "duplicate")
        verdict = f.when(stands, "quarantined").otherwise(f.col("verdict"))
        return self._overtaken(judged.withColumns({"stands": stands, "verdict": verdict}))

    def _renewed(self, judged: DataFrame) -> DataFrame:
        # How long a key has stood is asked of the moment at which the row had come.
        was = self._sent.select("position", f.col("received_at").alias("was_received"))
        return super()._renewed(judged.join(was, "position")).drop("was_received")

    def _overtaken(self, judged: DataFrame) -> DataFrame:
        """Return the rows with those as duplicates whose key was told anew after they had come.

        What was said later stays the last word: an event's last version counts, and of a record's versions with one
        time the last to come. (Older versions of a record are kept; their own time puts them in their place.)
        """
        kind = self._replay.intake.source.record
        if kind not in _KNOWN:
            return judged
        table, key, time = _KNOWN[kind]
        replayed = (
            self._mine(RECOVERED)
            .where("verdict = 'accepted'")
            .groupBy("key", "batch")
            .agg(f.max("arrived_at").alias("had_come"))
        )
        known = self._mine(table).withColumn("key", f.col(key))
        known = known.where("kind = 'person'") if table is RECORDS else known
        wanted = judged.where("verdict = 'accepted'").select("key").distinct()
        near = known.join(wanted, "key", "left_semi").join(replayed, ["key", "batch"], "left")
        at = [f.col(time).alias("at")] if time else []
        came = f.coalesce("had_come", "received_at")
        names = ["key", *("at" for _ in at)]
        told = self._keep(
            near.select("key", *at, came.alias("came")).groupBy(*names).agg(f.max("came").alias("told_at"))
        )
        joined = judged.join(told, names, "left")
        late = f.coalesce((f.col("told_at") >= f.col("was_received")) & (f.col("verdict") == "accepted"), f.lit(False))
        return joined.withColumns(
            {
                "verdict": f.when(late, "duplicate").otherwise(f.col("verdict")),
                "changed": f.col("changed") & ~late,
            }
        ).drop("told_at")

    def _rejected(self, judged: DataFrame) -> DataFrame:
        """Return the rows that still fail, at the place and of the moment at which they first came."""
        placed = judged.where(~f.col("stands")).withColumns({"file": f.col("was_file"), "position": f.col("was_place")})
        stamp = self._stamp
        return facts.rejected(placed, _Arrival(stamp.batch, stamp.received_at, stamp.salt))

    def _enters_quarantine(self) -> Column:
        """Say of judged rows whether they are rejected for something new."""
        return super()._enters_quarantine() & ~f.col("stands")

    def _write(self, judged: DataFrame) -> None:
        super()._write(judged)
        lake = self._lake
        if self._replay.intake.source.consent_gate or self._periods:
            filtered = judged.where(f.col("status").isin("consent_filtered", EXPIRED))
            gone = filtered.select("source", f.col("was_hash").alias("content_hash"))
            withhold(lake, gone, self._mine(RECOVERED))
        lake.append(RECOVERED, self._recovered(judged), PART)

    def _recovered(self, judged: DataFrame) -> DataFrame:
        """Return the rejections that this replay settles: all of a row that came in, the former ones of one that fails.

        A row whose person is restricted stays where it is, as does one that fails as before.
        """
        outcome = (
            f.when(f.col("status") == "suppressed", f.lit(None).cast("string"))
            .when(f.col("status").isin("consent_filtered", EXPIRED), f.col("status"))
            .when(f.col("broken").isNotNull(), "quarantined")
            .otherwise(f.col("verdict"))
        )
        kept = f.col("outcome").isin("accepted", "duplicate")
        told = judged.withColumn("outcome", outcome).select(
            "was_hash",
            "was_received",
            "outcome",
            f.when(kept, f.col("key")).alias("key"),
            f.col("content_hash").alias("now_hash"),
            f.when(f.col("outcome") == "quarantined", f.col("content_hash")).alias("became"),
            f.col("broken.field").alias("now_field"),
            f.col("broken.rule").alias("now_rule"),
        )
        entries = self._mine(QUARANTINE).select(*_ENTRY)
        joined = entries.join(told, f.col("content_hash") == f.col("was_hash"))
        stands = reduce(and_, (f.col(n).eqNullSafe(f.col(f"now_{n.removeprefix('content_')}")) for n in _ENTRY[1:]))
        settled = f.col("outcome").isNotNull() & ~((f.col("outcome") == "quarantined") & stands)
        return (
            joined.where(settled)
            .select(
                *_ENTRY,
                f.lit(self._replay.fix.id).alias("fix"),
                f.col("outcome").alias("verdict"),
                "key",
                "became",
                f.col("was_received").alias("arrived_at"),
                f.lit(self._stamp.received_at).alias("replayed_at"),
                self._stamp.number,
            )
            .distinct()
        )


class _Arrival(facts.Stamp):
    """A run's stamp on rows that arrived before it."""

    @property
    def received(self) -> Column:
        """The moment of a row's own arrival."""
        return f.col("was_received").alias("received_at")


def withhold(lake: Lake, filtered: DataFrame, recovered: DataFrame) -> None:
    """Take rows out of the quarantine that say, now that they can be read, that they may not be kept."""
    # Delta takes rows out by no plan that is kept in memory, so these few are cut loose from theirs.
    gone = found = filtered.distinct().localCheckpoint()
    before = recovered.where(f.col("became").isNotNull()).select("source", "content_hash", "became")
    while not found.isEmpty():
        # What a row was before an earlier fix goes with it.
        later = found.select("source", f.col("content_hash").alias("became"))
        former = before.join(later, ["source", "became"]).select("source", "content_hash")
        found = former.join(gone, ["source", "content_hash"], "left_anti").distinct().localCheckpoint()
        gone = gone.unionByName(found)
    if not gone.isEmpty():
        lake.replace(QUARANTINE, lake.empty(QUARANTINE), gone, gone.columns, "withheld")


def _meant(where: Where) -> Column:
    asked = {"source": where.source, "rule": where.rule, "field": where.field}
    return reduce(and_, (f.col(name) == value for name, value in asked.items() if value is not None))


def still_open(quarantine: DataFrame, recovered: DataFrame) -> DataFrame:
    """Return the rejections that no replay has settled since; the twin of `opened.open_rejections`."""
    last = recovered.groupBy(*_ENTRY).agg(f.max("batch").alias("settled"))
    left, right = quarantine.alias("q"), last.alias("r")
    same = reduce(and_, (f.col(f"q.{name}").eqNullSafe(f.col(f"r.{name}")) for name in _ENTRY))
    joined = left.join(right, same, "left").where(f.coalesce("r.settled", f.lit(-1)) < f.col("q.batch"))
    return joined.select("q.*")


def _numbered(rows: DataFrame) -> DataFrame:
    """Return each row once, though rejected for several reasons, numbered in the order in which they first came."""
    once = Window.partitionBy("content_hash").orderBy("field", "rule")
    single = rows.withColumn("_entry", f.row_number().over(once)).where("_entry = 1").drop("_entry")
    order = Window.orderBy("received_at", "file", "place", "content_hash")
    numbers = single.select("content_hash", f.row_number().over(order).cast("bigint").alias("position"))
    return single.join(numbers, "content_hash")
