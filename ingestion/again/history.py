"""Rows that came before, told apart once more: each is held against what its own arrival left in the lake.

`ingestion.versions` judges rows that come now, after all that is known. A row that is replayed came in the middle:
what its own arrival left is what it was; what came later stays the last word. A line's `came` is when its row
arrived; `axis` is the row's own time where that orders the versions of a key, null where they stand in the order of
arrival; `reread` are runs that read the same bytes again.
"""

from collections.abc import Collection

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

_LINE = (
    *("source", "slot", "content_hash", "axis", "ordered", "once", "fresh", "came", "reread"),
    *("sequence", "record_key", "time", "file", "position"),
)
_PLACE = ("source", "file", "position")
_ARRIVAL = ("came", "fresh", "sequence", "time", "file", "position")


def fresh_lines(rows: DataFrame, timed: Collection[str], ordered: Collection[str]) -> DataFrame:
    """Return the lines of replayed rows; `timed` sources have an axis, `ordered` ones neither it nor a time.

    Those that stand to be accepted share a slot by their key, rejected ones by what was rejected and why.
    """
    accepted = f.col("status") == "accepted"
    rejected = f.concat_ws("|", f.lit("q"), "content_hash", "broken.field", "broken.rule")
    made = {
        "slot": f.when(accepted, f.concat(f.lit("a|"), "key")).otherwise(rejected),
        "axis": f.when(accepted & f.col("source").isin(list(timed)), f.col("at")),
        "ordered": f.col("source").isin(list(ordered)),
        "came": f.col("arrived"),
        # Versions of an event that came together stand in the order of their own times.
        "time": f.when(accepted & ~f.col("once"), f.col("at")),
        "fresh": f.lit(True),
        "sequence": f.lit(None).cast("bigint"),
        "record_key": f.lit(None).cast("string"),
    }
    return rows.where(f.col("status").isin("accepted", "quarantined")).withColumns(made).select(*_LINE)


def known_lines(known: DataFrame, key: str, at: str, timed: Collection[str]) -> DataFrame:
    """Return the lines of versions that the lake has; their `came` is there already."""
    axis = f.when(f.col("source").isin(list(timed)), f.col(at))
    return _known(known, f.concat(f.lit("a|"), f.col(key)), axis)


def rejected_lines(quarantine: DataFrame) -> DataFrame:
    """Return the lines of rows that the quarantine has."""
    came = quarantine.withColumn("came", f.col("received_at"))
    return _known(came, f.concat_ws("|", f.lit("q"), "content_hash", "field", "rule"), f.lit(None).cast("timestamp"))


def _known(frame: DataFrame, slot: Column, axis: Column) -> DataFrame:
    absent = {"sequence": "bigint", "record_key": "string"}
    made = {name: f.lit(None).cast(kind) for name, kind in absent.items() if name not in frame.columns}
    made |= {
        "file": f.lit(None).cast("string"),
        "position": f.lit(None).cast("bigint"),
        "slot": slot,
        "axis": axis,
        **dict.fromkeys(("ordered", "once", "fresh"), f.lit(False)),
        "reread": f.array().cast("array<timestamp>"),
        "time": f.lit(None).cast("timestamp"),
    }
    return frame.withColumns(made).select(*_LINE)


def exceptions(lines: DataFrame, shared: DataFrame) -> DataFrame:
    """Return the replayed rows that are not simply new, as `ingestion.versions.exceptions` does.

    A row is a duplicate (`same` if the lake has it from its own arrival) where it says what is said already:

    - of a key that comes once: whatever stands under it from another arrival, or if the newest word of its own
      arrival is the same;
    - where its own arrival left that very word: if it ends with it;
    - where it did not, as of a row that was rejected then: if the key said so before;
    - if a run that read the same bytes again took it in so;
    - if its key was told anew after it had come, and arrival decides which word is the last.
    """
    near = lines.join(shared, f.xxhash64("source", "slot") == f.col("shared"), "left_semi")
    slot, axis = (Window.partitionBy("source", "slot", *more) for more in ((), ("axis",)))
    sub, alike = (Window.partitionBy("source", "slot", "axis", name) for name in ("came", "content_hash"))
    own = Window.partitionBy("source", "slot", "axis", "came", "content_hash")
    twin = Window.partitionBy("source", "slot", "axis", "came", "content_hash", "fresh").orderBy("file", "position")
    known, told = ~f.col("fresh"), f.col("content_hash")
    marked = near.withColumns(
        {
            "seen": f.col("fresh") & (f.row_number().over(alike.orderBy(*_ARRIVAL)) > 1),
            # Once more in one arrival: it says nothing new, except where a value may go back to what it was.
            "twin": f.col("fresh") & ~f.col("ordered") & (f.row_number().over(twin) > 1),
            "rejected": f.col("slot").startswith("q|"),
            "left": f.count_if(known).over(own) > 0,
        }
    )
    # What was said before already its own arrival did not leave.
    live = f.col("fresh") & (f.col("ordered") | ~(f.col("twin") | (f.col("seen") & ~f.col("left"))))
    before = slot.orderBy("axis", *_ARRIVAL).rowsBetween(Window.unboundedPreceding, -1)
    after = sub.orderBy(*_ARRIVAL).rowsBetween(1, Window.unboundedFollowing)
    ended = marked.withColumn("last", f.count_if(live).over(after) == 0)
    # Whether it is taken in or repeats what stands: what an arrival ends with stands after it.
    stands = ~f.col("seen") | (f.col("last") & (f.col("ordered") | f.col("left")))
    ranked = ended.withColumns(
        {
            "standing": f.last(f.when(stands, told), ignorenulls=True).over(before),
            "peers": f.count_if(known).over(sub),
            "nth": f.count_if("fresh").over(slot.orderBy("came", "fresh", "file", "position")),
            "first": f.row_number().over(slot.orderBy("fresh", "came", "file", "position")) == 1,
            "stood": f.count_if(known).over(slot),
            "earliest": f.min(f.when(known, f.col("came"))).over(slot),
            "latest": f.max(f.when(known, f.col("came"))).over(slot),
            "newest": f.max_by(f.when(known, told), f.when(known, f.col("sequence"))).over(slot),
            "overtaken": f.max(f.when(known, f.col("came"))).over(axis) > f.col("came"),
            "taken": f.collect_set(f.when(known, f.col("came"))).over(alike),
            "known_sequence": f.max(f.when(known, f.col("sequence"))).over(slot),
            "known_key": f.first("record_key", ignorenulls=True).over(slot),
        }
    )
    same = f.col("standing") == told
    ends = f.col("seen") & (~f.col("last") | same)
    elsewhere = (f.col("earliest") != f.col("came")) | (f.col("latest") != f.col("came"))
    peers = f.col("peers") > 0
    once = (f.col("nth") > 1) | elsewhere | (f.col("newest") == told)
    before_it = f.col("seen") | (f.col("axis").isNotNull() & ~peers & same)
    dated = f.col("twin") | f.when(f.col("left"), ends).otherwise(before_it)
    again = f.arrays_overlap("taken", "reread")
    repeated = (
        f.when(f.col("rejected"), ~f.col("first"))
        .when(f.col("once"), f.coalesce(once, f.lit(False)))
        .when(f.col("ordered"), f.coalesce(ends, f.lit(False)) | again)
        .otherwise(f.coalesce(dated, f.lit(False)) | f.coalesce("overtaken", f.lit(False)) | again)
    )
    found = ranked.withColumn("duplicate", f.coalesce(repeated, f.lit(False)))
    turn = f.count_if(f.col("fresh") & ~f.col("duplicate")).over(slot.orderBy(*_ARRIVAL))
    return (
        found.withColumn("turn", turn)
        .where("fresh")
        .select(
            *(*_PLACE, "duplicate", "turn", "known_sequence", "known_key"),
            ((f.col("stood") > 0) | (f.col("turn") > 1)).alias("later"),
            (f.col("duplicate") & peers).alias("same"),
        )
    )


def came(known: DataFrame, recovered: DataFrame, key: str) -> DataFrame:
    """Return facts with the moment at which their row had come: what was mended had come before it was taken in."""
    accepted = recovered.where("verdict = 'accepted'")
    mended = accepted.groupBy("source", f.col("key").alias(key), "batch").agg(f.max("arrived_at").alias("had_come"))
    joined = known.join(f.broadcast(mended), ["source", key, "batch"], "left")
    return joined.withColumn("came", f.coalesce("had_come", "received_at")).drop("had_come")
