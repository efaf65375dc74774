"""What a run changed: plans that hold the new memberships against the old ones. `identity.ids` has the twin of `aliases`."""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f


def aliases(
    members: DataFrame, before: DataFrame, aliases_before: DataFrame, takers: DataFrame, batch: int
) -> DataFrame:
    """Return whom each id ever published means now; one that lives again is no alias.

    `takers` (old_key, record_key) names the record that took over the events of an anonymous one.
    """
    now = members.select(f.col("record_key").alias("_record"), f.col("profile_id").alias("_now"))
    gone = _published(before, aliases_before).join(_living(members), "profile_id", "left_anti")
    own = gone.join(now, gone["profile_id"] == now["_record"]).select("profile_id", "_now")
    orphans = gone.join(own.select("profile_id"), "profile_id", "left_anti")
    heirs = (
        before.select("profile_id", f.col("record_key").alias("_heir"))
        .unionByName(takers.select(f.col("old_key").alias("profile_id"), f.col("record_key").alias("_heir")))
        .unionByName(aliases_before.select(f.col("alias_id").alias("profile_id"), f.col("profile_id").alias("_heir")))
    )
    found = orphans.join(heirs, "profile_id").join(now, f.col("_heir") == f.col("_record")).select("profile_id", "_now")
    named = (
        own.unionByName(found)
        .distinct()
        .select(f.col("profile_id").alias("alias_id"), f.col("_now").alias("profile_id"))
    )
    old = aliases_before.select("alias_id", "profile_id", f.col("since_batch").alias("_since"))
    since = f.coalesce("_since", f.lit(batch)).cast("bigint")
    return named.join(old, ["alias_id", "profile_id"], "left").select(
        "alias_id", "profile_id", since.alias("since_batch")
    )


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


def _published(before: DataFrame, aliases_before: DataFrame) -> DataFrame:
    return before.select("profile_id").union(aliases_before.select("alias_id")).distinct()


def _living(members: DataFrame) -> DataFrame:
    return members.select("profile_id").distinct()


def identity_events(
    members: DataFrame, before: DataFrame, aliases_now: DataFrame, aliases_before: DataFrame, batch: int, at: datetime
) -> DataFrame:
    """Return CREATED, JOINED, LEFT, MERGED, SPLIT, RETIRED and RESTORED between two states of the memberships."""
    new, old = _living(members), _living(before)
    known_aliases = aliases_before.select(f.col("alias_id").alias("profile_id")).distinct()
    born = new.join(old, "profile_id", "left_anti")
    died = old.join(new, "profile_id", "left_anti")
    merged = died.select(f.col("profile_id").alias("alias_id")).join(aliases_now, "alias_id")
    moves = before.select("record_key", f.col("profile_id").alias("_old")).join(
        members.select("record_key", f.col("profile_id").alias("_new")), "record_key", "full"
    )
    moved = moves.where(~f.col("_old").eqNullSafe(f.col("_new")))
    left = moved.join(new.select(f.col("profile_id").alias("_old")), "_old")
    joined = moved.join(old.select(f.col("profile_id").alias("_new")), "_new")
    none = f.lit(None).cast("string")
    rows = [
        _rows("CREATED", born.join(known_aliases, "profile_id", "left_anti"), f.col("profile_id"), none, none),
        _rows("RESTORED", born.join(known_aliases, "profile_id", "left_semi"), f.col("profile_id"), none, none),
        _rows("MERGED", merged, f.col("profile_id"), f.col("alias_id"), none),
        _rows("RETIRED", died.join(merged.select(f.col("alias_id").alias("profile_id")), "profile_id", "left_anti"),
              f.col("profile_id"), none, none),
        _rows("SPLIT", left.where(f.col("_new").isNotNull()).select("_old", "_new").distinct(), f.col("_old"), f.col("_new"), none),
        _rows("JOINED", joined, f.col("_new"), f.col("_old"), f.col("record_key")),
        _rows("LEFT", left, f.col("_old"), f.col("_new"), f.col("record_key")),
    ]  # fmt: skip
    whole = rows[0]
    for more in rows[1:]:
        whole = whole.unionByName(more)
    return whole.select(
        f.lit(batch).cast("bigint").alias("batch"),
        "kind",
        "profile_id",
        "other_id",
        "record_key",
        f.lit(at).alias("at"),
    )


def _rows(kind: str, frame: DataFrame, profile: Column, other: Column, record: Column) -> DataFrame:
    return frame.select(
        f.lit(kind).alias("kind"), profile.alias("profile_id"), other.alias("other_id"), record.alias("record_key")
    )
