"""The plan of `ingestion.repeats`: accepted events, beside what the lake has of their people, as they arrived."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from ingestion.repeats import Said, firsts

_PLACE: Final = ("source", "file", "position")
_SCHEMA: Final = "source string, file string, position bigint, first string"
_LINE: Final = ("thing", "sure", "known", "at", "key", "within", "came", *_PLACE)
# What an event says: all that the lake keeps of it beside its key and its moments.
_TEXTS: Final = ("type", "name", "order_id", "product_id", "campaign", "coupon", "channel", "quantity", "amount")
# What tells of the sender's clock and differs each time that an event is sent.
_CLOCK: Final = "skew."


def repeated(judged: DataFrame, known: DataFrame, windows: Mapping[str, timedelta]) -> DataFrame:
    """Return the accepted rows that repeat another event, by their place, with the key of that one.

    `known` are the events of the lake. Rows of nobody are left alone: that two of them are one person's is not known.
    """
    mine = judged.where((f.col("verdict") == "accepted") & f.col("source").isin(list(windows)))
    came = f.col("arrived") if "arrived" in judged.columns else f.lit(None).cast("timestamp")
    fresh = _lines(mine, windows, sure=f.col("changed"), known=False, came=came)
    ends = fresh.agg(f.min("at"), f.max("at")).first()
    if ends is None or ends[0] is None:
        return fresh.select(*_PLACE, f.col("key").alias("first")).limit(0)
    width = max(windows.values()) // timedelta(microseconds=1)
    at = f.unix_micros("occurred_at")
    known = known.where((at >= ends[0] - width) & (at <= ends[1] + width))
    there = known.withColumnsRenamed({"message_id": "key", "occurred_at": "at"})
    absent = {"file": f.lit(None).cast("string"), "position": f.lit(None).cast("bigint")}
    before = _lines(there.withColumns(absent), windows, sure=f.lit(True), known=True, came=f.col("received_at"))
    near = before.join(fresh.select("thing").distinct(), "thing", "left_semi")
    order = [
        f.col("thing"),
        f.desc("known"),
        f.col("came"),
        f.col("file"),
        f.col("position"),
        f.col("at"),
        f.col("key"),
    ]
    placed = fresh.unionByName(near).repartition("thing").sortWithinPartitions(*order)
    return placed.mapInArrow(_folded, _SCHEMA)


def unheard(judged: DataFrame, known: DataFrame, at: datetime) -> DataFrame:
    """Return the rows with those as duplicates whose key comes once and came before, as a repetition itself."""
    before = known.groupBy("source", f.col("token").alias("key_token")).agg(f.min("received_at").alias("heard"))
    came = f.coalesce("arrived" if "arrived" in judged.columns else "received", f.lit(at))
    joined = judged.join(before, ["source", "key_token"], "left")
    again = f.coalesce(f.col("once") & (f.col("heard") < came) & (f.col("verdict") == "accepted"), f.lit(False))
    return joined.withColumn("verdict", f.when(again, "duplicate").otherwise(f.col("verdict"))).drop("heard")


def _lines(frame: DataFrame, windows: Mapping[str, timedelta], *, sure: Column, known: bool, came: Column) -> DataFrame:
    widths: Any = f
    for name, width in windows.items():
        widths = widths.when(f.col("source") == name, f.lit(width // timedelta(microseconds=1)))
    named = frame.where(f.col("subject").isNotNull())
    return named.select(
        f.xxhash64("source", "subject", *_said()).alias("thing"),
        sure.alias("sure"),
        f.lit(known).alias("known"),
        f.unix_micros("at").alias("at"),
        "key",
        widths.cast("bigint").alias("within"),
        came.alias("came"),
        *_PLACE,
    ).select(*_LINE)


def _said() -> list[Column]:
    """Return what an event says, in parts that hash as they differ."""
    told = [part for name in _TEXTS for part in (f.col(name), f.col(name).isNull())]
    plain = f.map_filter("properties", lambda name, _value: ~name.startswith(_CLOCK))
    entries = f.array_sort(f.map_entries(plain))
    named = f.array_sort(f.transform("identifiers", lambda one: f.struct(one["type"], one["value"])))
    return [*told, f.to_json(entries), f.to_json(named)]


def _folded(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the repetitions of a partition whose lines come thing by thing."""
    names = ("thing", "at", "key", "sure", "within", *_PLACE)
    rows = (row for batch in batches for row in zip(*(batch.column(n).to_pylist() for n in names), strict=True))
    kinds = [pa.string(), pa.string(), pa.int64(), pa.string()]
    for _, lines in groupby(rows, key=lambda row: row[0]):
        held = list(lines)
        found = firsts((Said(at, key, sure) for _, at, key, sure, *_ in held), held[0][4])
        told = [(*row[5:], first) for row, first in zip(held, found, strict=True) if first is not None]
        if told:
            columns = [pa.array(part, kind) for part, kind in zip(zip(*told, strict=True), kinds, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, names=[*_PLACE, "first"])
