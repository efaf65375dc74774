"""Judged rows in the shape of the tables that they go to."""

from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from infra.columns import birth_id
from ingestion.config import Source

# Versions of one run lie within one stride of sequence numbers.
_STRIDE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a run puts on everything that it takes in."""

    batch: int
    received_at: datetime
    salt: str = field(repr=False)

    @property
    def received(self) -> Column:
        """The moment of arrival as a column."""
        return f.lit(self.received_at).alias("received_at")

    @property
    def number(self) -> Column:
        """The batch as a column."""
        return f.lit(self.batch).cast("bigint").alias("batch")

    def sequence(self, turn: Column) -> Column:
        """Return the place of a version among all of its record, ever."""
        return (f.lit(self.batch * _STRIDE).cast("bigint") + turn).alias("sequence")


def _accepted(judged: DataFrame) -> DataFrame:
    return judged.where(f.col("verdict") == "accepted")


def records(judged: DataFrame, source: Source, jurisdiction: str | None, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of a person source as versions of records."""
    own = f.lit(source.source)
    key = f.coalesce("known_key", birth_id(stamp.salt, own, f.col("key"))).alias("record_key")
    return _as_records(_accepted(judged).select("*", key), source, jurisdiction, stamp, kind="person")


def subject_records(grown: DataFrame, source: Source, jurisdiction: str | None, stamp: Stamp) -> DataFrame:
    """Return the subjects of an event source that are new or say more than before as versions of records."""
    told = grown.withColumnRenamed("observed_at", "at").withColumn("turn", f.lit(1))
    return _as_records(told, source, jurisdiction, stamp, kind="subject")


def _as_records(rows: DataFrame, source: Source, jurisdiction: str | None, stamp: Stamp, *, kind: str) -> DataFrame:
    return rows.select(
        "record_key",
        f.lit(source.source).alias("source"),
        "key",
        f.lit(kind).alias("kind"),
        f.lit(True).alias("known"),
        "attributes",
        "identifiers",
        f.col("at").alias("observed_at"),
        stamp.received,
        "content_hash",
        stamp.sequence(f.col("turn")),
        f.lit(source.trust).alias("trust"),
        f.lit(jurisdiction).cast("string").alias("jurisdiction"),
        f.lit(False).alias("deleted"),
        stamp.number,
    )


def events(judged: DataFrame, subjects: DataFrame, source: Source, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of an event source; `subjects` tells the record keys that its subjects have already."""
    own = f.lit(source.source)
    named = _accepted(judged).join(subjects.select("subject", "subject_key"), "subject", "left")
    born = f.coalesce("subject_key", birth_id(stamp.salt, own, f.col("subject")))
    version = f.coalesce(f.col("known_sequence") + 1, f.lit(0)) + f.col("turn") - 1
    return named.select(
        own.alias("source"),
        f.col("key").alias("message_id"),
        "type",
        "name",
        f.col("at").alias("occurred_at"),
        stamp.received,
        "subject",
        "subject_token",
        f.when(f.col("known"), born).alias("record_key"),
        "anonymous_id",
        "identifiers",
        "properties",
        *("order_id", "product_id", "quantity", "amount", "campaign", "coupon", "channel", "content_hash"),
        version.cast("bigint").alias("version"),
        stamp.number,
    )


def catalogue(judged: DataFrame, source: Source, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of a catalogue."""
    return _accepted(judged).select(
        f.lit(source.source).alias("source"),
        "key",
        "attributes",
        "content_hash",
        f.col("at").alias("observed_at"),
        stamp.received,
        stamp.sequence(f.col("turn")),
        stamp.number,
    )


def consents(judged: DataFrame, source: Source, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of a consent source, for consent's inbox."""
    return _accepted(judged).select(
        f.lit(source.source).alias("source"),
        f.col("key").alias("event_id"),
        f.col("subject_kind").alias("kind"),
        f.col("subject_token").alias("token"),
        *("purpose", "action", "mechanism", "jurisdiction", "notice", "channel"),
        f.col("at").alias("occurred_at"),
        "expires_at",
        stamp.received,
        stamp.number,
    )


def inbox_content(inbox: DataFrame) -> DataFrame:
    """Return the inbox's rows under the names that fresh rows have, so that their content can be held against them."""
    names = {"occurred_at": "at", "kind": "subject_kind", "token": "subject_token"}
    return inbox.withColumnsRenamed(names)


def contradictions(judged: DataFrame, quarantine: DataFrame) -> DataFrame:
    """Return consent rows with those rejected that change what an earlier row of the same id said.

    What was said is evidence and is never edited; a new word needs an id of its own.
    """
    immutable = f.struct(
        f.lit(None).cast("string").alias("field"),
        f.lit("immutable").alias("rule"),
        f.lit("row").alias("value_class"),
        f.lit("another consent was taken in under this id; send a new word under a new id").alias("reason"),
        f.lit(True).alias("vital"),
    )
    changed = f.col("changed")
    told = judged.withColumns(
        {
            "broken": f.when(changed, immutable).otherwise(f.col("broken")),
            "content_hash": f.when(changed, f.sha2("payload", 256)).otherwise(f.col("content_hash")),
        }
    )
    before = quarantine.where("rule = 'immutable'").select("content_hash", f.lit(True).alias("told_before")).distinct()
    verdict = f.when(changed & f.col("told_before").isNotNull(), "duplicate").when(changed, "quarantined")
    joined = told.join(before, "content_hash", "left")
    return joined.select(
        *(name for name in judged.columns if name not in ("verdict", "changed")),
        f.coalesce(verdict, "verdict").alias("verdict"),
        f.lit(False).alias("changed"),
    )


def rejected(judged: DataFrame, source: Source, stamp: Stamp) -> DataFrame:
    """Return the quarantined rows with what is wrong with them."""
    return judged.where(f.col("verdict") == "quarantined").select(
        f.lit(source.source).alias("source"),
        f.regexp_extract("file", "[^/]*$", 0).alias("file"),
        "position",
        f.col("broken.field").alias("field"),
        f.col("broken.rule").alias("rule"),
        f.col("broken.value_class").alias("value_class"),
        f.col("broken.reason").alias("reason"),
        "payload",
        "content_hash",
        stamp.received,
        stamp.number,
    )
