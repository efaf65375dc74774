"""How closely each record and identifier is tied to its person: the twin of `profiles.reach`."""

from collections.abc import Collection

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from profiles.model import Proof
from profiles.reach import HOPS

# How identity names the step of an edge that is an identifier value in common.
_SHARED = "shared"
# Sorts in the order of closeness, so that the closest of several links is their minimum.
_RANKS = {"own": 1, "verified": 2, "probable": 3}


def linked_records(membership: DataFrame, index: DataFrame, edges: DataFrame, proof: Proof) -> DataFrame:
    """Return (profile_id, record_key, link) of every member: own, verified or probable.

    A kept edge that is proof ties; whatever else holds a record is probability.
    """
    side = membership.select("record_key", "profile_id")
    alone = _shares(proof.alone)
    with_more = (f.col("kind") == "both") & (f.col("weight_micro") >= proof.above_micro) & _shares(proof.corroborated)
    ties = (
        edges.where((f.col("state") == "kept") & (alone | with_more))
        .join(side.withColumnRenamed("record_key", "left_key"), "left_key")
        .groupBy("profile_id")
        .agg(f.collect_set(f.struct(f.col("left_key").alias("left"), f.col("right_key").alias("right"))).alias("ties"))
    )
    reached = index.select("profile_id", "anchor").join(ties, "profile_id", "left")
    reached = reached.select("profile_id", "anchor", proven("anchor", "ties").alias("verified"))
    link = (
        f.when(f.col("record_key") == f.col("anchor"), "own")
        .when(f.array_contains("verified", f.col("record_key")), "verified")
        .otherwise("probable")
    )
    return side.join(reached, "profile_id").select("profile_id", "record_key", link.alias("link"))


def _shares(types: Collection[str]) -> Column:
    return f.exists("reasons", lambda reason: (reason["level"] == _SHARED) & reason["comparison"].isin(*types))


def proven(anchor: str, ties: str, hops: int = HOPS) -> Column:
    """Return the records reached from the anchor over a list of ties, in so many steps."""

    def step(reached: Column, _: Column) -> Column:
        def beyond(near: str, far: str) -> Column:
            known = f.filter(pairs, lambda tie: f.array_contains(reached, tie[near]))
            return f.transform(known, lambda tie: tie[far])

        return f.array_union(f.array_union(reached, beyond("left", "right")), beyond("right", "left"))

    pairs = f.coalesce(f.col(ties), f.array().cast("array<struct<left:string,right:string>>"))
    steps = f.sequence(f.lit(1), f.least(f.lit(hops), f.greatest(f.size(pairs), f.lit(1))))
    return f.aggregate(steps, f.array(f.col(anchor)), step)


def nearby(membership: DataFrame, edges: DataFrame, above_micro: int) -> DataFrame:
    """Return (profile_id, record_key, link) of other people's records that are probably this person's too.

    They lend the person no data and no grant; what was refused under them is refused here as well.
    """
    likely = edges.where(f.col("weight_micro") > above_micro).select("left_key", "right_key")
    both = likely.unionByName(likely.select(f.col("right_key").alias("left_key"), f.col("left_key").alias("right_key")))
    here = membership.select(f.col("record_key").alias("left_key"), "profile_id")
    there = membership.select(f.col("record_key").alias("right_key"), f.col("profile_id").alias("other_id"))
    across = both.join(here, "left_key").join(there, "right_key").where("profile_id != other_id")
    theirs = across.select("profile_id", f.col("right_key").alias("record_key"))
    return theirs.distinct().withColumn("link", f.lit("probable"))


def linked_tokens(linked: DataFrame, identifiers: DataFrame) -> DataFrame:
    """Return (profile_id, token, link): each identifier of a person with its closest link."""
    rank = f.lit(len(_RANKS))
    for name, place in _RANKS.items():
        rank = f.when(f.col("link") == name, place).otherwise(rank)
    closest = (
        linked.join(identifiers.select("record_key", "token"), "record_key")
        .groupBy("profile_id", "token")
        .agg(f.min(rank).alias("rank"))
    )
    names = f.array(*[f.lit(name) for name in _RANKS])
    return closest.select("profile_id", "token", f.get(names, f.col("rank") - 1).alias("link"))
