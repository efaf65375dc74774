"""Who took over whose events: the plan that holds the intervals of cookies against those of before."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as f


def takers(intervals: DataFrame, before: DataFrame) -> DataFrame:
    """Return for each anonymous record of before that is no more: the record that its first event belongs to now."""
    old = before.where(~f.col("known")).select(
        f.col("source").alias("_source"), f.col("anonymous_id").alias("_id"), f.col("from_at").alias("_born"),
        f.col("record_key").alias("old_key"),
    )  # fmt: skip
    inside = [
        intervals["source"] == old["_source"],
        intervals["anonymous_id"] == old["_id"],
        old["_born"] >= intervals["from_at"],
        old["_born"] < intervals["to_at"],
    ]
    return old.join(intervals, inside).where(f.col("old_key") != f.col("record_key")).select("old_key", "record_key")
