"""Traits per scope, recomputed from facts, as text in one spelling."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from profiles.config import Trait
from profiles.transforms.facts import UNITS, within

_KEYS = ("profile_id", "scope")
LIST_SEPARATOR = "|"


def summed(
    members: DataFrame, seen: DataFrame, ordered: DataFrame, as_of: datetime, windows: Sequence[int]
) -> DataFrame:
    """Return the plain sums of each scope: sightings and orders, over all time and in each window.

    An order is counted once even where two of a person's records hold it: lines are joined under the person
    first and counted after.
    """
    sight = (
        members.join(seen, "record_key")
        .groupBy(*_KEYS)
        .agg(
            f.min("first_at").alias("first_at"),
            f.max("last_at").alias("last_at"),
            f.sum("others").alias("others"),
            *[f.sum(f"others_{days}").alias(f"others_{days}") for days in windows],
        )
    )
    orders = (
        members.join(ordered, "record_key")
        .groupBy(*_KEYS, "source", "order_id")
        .agg(f.min("at").alias("at"), f.sum("units").alias("units"), f.sum("items").alias("items"))
    )
    counted = [_order_sums(f.lit(True), "")]
    counted += [_order_sums(within("at", as_of, days), f"_{days}") for days in windows]
    totals = orders.groupBy(*_KEYS).agg(
        f.min("at").alias("first_order"),
        f.max("at").alias("last_order"),
        f.max(f.unix_date(f.to_date("at"))).cast("bigint").alias("last_day"),
        *[column for columns in counted for column in columns],
    )
    return sight.join(totals, list(_KEYS), "full")


def _order_sums(counts: Column, suffix: str) -> list[Column]:
    return [
        f.count_if(counts).alias(f"orders{suffix}"),
        f.sum(f.when(counts, f.col("units")).otherwise(0)).alias(f"units{suffix}"),
        f.sum(f.when(counts, f.col("items")).otherwise(0)).alias(f"items{suffix}"),
    ]


def with_population(summed: DataFrame, members: DataFrame) -> DataFrame:
    """Return the sums with `base` at one scope of each person: the widest, by which people are compared.

    Where two scopes are equally wide the first by name counts, so that everybody stands in the population once.
    """
    width = members.groupBy(*_KEYS).agg(f.count(f.lit(1)).alias("width"))
    widest = Window.partitionBy("profile_id").orderBy(f.desc("width"), "scope")
    ranked = width.select(*_KEYS, (f.row_number().over(widest) == 1).alias("base"))
    return summed.join(ranked, list(_KEYS))


def favourites(members: DataFrame, bought: DataFrame, takes: Mapping[str, int]) -> DataFrame:
    """Return (profile_id, scope, group, labels): what most money went to, dearest first, equal sums by name."""
    best = Window.partitionBy(*_KEYS, "group").orderBy(f.desc("units"), f.asc("label"))
    spent = members.join(bought, "record_key").groupBy(*_KEYS, "group", "label").agg(f.sum("units").alias("units"))
    take = f.lit(0)
    for group, count in sorted(takes.items()):
        take = f.when(f.col("group") == group, count).otherwise(take)
    ranked = spent.where("units > 0").withColumn("place", f.row_number().over(best)).where(f.col("place") <= take)
    labels = f.sort_array(f.collect_list(f.struct("place", "label")))["label"]
    return ranked.groupBy(*_KEYS, "group").agg(labels.alias("labels"))


def channels(members: DataFrame, ordered: DataFrame) -> DataFrame:
    """Return (profile_id, scope, channel): where most orders were made, the latest used where that ties."""
    best = Window.partitionBy(*_KEYS).orderBy(f.desc("orders"), f.desc("latest"), f.asc("channel"))
    used = members.join(ordered.where("channel is not null"), "record_key").groupBy(*_KEYS, "channel")
    counted = used.agg(f.count_distinct("source", "order_id").alias("orders"), f.max("at").alias("latest"))
    return counted.withColumn("place", f.row_number().over(best)).where("place = 1").select(*_KEYS, "channel")


def worded(
    scored: DataFrame, liked: DataFrame, preferred: DataFrame, declared: Sequence[Trait], as_of: datetime
) -> DataFrame:
    """Return (profile_id, scope, traits): the declared traits as a map of text, absent ones left out."""
    groups = liked.groupBy(*_KEYS).agg(
        f.map_from_entries(f.sort_array(f.collect_list(f.struct("group", "labels")))).alias("favourites")
    )
    joined = scored.join(groups, list(_KEYS), "left").join(preferred, list(_KEYS), "left")
    entries = f.array(
        *[
            f.struct(f.lit(trait.name).alias("name"), _text(trait, as_of).alias("value"))
            for trait in sorted(declared, key=lambda t: t.name)
        ]
    )
    present = f.filter(entries, lambda entry: entry["value"].isNotNull())
    return joined.select(*_KEYS, f.map_from_entries(present).alias("traits"))


def _text(trait: Trait, as_of: datetime) -> Column:
    suffix = f"_{trait.window_days}" if trait.window_days else ""
    if trait.compute in ("first_seen", "last_seen"):
        return _moment("first_at" if trait.compute == "first_seen" else "last_at")
    if trait.compute in ("first_order", "last_order"):
        return _moment(trait.compute)
    if trait.compute == "favourites":
        kept = f.slice(f.col("favourites")[f.lit(trait.of)], 1, trait.take)
        return f.when(f.size(kept) > 0, f.array_join(kept, LIST_SEPARATOR))
    return _figures(trait.compute, suffix, as_of).cast("string")


def _figures(compute: str, suffix: str, as_of: datetime) -> Column:
    orders, units = f.coalesce(f"orders{suffix}", f.lit(0)), f.coalesce(f"units{suffix}", f.lit(0))
    today = f.unix_date(f.to_date(f.lit(as_of))).cast("bigint")
    figures = {
        "event_count": f.coalesce(f"others{suffix}", f.lit(0)) + orders,
        "order_count": orders,
        "order_total": _money(units),
        "item_count": f.coalesce(f"items{suffix}", f.lit(0)),
        "average_order": _money(f.try_divide(units, orders)),
        "days_since_order": today - f.col("last_day"),
        "preferred_channel": f.col("channel"),
    }
    return figures[compute] if compute in figures else f.col(compute)


def _moment(column: str) -> Column:
    return f.date_format(column, "yyyy-MM-dd'T'HH:mm:ss'Z'")


def _money(units: Column) -> Column:
    return f.round(units.cast("decimal(38,6)") / UNITS, 2).cast("decimal(18,2)")
