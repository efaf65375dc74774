"""The newest things of each person: orders with their dearest lines, and single events."""

from collections.abc import Callable, Iterable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from profiles.details import OF_THE_PERSON, Reserved
from profiles.model import SHOWN
from profiles.transforms.facts import UNITS

_LINE = "struct<product_id:string,name:string,quantity:double,amount:double>"


def timelines(
    membership: DataFrame,
    purposes: DataFrame,
    ordered: DataFrame,
    singles: DataFrame,
    length: int,
    reserved: Reserved,
) -> DataFrame:
    """Return (profile_id, entries), the newest first; what happened at one moment stands in the order of its ids.

    `purposes` says what each record may be used for. So many entries are kept of the records that the same purposes
    may use: what a purpose may not see pushes nothing out that it may. What no purpose may see is not kept at all.
    `reserved` is what an event says of its person and no details show.
    """
    members = membership.select("record_key", "profile_id").join(purposes, "record_key")
    things = _orders(ordered).unionByName(_events(singles, reserved)).join(members, "record_key")
    order = [f.desc("at"), f.col("source"), f.col("id")]
    alike, newest = Window.partitionBy("profile_id", "purposes"), Window.partitionBy("profile_id")
    few = things.withColumn("nth", f.row_number().over(alike.orderBy(*order))).where(f.col("nth") <= length)
    kept = few.withColumn("place", f.row_number().over(newest.orderBy(*order)))
    entry = f.struct(
        "at", "kind", "source", "record_key", "name", "channel", "order_id", "amount", "line_count", "lines", "details"
    )
    # Maps cannot be compared, so the list is put in order by its places alone.
    placed = f.array_sort(f.collect_list(f.struct("place", entry.alias("entry"))), lambda a, b: a["place"] - b["place"])
    return kept.groupBy("profile_id").agg(f.transform(placed, lambda one: one["entry"]).alias("entries"))


def _orders(ordered: DataFrame) -> DataFrame:
    lines = f.transform(
        "dearest",
        lambda line: f.struct(
            line["product_id"].alias("product_id"),
            line["label"].alias("name"),
            line["quantity"].alias("quantity"),
            _amount(-line["rank"]).alias("amount"),
        ),
    )
    return ordered.select(
        "record_key",
        "source",
        f.col("order_id").alias("id"),
        "at",
        f.lit("order").alias("kind"),
        f.coalesce("name", f.lit("order")).alias("name"),
        "channel",
        "order_id",
        _amount(f.col("units")).alias("amount"),
        "line_count",
        lines.cast(f"array<{_LINE}>").alias("lines"),
        f.create_map().cast("map<string,string>").alias("details"),
    )


def _events(events: DataFrame, reserved: Reserved) -> DataFrame:
    told = f.map_filter("properties", _is_shown(reserved))
    shown = f.transform_values(told, lambda _, value: f.substring(value, 1, SHOWN))
    return events.select(
        "record_key",
        "source",
        f.col("message_id").alias("id"),
        f.col("occurred_at").alias("at"),
        f.lit("event").alias("kind"),
        f.coalesce("name", "type").alias("name"),
        "channel",
        f.lit(None).cast("string").alias("order_id"),
        f.col("amount"),
        f.lit(0).cast("bigint").alias("line_count"),
        f.array().cast(f"array<{_LINE}>").alias("lines"),
        f.coalesce(shown, f.create_map().cast("map<string,string>")).alias("details"),
    )


def _is_shown(reserved: Reserved) -> Callable[[Column, Column], Column]:
    """Return the twin of `profiles.details.is_shown` for the rows' sources."""
    names = _names(reserved.fields | reserved.elsewhere())
    for source in sorted(reserved.mapped):
        names = f.when(f.col("source") == source, _names(reserved.names(source))).otherwise(names)

    def shown(name: Column, _value: Column) -> Column:
        within = f.exists(
            names,
            lambda one: (
                (one == name) | one.startswith(f.concat(name, f.lit("."))) | name.startswith(f.concat(one, f.lit(".")))
            ),
        )
        return ~name.startswith(OF_THE_PERSON) & ~within

    return shown


def _names(names: Iterable[str]) -> Column:
    return f.array(*map(f.lit, sorted(names))).cast("array<string>")


def _amount(units: Column) -> Column:
    return (units / UNITS).cast("double")
