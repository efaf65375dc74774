"""Plans of identity: features of records, persons of components, names for good, and what a run changed."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from identity.cluster import Rules
from identity.components import resolved_bucket
from identity.features import Value, features
from identity.health import Borders
from identity.intervals import event_assignments as event_assignments  # noqa: PLC0414 - profiles asks for it here
from identity.intervals import interval_key
from infra.identifiers import IdentifierType

_SOURCE_COLUMNS = (
    "record_key", "source", "key", "kind", "known", "arrival", "jurisdiction", "content_hash", "attributes", "identifiers",
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
        f.lit("").alias("content_hash"),
        f.from_json(f.lit("{}"), "map<string,string>").alias("attributes"),
        "identifiers",
    )
    return known.unionByName(anonymous)


def allowed_for(records: DataFrame, decisions: DataFrame, purpose: str) -> DataFrame:
    """Return the records that may be used for a purpose; one without a decision may not."""
    yes = decisions.where((f.col("purpose") == purpose) & f.col("allowed")).select("record_key")
    return records.join(yes, "record_key", "left_semi")


def record_features(
    records: DataFrame, types: Mapping[str, IdentifierType], today: date, schema: StructType
) -> DataFrame:
    """Return each record normalised once, by the pure rules, over Arrow batches."""
    names = schema.fieldNames()

    def normalised(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_features_row(row, types, today) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=_arrow(names))

    return records.select(*_SOURCE_COLUMNS).mapInArrow(normalised, schema)


_VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))
_LISTS = {"given_forms", "emails", "phones"}
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


def _features_row(row: dict[str, Any], types: Mapping[str, IdentifierType], today: date) -> dict[str, Any]:
    held = [Value(i["type"], i["value"], i["token"]) for i in row["identifiers"] or ()]
    made = features(dict(row["attributes"] or ()), held, types, today)
    kept = {name: row[name] for name in ("record_key", "source", "key", "kind", "known", "arrival", "jurisdiction")}
    return {**kept, "content_hash": row["content_hash"], **asdict(made)}


def persons(parts: DataFrame, rules: Rules, buckets: int) -> DataFrame:
    """Return clusters and verdicts of all components; each is settled alone by the pure rule, many to a call.

    `parts` holds nodes, edges and constraints as rows of `identity.components.PART`.
    """
    bucket = f.pmod(f.xxhash64("component"), f.lit(buckets))

    def settle(table: pa.Table) -> pa.Table:
        return resolved_bucket(table, rules)

    return parts.groupBy(bucket.alias("bucket")).applyInArrow(
        settle,
        "kind string, component string, left_key string, right_key string, cluster string, state string, why string",
    )


def membership(nodes: DataFrame, clusters: DataFrame, before: DataFrame, batch: int) -> DataFrame:
    """Return the profile of every record: the birth id of its cluster's best-ranked member.

    Rank for life: known before anonymous, then arrival, then source, then key. `identity.ids.profile_ids` is the
    twin in Python.
    """
    settled = clusters.where("kind = 'node'").select(f.col("left_key").alias("record_key"), "component", "cluster")
    joined = nodes.join(settled, "record_key", "left")
    cluster = f.coalesce("cluster", "record_key")
    best = Window.partitionBy("cluster").orderBy(f.desc("known"), "arrival", "source", "record_key")
    named = (
        joined.withColumn("cluster", cluster)
        .withColumn("component", f.coalesce("component", "record_key"))
        .withColumn("profile_id", f.first("record_key").over(best))
    )
    old = before.select("record_key", f.col("profile_id").alias("_old"), f.col("since_batch").alias("_since"))
    since = f.when(f.col("_old") == f.col("profile_id"), f.col("_since")).otherwise(f.lit(batch))
    return named.join(old, "record_key", "left").select(
        "record_key", "profile_id", "component", "known", since.cast("bigint").alias("since_batch")
    )


def settled_edges(scored: DataFrame, verdicts: DataFrame, model_version: str) -> DataFrame:
    """Return the edges with what became of them."""
    told = verdicts.where("kind = 'edge'").select("left_key", "right_key", "state", "why")
    return scored.join(told, ["left_key", "right_key"], "left").select(
        "left_key", "right_key", "weight_micro", "conflict_micro", "kind",
        f.col("rule_mask").cast("bigint").alias("rule_mask"), "component",
        f.lit(model_version).alias("model_version"), "reasons",
        f.coalesce("state", f.lit("suppressed")).alias("state"),
        # probable, but not enough to make anybody a candidate, or cut from a component that had grown too large
        f.coalesce("why", f.lit("below_threshold")).alias("why"),
    )  # fmt: skip


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

    A profile beyond a border is held; `identity.health.status` is the twin in Python.
    """
    inside = edges.where("state = 'kept'").join(
        members.select(f.col("record_key").alias("left_key"), "profile_id"), "left_key"
    )
    webs = inside.groupBy("profile_id").agg(
        f.count("*").alias("pairs"),
        f.min(f.when(f.col("weight_micro") > 0, f.col("weight_micro"))).alias("weakest_micro"),
        f.avg((f.col("conflict_micro") < 0).cast("double")).alias("negative_share"),
        f.avg(f.least(f.greatest(f.col("weight_micro") / 1e6, f.lit(-20.0)), f.lit(20.0))).alias("mean_bits"),
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
    confidence = f.when(size == 1, 1.0).otherwise(1 / (1 + f.pow(f.lit(2.0), -f.coalesce("mean_bits", f.lit(0.0)))))
    measured = people.join(webs, "profile_id", "left").join(old, "profile_id", "left").select(
        "profile_id", f.col("profile_id").alias("anchor"), "size", "known", f.round(confidence, 4).alias("confidence"),
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
