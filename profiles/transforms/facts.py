"""What happened, summed up once per record: orders, sightings, and what was bought."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

# Money is summed in ten-thousandths as whole numbers: sums of doubles depend on the order of addition.
UNITS = 10_000


def products(catalogue: DataFrame, source: str, labels: Sequence[str], groups: Sequence[str]) -> DataFrame:
    """Return (product_id, label, groups) of the current entries of one catalogue source."""
    said = f.col("attributes")
    label = f.coalesce(*[said[name] for name in labels], f.lit(None).cast("string")).alias("label")
    # Lists of a trait are parted by this sign, so no name may hold it.
    named = [f.translate(said[name], "|", "/").alias(name) for name in groups]
    return catalogue.where(f.col("source") == source).select(
        f.col("key").alias("product_id"), label, f.struct(*named, f.lit(1).alias("_")).alias("groups")
    )


def order_lines(events: DataFrame) -> DataFrame:
    """Return the lines of orders: the events that name an order and lie with a record."""
    return events.where("order_id is not null and record_key is not null")


def singles(events: DataFrame) -> DataFrame:
    """Return the events that are no order's line, as far as profiles need them."""
    kept = ("record_key", "source", "message_id", "occurred_at", "type", "name", "channel", "amount", "properties")
    return events.where("order_id is null and record_key is not null").select(*kept)


def orders(lines: DataFrame, sold: DataFrame, dearest: int) -> DataFrame:
    """Return one row an order: when, where, how much, how many lines, and its dearest lines.

    An order is the lines of one source that share an order id and a record.
    """
    quantity = f.coalesce("quantity", f.lit(0.0))
    product = f.coalesce("product_id", f.lit("")).alias("product_id")
    line = f.struct((-_units()).alias("rank"), product, "label", quantity.alias("quantity"))
    return (
        lines.join(sold.select("product_id", "label"), "product_id", "left")
        .groupBy("record_key", "source", "order_id")
        .agg(
            f.min("occurred_at").alias("at"),
            f.max("occurred_at").alias("until"),
            f.min("channel").alias("channel"),
            f.min("name").alias("name"),
            f.sum(_units()).alias("units"),
            f.sum(quantity.cast("bigint")).alias("items"),
            f.count(f.lit(1)).alias("line_count"),
            f.slice(f.sort_array(f.collect_list(line)), 1, dearest).alias("dearest"),
        )
    )


def _units() -> Column:
    return f.round(f.coalesce("amount", f.lit(0.0)) * UNITS).cast("bigint")


# The moment that windows end at: one for all rows, or a column that says each row's.
Moment = datetime | Column


def sightings(other: DataFrame, as_of: Moment, windows: Sequence[int]) -> DataFrame:
    """Return (record_key, first_at, last_at, others…): when a record was seen without ordering, and how often."""
    counts = [f.count(f.lit(1)).alias("others")]
    counts += [f.count_if(within("occurred_at", as_of, days)).alias(f"others_{days}") for days in windows]
    span = f.min("occurred_at").alias("first_at"), f.max("occurred_at").alias("last_at")
    return other.groupBy("record_key").agg(*span, *counts)


def within(column: str, as_of: Moment, days: int) -> Column:
    """Return whether a moment lies in the window of so many days that ends at `as_of`."""
    start = as_of - f.expr(f"INTERVAL {days} DAYS") if isinstance(as_of, Column) else f.lit(as_of - timedelta(days))
    return (f.col(column) > start) & (f.col(column) <= f.lit(as_of))


def bought(lines: DataFrame, sold: DataFrame) -> DataFrame:
    """Return (record_key, groups, units): money by the catalogue groups that a product belongs to."""
    labelled = lines.join(sold.select("product_id", "groups"), "product_id")
    return labelled.groupBy("record_key", "groups").agg(f.sum(_units()).alias("units"))
