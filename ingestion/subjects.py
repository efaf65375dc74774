"""The known people of event sources: one record each, grown from what their events tell."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from infra.columns import birth_id
from ingestion.transforms import content_hash

_TEXTS = "map<string,string>"


def subjects(judged: DataFrame) -> DataFrame:
    """Return each known subject of the accepted events with all its identifiers and the newest value of each field."""
    known = judged.where("verdict = 'accepted' and record = 'event' and known")
    # First the few different lists of each subject, then all of them in one: far cheaper than a set of every event's.
    lists = known.groupBy("source", "subject", "trust", "law", "identifiers").agg(f.max("at").alias("at"))
    named = lists.groupBy("source", "subject", "trust", "law").agg(
        f.collect_list("identifiers").alias("lists"), f.max("at").alias("at")
    )
    joined = named.join(_newest(known), ["source", "subject"], "left")
    attributes = f.coalesce("told", _nothing()).alias("attributes")
    identifiers = _union(f.flatten("lists")).alias("identifiers")
    return joined.select("source", f.col("subject").alias("key"), "at", "trust", "law", attributes, identifiers)


def _newest(known: DataFrame) -> DataFrame:
    """Return each subject's fields as a map, each with its newest value."""
    told = known.where(f.size("attributes") > 0)
    entries = told.select("source", "subject", "at", "key", f.explode("attributes").alias("name", "value"))
    # Equal moments are told apart by the message, so that no order of rows matters.
    newest = entries.groupBy("source", "subject", "name").agg(f.max_by("value", f.struct("at", "key")).alias("value"))
    pairs = f.array_sort(f.collect_list(f.struct("name", "value")))
    return newest.groupBy("source", "subject").agg(f.map_from_entries(pairs).alias("told"))


def _nothing() -> Column:
    return f.from_json(f.lit("{}"), _TEXTS)


def _union(identifiers: Column) -> Column:
    return f.array_sort(f.array_distinct(identifiers))


def subject_versions(found: DataFrame, known: DataFrame, salt: str) -> DataFrame:
    """Return the subjects that are new or say more than their current record does, ready to be records.

    `known` are the current records of the sources' subjects. What an older record knows stays unless newer events
    say otherwise.
    """
    before = known.select(
        *("source", "key"),
        f.col("record_key").alias("known_key"),
        f.col("attributes").alias("known_attributes"),
        f.col("identifiers").alias("known_identifiers"),
        f.col("observed_at").alias("known_at"),
        f.col("content_hash").alias("known_hash"),
    )
    joined = found.join(before, ["source", "key"], "left")
    old = f.coalesce("known_attributes", _nothing())
    late = f.coalesce(f.col("known_at") > f.col("at"), f.lit(False))
    attributes = f.when(late, _over(f.col("attributes"), old)).otherwise(_over(old, f.col("attributes")))
    grown = joined.select(
        f.coalesce("known_key", birth_id(salt, f.col("source"), f.col("key"))).alias("record_key"),
        *("source", "key"),
        attributes.alias("attributes"),
        _union(f.concat("identifiers", f.coalesce("known_identifiers", "identifiers"))).alias("identifiers"),
        f.greatest("at", "known_at").alias("at"),
        *("trust", "law", "known_hash"),
        f.lit(1).alias("turn"),
    )
    hashed = grown.withColumn("content_hash", content_hash("person"))
    return hashed.where(~f.col("content_hash").eqNullSafe(f.col("known_hash")))


def _over(under: Column, upper: Column) -> Column:
    """Return the entries of both maps, in the order of their names, the upper one's where both have one."""
    entries = f.map_entries(f.map_concat(f.map_filter(under, lambda k, _: ~f.map_contains_key(upper, k)), upper))
    return f.map_from_entries(f.array_sort(entries))
