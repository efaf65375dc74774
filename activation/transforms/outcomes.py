"""What people did after a decision: the orders and redemptions of the days that follow it."""

from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from activation.transforms.condition import thousandths


def renamed(decisions: DataFrame, aliases: DataFrame) -> DataFrame:
    """Return the decisions under the id that their person has now; an id that was split keeps its own part."""
    sole = aliases.groupBy(f.col("alias_id").alias("profile_id")).agg(
        f.min("profile_id").alias("now_id"), f.count_distinct("profile_id").alias("successors")
    )
    joined = decisions.join(sole.where("successors = 1"), "profile_id", "left")
    return joined.withColumn("profile_id", f.coalesce("now_id", "profile_id")).drop("now_id", "successors")


def outcomes(
    decisions: DataFrame, events: DataFrame, window: timedelta, purchase: str, redemption: str, newest: datetime
) -> DataFrame:
    """Return for each decision the orders, the amount and the redemption of the window after it."""
    until = f.timestamp_micros(f.unix_micros("at") + f.lit(int(window.total_seconds() * 1_000_000)))
    asked = decisions.withColumn("until", until)
    acts = events.where(f.col("type").isin(purchase, redemption)).select(
        "profile_id", "type", "unit", "occurred_at", thousandths("amount").alias("thousandths"), "campaign"
    )
    during = (f.col("occurred_at") > f.col("at")) & (f.col("occurred_at") <= f.col("until"))
    followed = asked.join(acts, "profile_id").where(during)
    bought = f.col("type") == purchase
    chosen = (f.col("type") == redemption) & (f.col("campaign") == f.col("choice"))
    sums = followed.groupBy("id").agg(
        f.count_distinct(f.when(bought, f.col("unit"))).alias("orders"),
        (f.sum(f.when(bought, f.col("thousandths")).otherwise(0)) / 1000).alias("amount"),
        f.coalesce(f.bool_or(chosen), f.lit(False)).alias("redeemed"),
    )
    return asked.join(sums, "id", "left").select(
        f.col("id").alias("decision_id"), "profile_id", "decision", "choice", "propensity", "holdout", "at", "until",
        f.coalesce("orders", f.lit(0)).alias("orders"),
        f.coalesce("amount", f.lit(0.0)).alias("amount"),
        f.coalesce("redeemed", f.lit(False)).alias("redeemed"),
        (f.col("until") <= f.lit(newest)).alias("complete"),
    )  # fmt: skip
