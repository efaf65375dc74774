"""What is new: rows held against what is known by key and content, within a batch and across all before it."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

# One line for each row, fresh or known, however wide the row is.
_NARROW = ("slot", "content_hash", "at", "fresh", "sequence", "record_key", "file", "position")


def fresh_lines(rows: DataFrame) -> DataFrame:
    """Return the lines of rows that stand to be accepted or quarantined; a rejected row's slot is its own content."""
    rejected = f.concat_ws("|", f.lit("q"), "content_hash", "broken.field", "broken.rule")
    slot = f.when(f.col("status") == "accepted", f.concat(f.lit("a|"), "key")).otherwise(rejected)
    lines = rows.where(f.col("status").isin("accepted", "quarantined"))
    return _narrow(lines.withColumn("slot", slot), fresh=True)


def known_lines(known: DataFrame, key: str, at: str) -> DataFrame:
    """Return the lines of versions accepted before; `sequence` and `record_key` where the table has them."""
    slot = f.concat(f.lit("a|"), f.col(key))
    return _narrow(known.withColumn("slot", slot).withColumn("at", f.col(at)), fresh=False)


def rejected_lines(quarantine: DataFrame) -> DataFrame:
    """Return the lines of rows quarantined before."""
    slot = f.concat_ws("|", f.lit("q"), "content_hash", "field", "rule")
    return _narrow(quarantine.withColumn("slot", slot).withColumn("at", f.col("received_at")), fresh=False)


def _narrow(frame: DataFrame, *, fresh: bool) -> DataFrame:
    absent = {"sequence": "bigint", "record_key": "string", "file": "string", "position": "bigint"}
    for name, kind in absent.items():
        if name not in frame.columns:
            frame = frame.withColumn(name, f.lit(None).cast(kind))
    return frame.withColumn("fresh", f.lit(fresh)).select(*_NARROW)


def exceptions(lines: DataFrame, *, dated: bool) -> DataFrame:
    """Return the fresh rows that are not simply new: what they repeat, what they change.

    `dated` rows carry their own time: one is a duplicate if its content was seen with that time, or is what the
    version before it says. Undated rows follow in the order of the file: the last one is a duplicate only of the
    current version (a value may go back to what it was), those before it of any version seen.
    """
    in_order = Window.partitionBy("slot").orderBy("fresh", "at", "sequence", "file", "position")
    whole = Window.partitionBy("slot").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    alike = ("slot", "content_hash", "at") if dated else ("slot", "content_hash")
    seen = f.row_number().over(Window.partitionBy(*alike).orderBy("fresh", "sequence", "file", "position")) > 1
    last = f.lead("fresh").over(in_order).isNull()
    repeats = f.coalesce(f.lag("content_hash").over(in_order) == f.col("content_hash"), f.lit(False))
    ranked = lines.select(
        "*",
        f.row_number().over(in_order).alias("rank"),
        repeats.alias("repeats"),
        (seen if dated else seen & ~last).alias("seen"),
        f.max(f.when(~f.col("fresh"), f.col("sequence"))).over(whole).alias("known_sequence"),
        f.first("record_key", ignorenulls=True).over(whole).alias("known_key"),
        f.count_if(~f.col("fresh")).over(whole).alias("known"),
    )
    return ranked.where(f.col("fresh") & (f.col("rank") > 1)).select(
        "file",
        "position",
        (f.col("repeats") | f.col("seen")).alias("duplicate"),
        "known_sequence",
        "known_key",
        (f.col("rank") - f.col("known")).alias("turn"),
    )


def verdicts(rows: DataFrame, found: DataFrame) -> DataFrame:
    """Return the rows with their verdict; `turn` numbers the versions of a key within this batch from 1."""
    joined = rows.join(found, ["file", "position"], "left")
    odd = f.col("turn").isNotNull()
    return joined.select(
        *(f.col(name) for name in rows.columns),
        _verdict(odd).alias("verdict"),
        (odd & ~f.col("duplicate") & (f.col("status") == "accepted")).alias("changed"),
        f.coalesce("turn", f.lit(1)).cast("bigint").alias("turn"),
        f.col("known_sequence"),
        f.col("known_key"),
    )


def _verdict(odd: Column) -> Column:
    return f.when(odd & f.col("duplicate"), "duplicate").otherwise(f.col("status"))
