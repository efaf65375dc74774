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
    ordered = summed.where("orders > 0")
    for score, measure in MEASURES.items():
        ordered = ordered.withColumn(score, quintile(measure))
    text = f.concat(*[f.col(score).cast("string") for score in MEASURES]).alias("rfm")
    keys = ["profile_id", "scope"]
    return summed.join(ordered.select(*keys, *MEASURES, text), keys, "left")


def quintile(measure: str) -> Column:
    """Return 1 to 5 by the share of the population that lies strictly below; equal values score alike."""
    base = f.sum(f.col("base").cast("bigint"))
    everyone = Window.partitionBy(f.lit(1))
    upto, equal = base.over(everyone.orderBy(measure)), base.over(Window.partitionBy(measure))
    below, population = upto - equal, f.greatest(base.over(everyone), f.lit(1))
    return f.least(f.lit(FIFTHS), 1 + f.floor(f.lit(FIFTHS) * below / population)).cast("bigint")
