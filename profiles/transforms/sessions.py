"""Sessions of each scope from the moments of its records: the twin of `profiles.sessions`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

_KEYS = ("profile_id", "scope")
_MICRO = 1_000_000


def moments(singles: DataFrame, ordered: DataFrame) -> DataFrame:
    """Return (record_key, at): when something happened to a record, an order at the moment of its first line."""
    return singles.select("record_key", f.col("occurred_at").alias("at")).unionByName(
        ordered.select("record_key", "at")
    )


def counted(
    members: DataFrame, happened: DataFrame, gap: timedelta, as_of: datetime, windows: Sequence[int]
) -> DataFrame:
    """Return (profile_id, scope, sessions…, session_start, session_end): how many there are, and the latest one."""
    every = Window.partitionBy(*_KEYS).orderBy("at")
    pause = f.unix_micros("at") - f.unix_micros(f.lag("at").over(every))
    begins = f.coalesce(pause > round(gap.total_seconds() * _MICRO), f.lit(True))
    numbered = (
        members.join(happened, "record_key")
        .select(*_KEYS, "at")
        .withColumn("begins", begins)
        .withColumn("nth", f.sum(f.col("begins").cast("bigint")).over(every))
    )
    each = numbered.groupBy(*_KEYS, "nth").agg(f.min("at").alias("first"), f.max("at").alias("last"))
    counts = [f.count(f.lit(1)).alias("sessions")]
    counts += [f.count_if(_reaching(as_of, days)).alias(f"sessions_{days}") for days in windows]
    latest = f.max_by("first", "nth").alias("session_start"), f.max("last").alias("session_end")
    return each.groupBy(*_KEYS).agg(*counts, *latest)


def _reaching(as_of: datetime, days: int) -> Column:
    """Return whether a session has a moment in the window of so many days that ends at `as_of`."""
    return (f.col("last") > f.lit(as_of - timedelta(days=days))) & (f.col("first") <= f.lit(as_of))
