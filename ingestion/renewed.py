"""Keys that count for a while: the plan that tells which rows come under a key when its window is over.

The rule is `ingestion.repeats.firsts` over the moments of arrival of one key: a row is a repetition if one under its
key was taken in no longer before or after it than the window is wide, and else a new version of it. As only what was
taken in counts, no cut of the rows into runs matters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from ingestion.repeats import Said, firsts

_PLACE: Final = ("source", "file", "position")
_SCHEMA: Final = "source string, file string, position bigint, renewal bigint, stood bigint"
_LINE: Final = ("source", "key", "known", "came", "version", "within", "file", "position")
# What tells when a row came: of a replay the moment at which it had come.
_CAME: Final = ("was_received", "arrived", "received")


def renewed(
    judged: DataFrame,
    known: DataFrame,
    windows: Mapping[str, timedelta],
    at: datetime,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """Return judged rows with their verdicts, turns and changes as the windows of their keys have it.

    `known` are the events of the lake. Only keys that came more than once are looked at: all others are new either way.
    """
    mine = judged.where((f.col("status") == "accepted") & f.col("source").isin(list(windows)))
    twice = keep(mine.where(f.col("verdict") == "duplicate").select("source", "key").distinct())
    told = [f.col(name) for name in _CAME if name in judged.columns]
    fresh = _lines(mine, windows, known=False, came=f.coalesce(*told, f.lit(at)), version=f.lit(None))
    there = known.where(f.col("source").isin(list(windows))).withColumnRenamed("message_id", "key")
    absent = {"file": f.lit(None).cast("string"), "position": f.lit(None).cast("bigint")}
    before = _lines(there.withColumns(absent), windows, known=True, came=f.col("received_at"), version=f.col("version"))
    near = fresh.unionByName(before).join(twice, ["source", "key"], "left_semi").select(*_LINE)
    order = (f.col("source"), f.col("key"), f.desc("known"), f.col("came"), f.col("file"), f.col("position"))
    placed = near.repartition("source", "key").sortWithinPartitions(*order)
    found = keep(placed.mapInArrow(_folded, _SCHEMA))
    seen, new = f.col("stood").isNotNull(), f.col("renewal") > 0
    version = f.when(f.col("stood") >= 0, f.col("stood"))
    joined = judged.join(found, list(_PLACE), "left")
    changes: dict[str, Column] = {
        "verdict": f.when(seen, f.when(new, "accepted").otherwise("duplicate")).otherwise(f.col("verdict")),
        "changed": f.when(seen, new & ((f.col("renewal") > 1) | version.isNotNull())).otherwise(f.col("changed")),
        "turn": f.when(seen & new, f.col("renewal")).otherwise(f.col("turn")),
        "known_sequence": f.when(seen, version).otherwise(f.col("known_sequence")),
    }
    return joined.withColumns(changes).drop("renewal", "stood")


def _lines(
    frame: DataFrame, windows: Mapping[str, timedelta], *, known: bool, came: Column, version: Column
) -> DataFrame:
    widths: Any = f
    for name, width in windows.items():
        widths = widths.when(f.col("source") == name, f.lit(width // timedelta(microseconds=1)))
    return frame.select(
        *("source", "key"),
        f.lit(known).alias("known"),
        f.unix_micros(came).alias("came"),
        version.cast("bigint").alias("version"),
        widths.cast("bigint").alias("within"),
        *("file", "position"),
    )


def _folded(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield of each fresh row how many were taken in of its key with it (0: a repetition), and what stood before."""
    rows = (row for batch in batches for row in zip(*(batch.column(n).to_pylist() for n in _LINE), strict=True))
    kinds = [pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64()]
    for (source, _), lines in groupby(rows, key=lambda row: (row[0], row[1])):
        held = list(lines)
        stood = max((version for _, _, known, _, version, *_ in held if known), default=-1)
        found = firsts((Said(came, "", known) for _, _, known, came, *_ in held), held[0][5])
        told, number = [], 0
        for (_, _, known, *_, file, position), first in zip(held, found, strict=True):
            if not known:
                number += first is None
                told.append((source, file, position, number if first is None else 0, stood))
        columns = [pa.array(part, kind) for part, kind in zip(zip(*told, strict=True), kinds, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, names=[*_PLACE, "renewal", "stood"])
