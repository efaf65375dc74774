"""Judged rows in the shape of the tables that they go to."""

from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from infra.columns import birth_id
from ingestion.periods import EXPIRED
from ingestion.read import UNKEPT, UNSTORED

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


def _accepted(judged: DataFrame, record: str) -> DataFrame:
    return judged.where((f.col("verdict") == "accepted") & (f.col("record") == record))


def records(judged: DataFrame, grown: DataFrame, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of person sources, and the subjects of event sources that grew, as record versions."""
    key = f.coalesce("known_key", birth_id(stamp.salt, f.col("source"), f.col("key"))).alias("record_key")
    persons = _accepted(judged, "person").select("*", key)
    subjects = grown.withColumn("gone", f.lit(False))
    return _as_records(persons, stamp, kind="person").unionByName(_as_records(subjects, stamp, kind="subject"))


def _as_records(rows: DataFrame, stamp: Stamp, *, kind: str) -> DataFrame:
    return rows.select(
        *("record_key", "source", "key"),
        f.lit(kind).alias("kind"),
        f.lit(True).alias("known"),
        *("attributes", "identifiers"),
        f.col("at").alias("observed_at"),
        stamp.received,
        "content_hash",
        stamp.sequence(f.col("turn")),
        "trust",
        f.col("law").alias("jurisdiction"),
        f.col("gone").alias("deleted"),
        stamp.number,
    )


def events(judged: DataFrame, subjects: DataFrame, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of event sources; `subjects` tells the record keys that their subjects have already."""
    named = _accepted(judged, "event").join(subjects, ["source", "subject"], "left")
    born = f.coalesce("subject_key", birth_id(stamp.salt, f.col("source"), f.col("subject")))
    version = f.coalesce(f.col("known_sequence") + 1, f.lit(0)) + f.col("turn") - 1
    return named.select(
        "source",
        f.col("key").alias("message_id"),
        *("type", "name"),
        f.col("at").alias("occurred_at"),
        f.coalesce("received", stamp.received).alias("received_at"),
        *("subject", "subject_token"),
        f.when(f.col("known"), born).alias("record_key"),
        *("anonymous_id", "identifiers", "properties", "order_id", "product_id", "quantity", "amount"),
        *("campaign", "coupon", "channel", "content_hash"),
        version.cast("bigint").alias("version"),
        stamp.number,
    )


def catalogue(judged: DataFrame, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of catalogues."""
    return _accepted(judged, "catalogue").select(
        *("source", "key", "attributes", "content_hash"),
        f.col("at").alias("observed_at"),
        stamp.received,
        stamp.sequence(f.col("turn")),
        stamp.number,
    )


def consents(judged: DataFrame, stamp: Stamp) -> DataFrame:
    """Return the accepted rows of consent sources, for consent's inbox."""
    return _accepted(judged, "consent").select(
        "source",
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
    return inbox.withColumnsRenamed({"occurred_at": "at", "kind": "subject_kind", "token": "subject_token"})


def contradictions(judged: DataFrame, told: DataFrame) -> DataFrame:
    """Return the rows with those consents rejected that change what an earlier row of the same id said.

    What was said is evidence and is never edited; a new word needs an id of its own. `told` are the source and
    content hash of contradictions that are in quarantine already.
    """
    immutable = f.struct(
        f.lit(None).cast("string").alias("field"),
        f.lit("immutable").alias("rule"),
        f.lit("row").alias("value_class"),
        f.lit("another consent was taken in under this id; send a new word under a new id").alias("reason"),
        f.lit(True).alias("vital"),
    )
    contradicts = f.col("changed") & (f.col("record") == "consent")
    marked = judged.withColumn("told_hash", f.when(contradicts, f.sha2("payload", 256)))
    before = told.select("source", f.col("content_hash").alias("told_hash"), f.lit(True).alias("told")).distinct()
    joined = marked.join(before, ["source", "told_hash"], "left")
    fresh = f.col("told_hash").isNotNull()
    return joined.withColumns(
        {
            "broken": f.when(fresh, immutable).otherwise(f.col("broken")),
            "content_hash": f.coalesce("told_hash", "content_hash"),
            "verdict": f.when(f.col("told"), "duplicate").when(fresh, "quarantined").otherwise(f.col("verdict")),
            "changed": f.col("changed") & ~fresh,
        }
    ).drop("told_hash", "told")


def is_untold() -> Column:
    """Say of judged rows whether no other table tells: not stored, or a repetition of a key that comes once."""
    again = (f.col("once") | f.col("first").isNotNull()) & (f.col("verdict") == "duplicate")
    return _unkept() | again | f.col("verdict").isin(*UNSTORED, EXPIRED)


def _unkept() -> Column:
    return f.coalesce(f.col("once") & f.col("broken.rule").isin(*UNKEPT), f.lit(False))


def told_under() -> Column:
    """Return the token under which a row's verdict is told."""
    # Where the log itself did not keep an event, a token stands in its key's place already.
    return f.when(_unkept(), f.col("key")).otherwise(f.col("key_token"))


def untold(judged: DataFrame, stamp: Stamp) -> DataFrame:
    """Return the verdicts of rows that no other table tells."""
    return judged.where(is_untold()).select(
        "source",
        told_under().alias("token"),
        "verdict",
        f.coalesce("received", stamp.received).alias("received_at"),
        stamp.number,
    )


def repeated(judged: DataFrame, stamp: Stamp) -> DataFrame:
    """Return which event each row repeats that says under a key of its own what was said before."""
    return judged.where(f.col("first").isNotNull()).select(
        "source",
        f.col("key_token").alias("token"),
        "first",
        f.coalesce("received", stamp.received).alias("received_at"),
        stamp.number,
    )


def rejected(judged: DataFrame, stamp: Stamp) -> DataFrame:
    """Return the quarantined rows with what is wrong with them."""
    return judged.where(f.col("verdict") == "quarantined").select(
        "source",
        f.regexp_extract("file", "[^/]*$", 0).alias("file"),
        "position",
        *(f.col(f"broken.{name}").alias(name) for name in ("field", "rule", "value_class", "reason")),
        *("payload", "content_hash"),
        f.coalesce("received", stamp.received).alias("received_at"),
        stamp.number,
    )
