"""Recency, frequency and money in fifths of the population that has ordered: the twin of `profiles.score`."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from profiles.score import FIFTHS

MEASURES = {"recency_score": "last_day", "frequency_score": "orders", "monetary_score": "units"}


def scored(summed: DataFrame) -> DataFrame:
    """Return the frame with the three scores and `rfm`, null for those who never ordered.

    The population is the rows marked `base` (each person once); the others are held against it, so that a
    person has the same score under every purpose that sees the same facts.
    """
    ordered = f.coalesce(f.col("orders") > 0, f.lit(False))
    frame = summed.withColumn("_counts", f.col("base") & ordered)
    for score, measure in MEASURES.items():
        frame = frame.withColumn(score, f.when(ordered, quintile(measure, "_counts")))
    return frame.withColumn("rfm", f.concat(*[f.col(score).cast("string") for score in MEASURES])).drop("_counts")


def quintile(measure: str, base: str) -> Column:
    """Return 1 to 5 by the share of the rows marked `base` that lie strictly below; equal values score alike."""
    counted = f.sum(f.col(base).cast("bigint"))
    everyone = Window.partitionBy(f.lit(1))
    lower = everyone.orderBy(measure).rangeBetween(Window.unboundedPreceding, -1)
    below, population = f.coalesce(counted.over(lower), f.lit(0)), f.greatest(counted.over(everyone), f.lit(1))
    return f.least(f.lit(FIFTHS), 1 + f.floor(f.lit(FIFTHS) * below / population)).cast("bigint")
