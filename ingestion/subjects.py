"""The known people of an event source: one record each, grown from what their events tell."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from infra.columns import birth_id
from ingestion.transforms import content_hash

_TEXTS = "map<string,string>"


def subjects(events: DataFrame, fields: Sequence[str]) -> DataFrame:
    """Return each known subject of the events with all its identifiers and the newest value of each field."""
    known = events.where(f.col("known"))
    told = [_newest(name).alias(f"v{index}") for index, name in enumerate(fields)]
    grouped = known.groupBy(f.col("subject").alias("key")).agg(
        f.collect_set("identifiers").alias("lists"), f.max("at").alias("at"), *told
    )
    pairs = [part for index, name in enumerate(fields) for part in (f.lit(name), f.col(f"v{index}"))]
    attributes = f.map_filter(f.create_map(*pairs), lambda _, value: value.isNotNull()) if fields else _nothing()
    return grouped.select("key", "at", attributes.alias("attributes"), _union(f.flatten("lists")).alias("identifiers"))


def _newest(name: str) -> Column:
    value = f.col("attributes")[name]
    # Equal moments are told apart by the message, so that no order of rows matters.
    return f.max_by(value, f.when(value.isNotNull(), f.struct("at", "key")))


def _nothing() -> Column:
    return f.from_json(f.lit("{}"), _TEXTS)


def _union(identifiers: Column) -> Column:
    return f.array_sort(f.array_distinct(identifiers))


def subject_versions(found: DataFrame, known: DataFrame, source: str, salt: str) -> DataFrame:
    """Return the subjects that are new or say more than their current record does, ready to be records.

    `known` are the current records of the source's subjects. What an older record knows stays unless newer events say
    otherwise.
    """
    before = known.select(
        "key",
        f.col("record_key").alias("known_key"),
        f.col("attributes").alias("known_attributes"),
        f.col("identifiers").alias("known_identifiers"),
        f.col("observed_at").alias("known_at"),
        f.col("content_hash").alias("known_hash"),
    )
    joined = found.join(before, "key", "left")
    old = f.coalesce("known_attributes", _nothing())
    newer, older = _over(old, f.col("attributes")), _over(f.col("attributes"), old)
    late = f.coalesce(f.col("known_at") > f.col("at"), f.lit(False))
    grown = joined.select(
        f.coalesce("known_key", birth_id(salt, f.lit(source), f.col("key"))).alias("record_key"),
        "key",
        f.when(late, older).otherwise(newer).alias("attributes"),
        _union(f.concat("identifiers", f.coalesce("known_identifiers", "identifiers"))).alias("identifiers"),
        f.greatest("at", "known_at").alias("observed_at"),
        "known_hash",
    )
    hashed = grown.withColumn("content_hash", content_hash(("attributes", "identifiers")))
    fresh = hashed.where(f.col("known_hash").isNull() | (f.col("known_hash") != f.col("content_hash")))
    return fresh.drop("known_hash")


def _over(under: Column, upper: Column) -> Column:
    """Return the entries of both maps, in the order of their names, the upper one's where both have one."""
    entries = f.map_entries(f.map_concat(f.map_filter(under, lambda k, _: ~f.map_contains_key(upper, k)), upper))
    return f.map_from_entries(f.array_sort(entries))
