"""People as they were at moments of the past: the plans of a build over the facts before each moment.

A row is a person at a moment. Its scope names both, and each of its records gets a name of its own in that scope, so
that the plans of a build, which know nothing of moments, count each row's facts apart. Nothing that happened, or
was observed, at the moment or later comes into a row.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from profiles.config import ProfileSettings, Trait
from profiles.transforms import facts, golden, traits

_KEYS = ("profile_id", "scope")


@dataclass(frozen=True, slots=True)
class Past:
    """What rows are made from: events at their records, every version of the records, what identifiers may stand."""

    events: DataFrame
    records: DataFrame
    features: DataFrame
    catalogue: DataFrame


def counted_at(rows: DataFrame, events: DataFrame) -> DataFrame:
    """Return the rows (`at`) with `counted`: when the newest event before happened, as a build's `as_of` has it.

    `at` itself where nothing happened before.
    """
    asked = rows.select(f.unix_micros("at").alias("micros"), f.lit(None).cast("bigint").alias("seen")).distinct()
    happened = f.unix_micros("occurred_at")
    every = asked.unionByName(events.select(happened.alias("micros"), happened.alias("seen")).distinct())
    # Ranges end a microsecond before the moment itself.
    before = Window.partitionBy(f.lit(1)).orderBy("micros").rangeBetween(Window.unboundedPreceding, -1)
    known = every.withColumn("last", f.max("seen").over(before)).where("seen is null").select("micros", "last")
    joined = rows.withColumn("micros", f.unix_micros("at")).join(known, "micros")
    return joined.withColumn("counted", f.timestamp_micros(f.coalesce("last", "micros"))).drop("micros", "last")


def scoped(rows: DataFrame, usable: DataFrame) -> DataFrame:
    """Return (profile_id, scope, record_key, own, at) for each record that may be used in each row.

    `rows` is (row, profile_id, at, counted); `record_key` is the record's name in its scope, `own` that in the lake.
    """
    scope = f.concat_ws("|", f.format_string("%012d", "row"), f.unix_micros("counted"))
    placed = rows.select("row", "profile_id", "at", scope.alias("scope"))
    held = placed.join(usable.select("profile_id", f.col("record_key").alias("own")), "profile_id")
    named = f.concat_ws("|", f.format_string("%012d", "row"), "own")
    return held.select(*_KEYS, named.alias("record_key"), "own", "at")


def as_of() -> Column:
    """Return the moment that a row's windows end at, told from its scope."""
    return f.timestamp_micros(f.element_at(f.split("scope", r"\|"), 2).cast("bigint"))


def before(members: DataFrame, told: DataFrame, moment: str) -> DataFrame:
    """Return what happened before each row's moment, at the record's name in the row's scope."""
    own = members.select("scope", f.col("record_key").alias("_name"), f.col("own").alias("record_key"), "at")
    joined = told.join(own, "record_key").where(f.col(moment) < f.col("at"))
    return joined.withColumn("record_key", f.col("_name")).drop("_name", "at")


def trait_rows(
    members: DataFrame, past: Past, settings: ProfileSettings, declared: Sequence[Trait], purpose: str
) -> DataFrame:
    """Return (profile_id, scope, traits): the declared traits of each row, by the plans of a build."""
    windows, groups = settings.windows(), settings.favourites()
    happened = before(members, past.events, "occurred_at")
    catalogue = settings.catalogue
    sold = facts.products(past.catalogue, catalogue.source, catalogue.label, sorted(groups))
    lines = facts.order_lines(happened)
    other = happened.where("order_id is null and record_key is not null")
    held = members.select(*_KEYS, "record_key")
    seen = facts.sightings(other, as_of(), windows)
    summed = traits.summed(held, seen, facts.orders(lines, sold, 1), as_of(), windows)
    liked = traits.favourites(held, facts.bought(lines, sold), groups)
    told = traits.worded(summed.withColumn("purpose", f.lit(purpose)), liked, declared, as_of())
    return told.select(*_KEYS, "traits")


def attribute_rows(members: DataFrame, past: Past, settings: ProfileSettings, contacts: Collection[str]) -> DataFrame:
    """Return (profile_id, scope, attributes): golden values of each row, from the versions observed before it."""
    versions = before(members, past.records.withColumn("lake_key", f.col("record_key")), "observed_at")
    newest = Window.partitionBy("record_key").orderBy(f.desc("observed_at"), f.desc("sequence"))
    current = versions.withColumn("_rank", f.row_number().over(newest)).where("_rank = 1 and not deleted")
    written = current.select("record_key", "lake_key", f.inline("identifiers").alias("type", "value", "token"))
    # Identity says which identifiers may stand for somebody.
    standing = past.features.select(f.col("record_key").alias("lake_key"), f.explode("identifiers").alias("one"))
    standing = standing.select("lake_key", "one.type", "one.token").distinct()
    reached = written.where(f.col("type").isin(*contacts)).join(standing, ["lake_key", "type", "token"])
    told = reached.select("record_key", f.col("type").alias("field"), "value").distinct()
    claimed = golden.claims(current, told, settings.survivorship.together)
    held = members.select(*_KEYS, "record_key").join(claimed, "record_key")
    survived = golden.survivors(held, _KEYS, settings.survivorship)
    return golden.attributes(survived, _KEYS, settings.survivorship.together)


def unmasked(frame: DataFrame, masked: Collection[str], shortened: Mapping[str, int]) -> DataFrame:
    """Return rows less what the purpose's masks take out; of shortened attributes the beginning stays."""
    gone = f.array(*[f.lit(name) for name in sorted(masked)]).cast("array<string>")

    def cut(one: Column) -> Column:
        value = one["value"]
        for name, length in sorted(shortened.items()):
            value = f.when(one["name"] == name, f.substring(one["value"], 1, length)).otherwise(value)
        return one.withField("value", value)

    kept = f.filter("attributes", lambda one: ~f.array_contains(gone, one["name"]) | one["name"].isin(*shortened))
    return frame.withColumn("attributes", f.transform(kept, cut)).withColumn(
        "traits", f.map_filter("traits", lambda name, _: ~f.array_contains(gone, name))
    )
