"""What is new: rows held against what is known by key and content, within a batch and across all before it."""

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

# One line for each row, fresh or known, however wide the row is.
_NARROW = (
    *("source", "slot", "content_hash", "at", "dated", "once", "fresh", "sequence", "record_key", "file", "position"),
)


def fresh_lines(rows: DataFrame) -> DataFrame:
    """Return the lines of rows that stand to be accepted or quarantined; a rejected row's slot is its own content."""
    rejected = f.concat_ws("|", f.lit("q"), "content_hash", "broken.field", "broken.rule")
    slot = f.when(f.col("status") == "accepted", f.concat(f.lit("a|"), "key")).otherwise(rejected)
    # A rejected row has no time that could be trusted.
    at = f.when(f.col("status") == "accepted", f.col("at"))
    lines = rows.where(f.col("status").isin("accepted", "quarantined"))
    return _narrow(lines, fresh=True, slot=slot, at=at, dated=f.col("dated"), once=f.col("once"))


def known_lines(known: DataFrame, key: str, at: str, dated: Iterable[str]) -> DataFrame:
    """Return the lines of versions accepted before; `sequence` and `record_key` where the table has them."""
    slot = f.concat(f.lit("a|"), f.col(key))
    # Whether a key comes only once is asked of the fresh rows.
    own = f.col("source").isin(list(dated))
    return _narrow(known, fresh=False, slot=slot, at=f.col(at), dated=own, once=f.lit(False))


def rejected_lines(quarantine: DataFrame) -> DataFrame:
    """Return the lines of rows quarantined before."""
    slot = f.concat_ws("|", f.lit("q"), "content_hash", "field", "rule")
    no = f.lit(False)
    return _narrow(quarantine, fresh=False, slot=slot, at=f.lit(None).cast("timestamp"), dated=no, once=no)


def _narrow(frame: DataFrame, *, fresh: bool, **made: Column) -> DataFrame:
    absent = {"sequence": "bigint", "record_key": "string", "file": "string", "position": "bigint"}
    nothing = {name: f.lit(None).cast(kind) for name, kind in absent.items() if fresh or name not in frame.columns}
    if fresh:
        nothing = {name: column for name, column in nothing.items() if name not in ("file", "position")}
    return frame.withColumns({**nothing, **made, "fresh": f.lit(fresh)}).select(*_NARROW)


def near(known: DataFrame, fresh: DataFrame) -> DataFrame:
    """Return the known lines whose slots few fresh lines name: what follows costs by the batch, not by the base.

    The fresh slots go to every task, so that the known ones stream by and are neither sorted nor sent anywhere.
    """
    wanted = fresh.select(_slot().alias("wanted")).distinct()
    return known.join(f.broadcast(wanted), _slot() == f.col("wanted"), "left_semi")


def shared_slots(lines: DataFrame) -> DataFrame:
    """Return the slots that hold more than one line: few, and only their rows need a closer look."""
    return lines.groupBy(_slot().alias("shared")).count().where("count > 1").select("shared")


def _slot() -> Column:
    # A digest, so that millions of slots are counted by eight bytes each; a clash only costs a closer look.
    return f.xxhash64("source", "slot")


def exceptions(lines: DataFrame, shared: DataFrame) -> DataFrame:
    """Return the fresh rows that are not simply new: what they repeat, what they change.

    `dated` rows carry their own time and stand in its order, late ones among those known: one is a duplicate if its
    content was seen with that time, or is what the version before it says. Undated rows follow what is known, in the
    order of the file: the last one is a duplicate only of what stands before it (a value may go back to what it
    was), the others of any version seen. Rows that come `once` are duplicates of whatever stands under their key.
    """
    time = f.when(f.col("dated"), f.col("at"))
    in_order = Window.partitionBy("source", "slot").orderBy(time, "fresh", "at", "sequence", "file", "position")
    before = in_order.rowsBetween(Window.unboundedPreceding, -1)
    whole = Window.partitionBy("source", "slot")
    alike = Window.partitionBy("source", "slot", "content_hash", time).orderBy("fresh", "sequence", "file", "position")
    again = f.row_number().over(alike) > 1
    near = lines.join(shared, _slot() == f.col("shared"), "left_semi")
    seen = near.withColumn("seen", f.col("fresh") & again)
    standing = f.last(f.when(~f.col("seen"), f.col("content_hash")), ignorenulls=True).over(before)
    repeats = f.coalesce(standing == f.col("content_hash"), f.lit(False))
    last = f.lead("fresh").over(in_order).isNull()
    arrival = Window.partitionBy("source", "slot").orderBy("fresh", "sequence", "file", "position")
    undated = f.col("seen") & (~last | repeats)
    ranked = seen.select(
        "*",
        f.when(f.col("once"), f.row_number().over(arrival) > 1)
        .when(f.col("dated"), f.col("seen") | repeats)
        .otherwise(undated)
        .alias("duplicate"),
        f.count_if("fresh").over(in_order).alias("turn"),
        f.max(f.when(~f.col("fresh"), f.col("sequence"))).over(whole).alias("known_sequence"),
        f.first("record_key", ignorenulls=True).over(whole).alias("known_key"),
        f.count_if(~f.col("fresh")).over(whole).alias("known"),
    )
    return ranked.where(f.col("fresh")).select(
        *("source", "file", "position", "duplicate", "turn", "known_sequence", "known_key"),
        ((f.col("known") > 0) | (f.col("turn") > 1)).alias("later"),
    )


def verdicts(rows: DataFrame, found: DataFrame) -> DataFrame:
    """Return the rows with their verdict; `turn` numbers the versions of a key within this batch from 1."""
    joined = rows.join(found, ["source", "file", "position"], "left")
    repeated = f.coalesce("duplicate", f.lit(False))
    changed = f.coalesce("later", f.lit(False)) & ~repeated & (f.col("status") == "accepted")
    return joined.select(
        *(f.col(name) for name in rows.columns),
        f.when(repeated, "duplicate").otherwise(f.col("status")).alias("verdict"),
        changed.alias("changed"),
        f.coalesce("turn", f.lit(1)).cast("bigint").alias("turn"),
        "known_sequence",
        "known_key",
    )
