"""Recency, frequency and money in fifths of the population that has ordered: the twin of `profiles.score`."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from profiles.score import FIFTHS

MEASURES = {"recency_score": "last_day", "frequency_score": "orders", "monetary_score": "units"}


def scored(summed: DataFrame, scoped: DataFrame) -> DataFrame:
    """Return the frame for each purpose (`scoped`), with the three scores and `rfm`, null for those who never ordered.

    Each purpose has a population of its own: those whom it sees, by what it sees of them. Fifths of everybody would
    tell a purpose what people bought whom it may not look at.
    """
    ordered = f.coalesce(f.col("orders") > 0, f.lit(False))
    seen = scoped.select("profile_id", "scope", "purpose").join(summed, ["profile_id", "scope"])
    frame = seen.withColumn("_counts", ordered)
    for score, measure in MEASURES.items():
        frame = frame.withColumn(score, f.when(ordered, quintile(measure, "_counts", among="purpose")))
    return frame.withColumn("rfm", f.concat(*[f.col(score).cast("string") for score in MEASURES])).drop("_counts")


def quintile(measure: str, base: str, among: str | None = None) -> Column:
    """Return 1 to 5 by the share of the rows marked `base` that lie strictly below; equal values score alike.

    Rows are compared with those that have the same value in `among`, where it is named.
    """
    counted = f.sum(f.col(base).cast("bigint"))
    everyone = Window.partitionBy(f.lit(1) if among is None else f.col(among))
    lower = everyone.orderBy(measure).rangeBetween(Window.unboundedPreceding, -1)
    below, population = f.coalesce(counted.over(lower), f.lit(0)), f.greatest(counted.over(everyone), f.lit(1))
    return f.least(f.lit(FIFTHS), 1 + f.floor(f.lit(FIFTHS) * below / population)).cast("bigint")
