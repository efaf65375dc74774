"""Traits per scope, recomputed from facts, as text in one spelling."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from profiles.config import Trait
from profiles.transforms.facts import UNITS, Moment, within

_KEYS = ("profile_id", "scope")
LIST_SEPARATOR = "|"


def summed(members: DataFrame, seen: DataFrame, ordered: DataFrame, as_of: Moment, windows: Sequence[int]) -> DataFrame:
    """Return the sums of each scope over all time and in each window, and `channel`.

    An order is counted once even where two of a person's records hold it.
    """
    orders = _by_person(members.join(ordered, "record_key"), as_of, windows)
    sight = (
        members.join(seen, "record_key", "left")
        .groupBy(*_KEYS)
        .agg(
            f.min("first_at").alias("first_at"),
            f.max("last_at").alias("last_at"),
            f.sum("others").alias("others"),
            *[f.sum(f"others_{days}").alias(f"others_{days}") for days in windows],
        )
    )
    return (
        sight.join(orders, list(_KEYS), "left")
        .withColumn("first_at", f.least("first_at", "first_order"))
        .withColumn("last_at", f.greatest("last_at", "until"))
    )


def _by_person(held: DataFrame, as_of: Moment, windows: Sequence[int]) -> DataFrame:
    """Return what each scope ordered. Everything of a person is brought together once and counted there."""
    once = (
        held.repartition("profile_id")
        .groupBy(*_KEYS, "source", "order_id")
        .agg(*[f.min(c).alias(c) for c in ("at", "until", "channel")], *[f.sum(c).alias(c) for c in ("units", "items")])
    )
    sums = _order_sums(f.lit(True), "")
    for days in windows:
        sums += _order_sums(within("at", as_of, days), f"_{days}")
    by_channel = once.groupBy(*_KEYS, "channel").agg(
        f.min("at").alias("first_order"), f.max("at").alias("last_order"), f.max("until").alias("until"), *sums
    )
    # Most orders, then the latest used, then the alphabet.
    best = f.struct(-f.col("orders"), -f.unix_micros("last_order"), "channel")
    preferred = f.min_by("channel", f.when(f.col("channel").isNotNull(), best))
    totals = [f.sum(c).alias(c) for c in by_channel.columns if c.startswith(("orders", "units", "items"))]
    return by_channel.groupBy(*_KEYS).agg(
        f.min("first_order").alias("first_order"),
        f.max("last_order").alias("last_order"),
        f.max("until").alias("until"),
        f.max(f.unix_date(f.to_date("last_order"))).cast("bigint").alias("last_day"),
        preferred.alias("channel"),
        *totals,
    )


def _order_sums(counts: Column, suffix: str) -> list[Column]:
    return [
        f.count_if(counts).alias(f"orders{suffix}"),
        f.sum(f.when(counts, f.col("units")).otherwise(0)).alias(f"units{suffix}"),
        f.sum(f.when(counts, f.col("items")).otherwise(0)).alias(f"items{suffix}"),
    ]


def favourites(members: DataFrame, bought: DataFrame, takes: Mapping[str, int]) -> DataFrame:
    """Return (profile_id, scope, favourites): for each group the labels that most money went to, dearest first."""
    pairs = f.array(
        *[f.struct(f.lit(g).alias("group"), f.col("groups")[g].alias("label")) for g in sorted(takes)]
    ).cast("array<struct<group:string,label:string>>")
    spent = (
        members.join(bought, "record_key")
        .repartition("profile_id")
        .select(*_KEYS, "units", f.inline(pairs))
        .where("label is not null and label != ''")
        .groupBy(*_KEYS, "group", "label")
        .agg(f.sum("units").alias("units"))
    )
    dearest = f.sort_array(f.collect_list(f.struct((-f.col("units")).alias("rank"), "label")))
    listed = spent.where("units > 0").groupBy(*_KEYS, "group").agg(dearest["label"].alias("labels"))
    cut = f.slice("labels", 1, max(takes.values(), default=1))
    return listed.groupBy(*_KEYS).agg(
        f.map_from_entries(f.sort_array(f.collect_list(f.struct("group", cut.alias("labels"))))).alias("favourites")
    )


def worded(scored: DataFrame, liked: DataFrame, declared: Sequence[Trait], as_of: Moment) -> DataFrame:
    """Return (profile_id, scope, purpose, traits): the declared traits as a map of text, absent ones left out."""
    joined = scored.join(liked, list(_KEYS), "left")
    entries = f.array(
        *[
            f.struct(f.lit(trait.name).alias("name"), _text(trait, as_of).alias("value"))
            for trait in sorted(declared, key=lambda t: t.name)
        ]
    )
    present = f.filter(entries.cast("array<struct<name:string,value:string>>"), lambda e: e["value"].isNotNull())
    return joined.select(*_KEYS, "purpose", f.map_from_entries(present).alias("traits"))


def _text(trait: Trait, as_of: Moment) -> Column:
    suffix = f"_{trait.window_days}" if trait.window_days else ""
    if trait.compute in ("first_seen", "last_seen"):
        return _moment("first_at" if trait.compute == "first_seen" else "last_at")
    if trait.compute in ("first_order", "last_order", "session_start", "session_end"):
        return _moment(trait.compute)
    if trait.compute == "favourites":
        kept = f.slice(f.col("favourites")[f.lit(trait.of)], 1, trait.take)
        return f.when(f.size(kept) > 0, f.array_join(kept, LIST_SEPARATOR))
    return _figures(trait.compute, suffix, as_of).cast("string")


def _figures(compute: str, suffix: str, as_of: Moment) -> Column:
    orders, units = f.coalesce(f"orders{suffix}", f.lit(0)), f.coalesce(f"units{suffix}", f.lit(0))
    today = f.unix_date(f.to_date(f.lit(as_of))).cast("bigint")
    figures = {
        "event_count": f.coalesce(f"others{suffix}", f.lit(0)) + orders,
        "order_count": orders,
        "order_total": _money(units),
        "item_count": f.coalesce(f"items{suffix}", f.lit(0)),
        "average_order": _money(f.try_divide(units, orders)),
        "session_count": f.coalesce(f"sessions{suffix}", f.lit(0)),
        "days_since_order": today - f.col("last_day"),
        "preferred_channel": f.col("channel"),
    }
    return figures[compute] if compute in figures else f.col(compute)


def _moment(column: str) -> Column:
    return f.date_format(column, "yyyy-MM-dd'T'HH:mm:ss'Z'")


def _money(units: Column) -> Column:
    return f.round(units.cast("decimal(38,6)") / UNITS, 2).cast("decimal(18,2)")
