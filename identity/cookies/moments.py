"""When a record carried its identifiers: Spark plans that put the first and last moment beside each value.

Observed are a record's versions, all of them, and the events that are its own. What a source delivers again unchanged
is no new version and leaves no later moment; an event leaves one each time.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

_VALUE = ("type", "token")
_SPAN = ("seen_from", "seen_to")


def observed(records: DataFrame, events: DataFrame, types: Sequence[str]) -> DataFrame:
    """Return (record_key, moments): from when to when each record carried its values of some types, in whole seconds."""
    told = _carried(records.where(~f.col("deleted")), "observed_at", types).unionByName(
        _carried(events, "occurred_at", types)
    )
    spans = told.groupBy("record_key", *_VALUE).agg(f.min("at").alias("seen_from"), f.max("at").alias("seen_to"))
    return spans.groupBy("record_key").agg(f.collect_list(f.struct(*_VALUE, *_SPAN)).alias("moments"))


def _carried(frame: DataFrame, at: str, types: Sequence[str]) -> DataFrame:
    chosen = f.filter("identifiers", lambda i: i["type"].isin(*types))
    told = frame.select("record_key", f.explode(chosen).alias("one"), f.unix_seconds(at).alias("at"))
    return told.select("record_key", "one.type", "one.token", "at")


def dated(current: DataFrame, moments: DataFrame) -> DataFrame:
    """Return records with the moments of their identifiers; a value of another type has none."""

    def span(one: Column) -> Column:
        same = f.filter("moments", lambda m: (m["type"] == one["type"]) & (m["token"] == one["token"]))
        return f.get(same, f.lit(0))

    joined = current.join(moments, "record_key", "left").withColumn(
        "identifiers", f.transform("identifiers", lambda i: _valued(i, *[span(i)[name] for name in _SPAN]))
    )
    return joined.drop("moments")


def dated_stretches(intervals: DataFrame, types: Sequence[str]) -> DataFrame:
    """Return stretches of anonymous ids whose identifiers were carried from beginning to end."""
    last = f.expr("(unix_micros(to_at) - 1) div 1000000")

    def valued(one: Column) -> Column:
        here = one["type"].isin(*types)
        return _valued(one, f.when(here, f.unix_seconds("from_at")), f.when(here, last))

    return intervals.withColumn("identifiers", f.transform("identifiers", valued))


def _valued(one: Column, first: Column, last: Column) -> Column:
    named = [one[name].alias(name) for name in ("type", "value", "token")]
    return f.struct(*named, first.alias("seen_from"), last.alias("seen_to"))
