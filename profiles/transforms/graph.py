"""Why the records of a profile are one person, as one row a person."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

# A picture with more lines than this explains nothing; the strongest are kept, those inside the person first.
_EDGES = 120


def graph_records(
    linked: DataFrame, features: DataFrame, records: DataFrame, identifiers: DataFrame, purposes: DataFrame
) -> DataFrame:
    """Return (profile_id, records): each record with what it says, where it came from and what it may be used for."""
    held = identifiers.groupBy("record_key").agg(
        f.sort_array(f.collect_set(f.struct("type", "value", "token"))).alias("identifiers")
    )
    said = records.select("record_key", "attributes", "observed_at")
    joined = (
        linked.join(features.select("record_key", "source", "key", "kind", "known", "jurisdiction"), "record_key")
        .join(said, "record_key", "left")
        .join(held, "record_key", "left")
        .join(purposes, "record_key", "left")
    )
    record = f.struct(
        "record_key",
        "source",
        "key",
        "kind",
        "known",
        "link",
        "observed_at",
        f.coalesce("attributes", f.create_map().cast("map<string,string>")).alias("attributes"),
        f.coalesce("identifiers", f.array().cast("array<struct<type:string,value:string,token:string>>")).alias(
            "identifiers"
        ),
        f.coalesce("purposes", f.array().cast("array<string>")).alias("purposes"),
        "jurisdiction",
    )
    # Maps cannot be compared, so the list is put in order by a key of its own.
    placed = f.struct("source", "key", "record_key", record.alias("record"))
    return joined.groupBy("profile_id").agg(
        f.transform(
            f.array_sort(f.collect_list(placed), _by_place),
            lambda one: one["record"],
        ).alias("records")
    )


def _by_place(left: Column, right: Column) -> Column:
    order = f.lit(0)
    for name in ("record_key", "key", "source"):
        order = f.when(left[name] < right[name], -1).when(left[name] > right[name], 1).otherwise(order)
    return order


def graph_edges(membership: DataFrame, edges: DataFrame) -> DataFrame:
    """Return (profile_id, edges): those inside the person, and those to other people that were not followed."""
    left = membership.select(f.col("record_key").alias("left_key"), f.col("profile_id").alias("left_id"))
    right = membership.select(f.col("record_key").alias("right_key"), f.col("profile_id").alias("right_id"))
    placed = edges.join(left, "left_key").join(right, "right_key")
    inside = placed.where("left_id = right_id").withColumn("elsewhere", f.lit(None).cast("string"))
    across = placed.where("left_id != right_id")
    sides = (
        inside.withColumn("profile_id", f.col("left_id"))
        .unionByName(across.withColumn("elsewhere", f.col("right_id")).withColumn("profile_id", f.col("left_id")))
        .unionByName(across.withColumn("elsewhere", f.col("left_id")).withColumn("profile_id", f.col("right_id")))
    )
    order = [f.col("elsewhere").isNotNull(), f.desc("weight_micro"), f.col("left_key"), f.col("right_key")]
    best = Window.partitionBy("profile_id").orderBy(*order)
    edge = f.struct(
        f.col("left_key").alias("left"),
        f.col("right_key").alias("right"),
        "weight_micro",
        "kind",
        "state",
        f.coalesce("why", f.lit("")).alias("why"),
        "reasons",
        "elsewhere",
    )
    kept = sides.withColumn("place", f.row_number().over(best)).where(f.col("place") <= _EDGES)
    listed = f.sort_array(f.collect_list(f.struct("place", edge.alias("edge"))))["edge"]
    return kept.groupBy("profile_id").agg(listed.alias("edges"))


def graphs(index: DataFrame, tokens: DataFrame, records: DataFrame, edges: DataFrame) -> DataFrame:
    """Return the row of every person: header, records and edges."""
    listed = tokens.groupBy("profile_id").agg(f.sort_array(f.collect_list(f.struct("token", "link"))).alias("tokens"))
    none = "array<struct<left:string,right:string,weight_micro:bigint,kind:string,state:string,why:string,"
    none += "reasons:array<struct<comparison:string,level:string,weight_micro:bigint>>,elsewhere:string>>"
    return (
        index.select("profile_id", "anchor", "known", "size", "confidence")
        .join(records, "profile_id")
        .join(listed, "profile_id", "left")
        .join(edges, "profile_id", "left")
        .withColumn("tokens", f.coalesce("tokens", f.array().cast("array<struct<token:string,link:string>>")))
        .withColumn("edges", f.coalesce("edges", f.array().cast(none)))
    )
