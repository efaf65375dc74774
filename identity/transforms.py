"""Plans of identity: features of records, persons of components, names for good, and what a run changed."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from identity.clustering.cluster import Rules
from identity.clustering.components import resolved_bucket
from identity.clustering.health import Borders
from identity.cookies.intervals import interval_key
from identity.fields.features import Value, features
from identity.model import MICRO
from infra.identifiers import IdentifierType

_MOST = 20 * MICRO
_ROWS_IN_A_BUCKET = 40_000
_SOURCE_COLUMNS = (
    "record_key", "source", "key", "kind", "known", "arrival", "jurisdiction", "attributes", "identifiers", "received_at",
)  # fmt: skip


def arrivals(records: DataFrame) -> DataFrame:
    """Return for each record the sequence of its first version: its rank for life, whatever was updated since."""
    return records.groupBy("record_key").agg(f.min("sequence").alias("arrival"))


def resolvable(current: DataFrame, first: DataFrame, intervals: DataFrame) -> DataFrame:
    """Return known records and anonymous ones (stretches that no login claimed) in one shape."""
    known = current.join(first, "record_key").select(*_SOURCE_COLUMNS)
    anonymous = intervals.where(~f.col("known")).select(
        "record_key",
        "source",
        interval_key().alias("key"),
        f.lit("interval").alias("kind"),
        f.lit(False).alias("known"),
        f.unix_micros("from_at").alias("arrival"),
        f.lit(None).cast("string").alias("jurisdiction"),
        f.from_json(f.lit("{}"), "map<string,string>").alias("attributes"),
        "identifiers",
        f.col("from_at").alias("received_at"),
    )
    return known.unionByName(anonymous).withColumn("content_hash", _fingerprint())


def _fingerprint() -> Column:
    """Return the digest of all that a record's features and rank follow from: equal digests, equal features."""
    return f.sha2(f.to_json(f.struct(*_SOURCE_COLUMNS)), 256)


def changes(allowed: DataFrame, before: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return the records that are new or say something else than in `record_features` before, and the keys of those gone."""
    held = before.select("record_key", "content_hash")
    fresh = allowed.join(held, ["record_key", "content_hash"], "left_anti")
    gone = held.select("record_key").join(allowed.select("record_key"), "record_key", "left_anti")
    return fresh, gone


def allowed_for(records: DataFrame, decisions: DataFrame, purpose: str) -> DataFrame:
    """Return the records that may be used for a purpose; one without a decision may not."""
    yes = decisions.where((f.col("purpose") == purpose) & f.col("allowed")).select("record_key")
    return records.join(yes, "record_key", "left_semi")


def record_features(records: DataFrame, types: Mapping[str, IdentifierType], schema: StructType) -> DataFrame:
    """Return each record normalised once, by the pure rules, over Arrow batches."""
    names = schema.fieldNames()

    def normalised(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_features_row(row, types) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=_arrow(names))

    return records.select(*_SOURCE_COLUMNS, "content_hash").mapInArrow(normalised, schema)


_VALUE = {
    "type": pa.string(),
    "value": pa.string(),
    "token": pa.string(),
    "seen_from": pa.int64(),
    "seen_to": pa.int64(),
}
_VALUES = pa.list_(pa.struct(list(_VALUE.items())))
_LISTS = {"given_forms", "emails", "phones", "numbers"}
_FLAGS = {"known", "bare", "given_known"}


def _arrow(names: list[str]) -> pa.Schema:
    def kind(name: str) -> pa.DataType:
        if name in _LISTS:
            return pa.list_(pa.string())
        if name in _FLAGS:
            return pa.bool_()
        if name == "arrival":
            return pa.int64()
        return _VALUES if name == "identifiers" else pa.string()

    return pa.schema([(name, kind(name)) for name in names])


def _features_row(row: dict[str, Any], types: Mapping[str, IdentifierType]) -> dict[str, Any]:
    # moments come with a value only where a rule asks for them
    held = [Value(*(i.get(name) for name in _VALUE)) for i in row["identifiers"] or ()]
    # nobody was born after they told: the day of the run has no say, or yesterday's features would not be today's
    made = features(dict(row["attributes"] or ()), held, types, row["received_at"].date())
    kept = {name: row[name] for name in ("record_key", "source", "key", "kind", "known", "arrival", "jurisdiction")}
    return {**kept, "content_hash": row["content_hash"], **asdict(made)}


def buckets(rows: int) -> int:
    """Return into how many hands so many parts are dealt: one hand lies whole in the memory of one worker."""
    return max(2, rows // _ROWS_IN_A_BUCKET + 1)


def persons(parts: DataFrame, rules: Rules, buckets: int) -> DataFrame:
    """Return clusters and verdicts of all components; each is settled alone by the pure rule, many to a call.

    `parts` holds nodes, edges and constraints as rows of `identity.clustering.components.PART`.
    """
    bucket = f.pmod(f.xxhash64("component"), f.lit(buckets))

    def settle(table: pa.Table) -> pa.Table:
        return resolved_bucket(table, rules)

    return parts.groupBy(bucket.alias("bucket")).applyInArrow(
        settle,
        "kind string, component string, left_key string, right_key string, cluster string, state string, why string",
    )


def mean_bits(weight: str) -> Column:
    """Return the mean weight of edges in bits, each held within bounds: one overwhelming edge does not speak for all."""
    # whole numbers first: their sum does not depend on the order in which they are added
    return f.avg(f.least(f.greatest(f.col(weight), f.lit(-_MOST)), f.lit(_MOST))) / MICRO


def confidence(size: Column, bits: Column) -> Column:
    """Return how sure it is that records are one person: one alone is sure, more by the mean weight of their edges."""
    return f.round(f.when(size == 1, 1.0).otherwise(1 / (1 + f.pow(f.lit(2.0), -f.coalesce(bits, f.lit(0.0))))), 4)


def profile_index(
    members: DataFrame,
    features_: DataFrame,
    edges: DataFrame,
    constraints: DataFrame,
    before: DataFrame,
    batch: int,
    borders: Borders,
) -> DataFrame:
    """Return every profile with its health: how dense and how contradicted the evidence inside it is.

    A profile beyond a border is held; `identity.clustering.health.status` is the twin in Python.
    """
    inside = edges.where("state = 'kept'").join(
        members.select(f.col("record_key").alias("left_key"), "profile_id"), "left_key"
    )
    webs = inside.groupBy("profile_id").agg(
        f.count("*").alias("pairs"),
        f.min(f.when(f.col("weight_micro") > 0, f.col("weight_micro"))).alias("weakest_micro"),
        f.avg((f.col("conflict_micro") < 0).cast("double")).alias("negative_share"),
        mean_bits("weight_micro").alias("mean_bits"),
    )
    described = members.join(features_.select("record_key", "birth_date", "given_name", "phones"), "record_key")
    people = described.groupBy("profile_id").agg(
        f.count("*").alias("size"),
        f.max("known").alias("known"),
        f.count_distinct("birth_date").alias("births"),
        f.count_distinct("given_name").alias("forenames"),
        f.size(f.array_distinct(f.flatten(f.collect_list("phones")))).cast("bigint").alias("phones"),
    )
    old = before.select("profile_id", f.col("since_batch").alias("_since"))
    size = f.col("size")
    possible = size * (size - 1) / 2
    measured = people.join(webs, "profile_id", "left").join(old, "profile_id", "left").select(
        "profile_id", f.col("profile_id").alias("anchor"), "size", "known", confidence(size, f.col("mean_bits")).alias("confidence"),
        f.round(f.when(size == 1, 1.0).otherwise(f.coalesce("pairs", f.lit(0)) / possible), 4).alias("density"),
        "weakest_micro", f.round(f.coalesce("negative_share", f.lit(0.0)), 4).alias("negative_share"), "births",
        "forenames", "phones", f.coalesce("_since", f.lit(batch)).cast("bigint").alias("since_batch"),
    )  # fmt: skip
    judged = measured.join(_vouched(members, constraints), "profile_id", "left")
    return judged.select(*measured.columns, _status(borders).alias("status"))


def _vouched(members: DataFrame, constraints: DataFrame) -> DataFrame:
    """Return the profiles inside which a steward tied two records, and so looked at them."""
    sides = [
        members.select(f.col("record_key").alias(f"{side}_key"), f.col("profile_id").alias(side))
        for side in ("left", "right")
    ]
    tied = constraints.where("kind = 'must_link'").join(sides[0], "left_key").join(sides[1], "right_key")
    return (
        tied.where("left = right").select(f.col("left").alias("profile_id"), f.lit(True).alias("_vouched")).distinct()
    )


def _status(borders: Borders) -> Column:
    strange = f.lit(False)
    for name, border in (("density", borders.density), ("weakest_micro", borders.weakest_micro)):
        if border is not None:
            strange = strange | f.coalesce(f.col(name) < border, f.lit(False))
    for name in ("negative_share", "births", "forenames", "phones"):
        border = getattr(borders, name)
        if border is not None:
            strange = strange | (f.col(name) > border)
    large = f.col("size") > borders.size
    return f.when(large | (strange & f.col("_vouched").isNull()), "held").otherwise("live")
