"""Rows older than they may be kept, as plans: those that come in, and those that the lake has.

What is told of the future counts from its arrival, so that no wrong clock keeps a row for ever. A row whose age its own
words do not tell (an undated one, or one that goes with its person's last activity) is remembered when it goes: by a
keyed digest of source, key and content, under which it is known when it comes again.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from consent.retention.columns import past
from consent.retention.model import Moment
from ingestion.periods import EXPIRED, Periods
from ingestion.transforms import content_hash, current_events

_TABLES: Final = {"person": "records", "event": "events"}
# What names a row among its own: accepted ones by key and content, rejected ones by content and what was wrong.
_ACCEPTED: Final = ("key", "content_hash")
_REJECTED: Final = ("content_hash", "field", "rule")


def too_old(rows: DataFrame, record: str, periods: Periods, at: datetime) -> DataFrame:
    """Return rows of a kind of source with those marked that are older than they may be kept.

    A deletion is never too old: it keeps away what came before it.
    """
    if record not in _TABLES or not any(rule.table == _TABLES[record] for rule in periods.rules):
        return rows
    told = f.when(f.col("dated"), f.least("at", f.coalesce("received", f.lit(at))))
    moments: Mapping[Moment, Column] = {"occurred": told, "received": f.col("received")}
    kind = f.col("type") if record == "event" else None
    gone = past(periods.rules, _TABLES[record], periods.purposes, at, moments, kind)
    old = (f.col("status") == "accepted") & ~f.col("gone") & gone
    return rows.withColumn("status", f.when(old, EXPIRED).otherwise(f.col("status")))


def gone_before(rows: DataFrame, memory: DataFrame, standing: DataFrame, secret: DataFrame) -> DataFrame:
    """Return rows with those marked that went before and say nothing new; a key that is `standing` is not asked."""
    own = ["source", "file", "position"]
    accepted = rows.where("status = 'accepted' AND NOT gone").select(*own, *_ACCEPTED)
    rejected = rows.where("status = 'quarantined'").select(
        *own, "content_hash", f.col("broken.field").alias("field"), f.col("broken.rule").alias("rule")
    )
    tokens = memory.select("source", "token").distinct()
    back = named(accepted, _ACCEPTED, secret).join(tokens, ["source", "token"], "left_semi")
    back = back.join(standing.distinct(), ["source", "key"], "left_anti").select(*own)
    again = named(rejected, _REJECTED, secret).join(tokens, ["source", "token"], "left_semi").select(*own)
    marked = back.unionByName(again).withColumn("went", f.lit(True))
    joined = rows.join(marked, own, "left")
    return joined.withColumn("status", f.when(f.col("went"), EXPIRED).otherwise(f.col("status"))).drop("went")


def named(rows: DataFrame, by: Collection[str], secret: DataFrame) -> DataFrame:
    """Return rows with the `token` that they are remembered by. The `secret` is a row of a frame: no plan spells it."""
    parts = [f.coalesce(f.col(name), f.lit("")) for name in by]
    token = f.sha2(f.to_json(f.array("secret", f.lit("|".join(by)), "source", *parts)), 256)
    return rows.crossJoin(f.broadcast(secret)).withColumn("token", token).drop("secret")


def versions(records: DataFrame, last: DataFrame | None) -> DataFrame:
    """Return the versions of what sources say of people with the moments that each is counted from.

    A version counts from the newest moment of those that it stands before: no older word takes its place when it goes,
    and none that was deleted comes back. `last` is (record_key, last_at).
    """
    said = records.where("kind = 'person'")
    order = Window.partitionBy("record_key").orderBy("observed_at", "sequence")
    till = order.rowsBetween(Window.unboundedPreceding, 0)
    own = said.select(
        *("record_key", "sequence", "source", "key", "content_hash"),
        f.max(f.least("observed_at", "received_at")).over(till).alias("occurred"),
        f.max("received_at").over(till).alias("received"),
        f.count(f.lit(1)).over(Window.partitionBy("record_key")).alias("versions"),
    )
    if last is None:
        return own.withColumn("last_activity", f.lit(None).cast("timestamp"))
    return (
        own.join(last, "record_key", "left")
        .withColumn("last_activity", f.coalesce("last_at", "occurred"))
        .drop("last_at")
    )


def happenings(events: DataFrame, last: DataFrame | None) -> DataFrame:
    """Return every event as last corrected with the moments that it is counted from; it goes with all its versions.

    `last` is (source, message_id, last_at).
    """
    own = current_events(events).select(
        "source",
        f.col("message_id").alias("key"),
        *("type", "content_hash", "record_key", "anonymous_id", "subject"),
        f.least("occurred_at", "received_at").alias("occurred"),
        f.col("received_at").alias("received"),
    )
    if last is None:
        return own.withColumn("last_activity", f.lit(None).cast("timestamp"))
    known = last.withColumnRenamed("message_id", "key")
    joined = own.join(known, ["source", "key"], "left")
    return joined.withColumn("last_activity", f.coalesce("last_at", "occurred")).drop("last_at")


def marked(rows: DataFrame, table: str, periods: Periods, at: datetime, dated: Collection[str]) -> DataFrame:
    """Return the rows that are past, with whether their own words will tell so when they come again (`told`)."""
    kind = f.col("type") if table == "events" else None

    def gone(moments: Mapping[Moment, Column]) -> Column:
        return past(periods.rules, table, periods.purposes, at, moments, kind)

    everything: tuple[Moment, ...] = ("occurred", "received", "last_activity")
    own = f.when(f.col("source").isin(list(dated)), f.col("occurred"))
    found = rows.where(gone({name: f.col(name) for name in everything if name in rows.columns}))
    return found.withColumn("told", gone({"occurred": own}) if "occurred" in rows.columns else f.lit(False))


def pruned(records: DataFrame, events: DataFrame, touched: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return what records that were made of events say without those that went, and the versions this replaces.

    `touched` (source, subject) lost events, `events` are those that stay. An identifier that only lost events told goes
    with them, a version that says nothing more than the one before goes whole, and the record with its last event.
    """
    mine = touched.select("source", f.col("subject").alias("key")).distinct()
    held = records.where("kind = 'subject'").join(mine, ["source", "key"], "left_semi")
    told = events.select("source", f.col("subject").alias("key"), f.explode("identifiers").alias("one"))
    still = told.groupBy("source", "key").agg(f.collect_set("one").alias("still"))
    alive = events.select("source", f.col("subject").alias("key")).distinct().withColumn("alive", f.lit(True))
    joined = held.join(still, ["source", "key"], "left").join(alive, ["source", "key"], "left")
    kept = f.coalesce(f.array_intersect("identifiers", "still"), f.filter("identifiers", lambda _: f.lit(False)))
    in_order = Window.partitionBy("record_key").orderBy("observed_at", "sequence")
    cut = joined.withColumn("kept", f.array_sort(kept)).withColumn("said", f.to_json(f.struct("kept", "attributes")))
    placed = cut.withColumn("before", f.lag("said").over(in_order))
    stays = f.coalesce("alive", f.lit(False)) & ~f.col("said").eqNullSafe(f.col("before"))
    changed = placed.where(~stays | (f.size("kept") != f.size("identifiers"))).withColumn("stays", stays)
    rows = changed.where("stays").withColumn("identifiers", f.col("kept"))
    rows = rows.withColumn("content_hash", content_hash("person"))
    return rows.select(*records.columns), changed.select("record_key", "sequence")
