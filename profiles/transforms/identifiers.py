"""The identifiers of each record, as people write them and as tokens."""

from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def identifiers(features: DataFrame, records: DataFrame, contact_types: Collection[str]) -> DataFrame:
    """Return (record_key, type, value, token, contact) of every identifier that may stand for somebody.

    Identity says which may (blocked values are none); the record says how the person writes it.
    """
    held = features.select("record_key", f.explode("identifiers").alias("one"))
    usable = held.select("record_key", "one.type", f.col("one.value").alias("canonical"), "one.token")
    written = records.select("record_key", f.inline("identifiers").alias("type", "value", "token"))
    joined = usable.join(written, ["record_key", "type", "token"], "left")
    return joined.select(
        "record_key",
        "type",
        f.coalesce("value", "canonical").alias("value"),
        "token",
        f.col("type").isin(*contact_types).alias("contact"),
    ).distinct()


def contacts(named: DataFrame) -> DataFrame:
    """Return (record_key, field, value): the identifiers that are attributes of a person too."""
    return named.where("contact").select("record_key", f.col("type").alias("field"), "value")


def intervals(cookie_intervals: DataFrame) -> DataFrame:
    """Return (token, record_key, from_at): who had an anonymous id, and since when."""
    return (
        cookie_intervals.select("record_key", "from_at", "anonymous_id", f.explode("identifiers").alias("one"))
        .where(f.col("one.value") == f.col("anonymous_id"))
        .select(f.col("one.token").alias("token"), "record_key", "from_at")
    )
