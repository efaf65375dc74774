"""Frames: columns whose values have to be keys of another source, in the lake or among the rows of the same run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from infra.tables import Table
from ingestion import conform
from ingestion.config import Source
from ingestion.judge import Reading
from ingestion.tables import CATALOGUE, EVENTS, RECORDS

RULE: Final = "reference"
REFS: Final = "refs"
_SHAPE: Final = "array<struct<field:string,to:string,value:string,flags:boolean>>"
_PLACE: Final = ("source", "file", "position")


def refs(reading: Reading) -> Column:
    """Return what a row refers to: each declared column that has a value, with the source whose key it is."""
    told = [
        f.when(
            reading.clean(column).isNotNull(),
            f.struct(
                f.lit(column).alias("field"),
                f.lit(rule.to).alias("to"),
                reading.clean(column).alias("value"),
                f.lit(rule.on_violation == "accept_and_flag").alias("flags"),
            ),
        )
        for column, rule in reading.source.expect.reference.items()
    ]
    found = f.array_compact(f.array(*told)) if told else f.lit(None)
    return found.cast(_SHAPE).alias(REFS)


def referred(sources: Sequence[Source]) -> frozenset[str]:
    """Return the sources whose keys are referred to."""
    return frozenset(rule.to for source in sources for rule in source.expect.reference.values())


def known(read: Callable[[Table], DataFrame], targets: Collection[str]) -> DataFrame:
    """Return the keys that sources have in the lake as `read` reads it: `to` is the source, `value` the key."""
    events, entries = (_keys(read(table), key, targets) for table, key in ((EVENTS, "message_id"), (CATALOGUE, "key")))
    return _records(read(RECORDS), targets).unionByName(events).unionByName(entries)


def _records(records: DataFrame, targets: Collection[str]) -> DataFrame:
    """Return the keys of people's records that are there and were not deleted, by source."""
    mine = records.where(f.col("source").isin(list(targets)) & (f.col("kind") == "person"))
    newest = mine.groupBy("source", "key").agg(f.max_by("deleted", f.struct("observed_at", "sequence")).alias("gone"))
    return newest.where(~f.col("gone")).select(f.col("source").alias("to"), f.col("key").alias("value"))


def _keys(table: DataFrame, key: str, targets: Collection[str]) -> DataFrame:
    """Return the keys of events or entries, by source."""
    mine = table.where(f.col("source").isin(list(targets)))
    return mine.select(f.col("source").alias("to"), f.col(key).alias("value")).distinct()


def missing(rows: DataFrame, there: DataFrame, keep: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Return the rows, by their place, that refer to keys which are neither known nor accepted in the same run."""
    stand = rows.where((f.col("status") == "accepted") & ~f.col("gone"))
    asked = stand.where(f.size(REFS) > 0).select(*_PLACE, f.explode(REFS).alias("ref"))
    wanted = asked.select("ref.to", "ref.value").distinct()
    fresh = stand.select(f.col("source").alias("to"), f.col("key").alias("value"))
    lost = keep(wanted.join(there, ["to", "value"], "left_anti").join(fresh, ["to", "value"], "left_anti"))
    flat = asked.select(*_PLACE, "ref.*")
    return keep(flat.join(lost, ["to", "value"], "left_semi").groupBy(*_PLACE).agg(
        f.sort_array(f.collect_list(f.struct("flags", "field", "to", "value"))).alias("lost")
    ))  # fmt: skip


def settled(rows: DataFrame, lost: DataFrame, hashes: Mapping[str, Column]) -> DataFrame:
    """Return the rows with those that refer to nothing quarantined or flagged, as each column says.

    `hashes` is what the content of each kind of record hashes to: a flag is a part of it.
    """
    joined = rows.join(lost, list(_PLACE), "left")
    stern = f.get(f.filter("lost", lambda one: ~one["flags"]), 0)
    fault = f.struct(
        stern["field"].alias("field"),
        f.lit(RULE).alias("rule"),
        conform.value_class(stern["value"]).alias("value_class"),
        f.concat(
            stern["field"], f.lit(" must be a key of "), stern["to"], f.lit("; none of its rows has this key")
        ).alias("reason"),
        f.lit(False).alias("vital"),
    )
    broken = f.when(stern.isNotNull(), fault)
    notes = f.transform("lost", _note)
    flagged = f.col("lost").isNotNull() & stern.isNull()
    same = f.when(f.col("once") & (f.col("key") != ""), f.concat_ws("|", "source", "key")).otherwise(f.col("payload"))
    marked = joined.withColumns(
        {
            "broken": f.coalesce("broken", broken),
            "status": f.when(broken.isNotNull(), "quarantined").otherwise(f.col("status")),
            "notes": f.when(flagged, f.concat("notes", notes)).otherwise(f.col("notes")),
            **{name: _flagged(name, flagged) for name in ("attributes", "properties") if name in rows.columns},
        }
    )
    content = f.col("content_hash")
    for record, own in hashes.items():
        content = f.when(flagged & (f.col("record") == record), own).otherwise(content)
    digest = f.when(broken.isNotNull(), f.sha2(same, 256)).otherwise(content)
    return marked.withColumn("content_hash", digest).drop("lost", REFS)


def _note(one: Column) -> Column:
    return f.concat(f.lit("field "), one["field"], f.lit(f": {RULE}"))


def _flagged(name: str, flagged: Column) -> Column:
    """Return a row's attributes, or an event's properties, with the flag that its contract's soft faults raise, too."""
    place = f.when(f.col("record") == "event", name == "properties").otherwise(name == "attributes")
    told = f.array_join(f.transform("lost", _note), ", ")
    flags = f.concat_ws(", ", f.try_element_at(name, f.lit("_flagged")), told)
    kept = f.map_filter(name, lambda key, _: key != "_flagged")
    return f.when(flagged & place, f.map_concat(kept, f.create_map(f.lit("_flagged"), flags))).otherwise(f.col(name))
