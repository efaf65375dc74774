"""What happened, summed up once per record: orders, sightings, channels and what was bought."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

# Money is summed in ten-thousandths as whole numbers: sums of doubles depend on the order of addition.
UNITS = 10_000


def products(catalogue: DataFrame, source: str, labels: Sequence[str]) -> DataFrame:
    """Return (product_id, label, attributes) of the current entries of one catalogue source."""
    label = f.coalesce(*[f.col("attributes")[name] for name in labels], f.lit(None).cast("string"))
    named = f.col("key").alias("product_id"), label.alias("label"), "attributes"
    return catalogue.where(f.col("source") == source).select(*named)


def orders(events: DataFrame, sold: DataFrame, lines: int) -> DataFrame:
    """Return one row an order: when, where, how much, how many lines, and its dearest lines.

    An order is the lines of one source that share an order id and a record.
    """
    quantity = f.coalesce("quantity", f.lit(0.0))
    dearest = f.struct(
        (-_units()).alias("rank"), f.coalesce("product_id", f.lit("")).alias("product_id"), "label",
        quantity.alias("quantity"),
    )  # fmt: skip
    return (
        events.where("order_id is not null and record_key is not null")
        .join(f.broadcast(sold.select("product_id", "label")), "product_id", "left")
        .groupBy("record_key", "source", "order_id")
        .agg(
            f.min("occurred_at").alias("at"),
            f.min("channel").alias("channel"),
            f.min("name").alias("name"),
            f.sum(_units()).alias("units"),
            f.sum(quantity.cast("bigint")).alias("items"),
            f.count(f.lit(1)).alias("line_count"),
            f.slice(f.sort_array(f.collect_list(dearest)), 1, lines).alias("dearest"),
        )
    )


def _units() -> Column:
    return f.round(f.coalesce("amount", f.lit(0.0)) * UNITS).cast("bigint")


def sightings(events: DataFrame, as_of: datetime, windows: Sequence[int]) -> DataFrame:
    """Return (record_key, first_at, last_at, others…): when a record was seen, how often without ordering."""
    other = f.col("order_id").isNull()
    counts = [f.count_if(other).alias("others")]
    counts += [f.count_if(other & within("occurred_at", as_of, days)).alias(f"others_{days}") for days in windows]
    return (
        events.where("record_key is not null")
        .groupBy("record_key")
        .agg(f.min("occurred_at").alias("first_at"), f.max("occurred_at").alias("last_at"), *counts)
    )


def within(column: str, as_of: datetime, days: int) -> Column:
    """Return whether a moment lies in the window of so many days that ends at `as_of`."""
    start = f.lit(as_of - timedelta(days=days))
    return (f.col(column) > start) & (f.col(column) <= f.lit(as_of))


def bought(events: DataFrame, sold: DataFrame, groups: Sequence[str]) -> DataFrame:
    """Return (record_key, group, label, units): money by catalogue group, for each attribute that names groups."""
    pairs = f.array(
        *[f.struct(f.lit(name).alias("group"), f.col("attributes")[name].alias("label")) for name in groups]
    )
    # Summed by product first: a person's lines name few products, and the labels are long.
    spent = (
        events.where("product_id is not null and record_key is not null and order_id is not null")
        .groupBy("record_key", "product_id")
        .agg(f.sum(_units()).alias("units"))
    )
    labelled = spent.join(f.broadcast(sold), "product_id").select("record_key", "units", f.inline(pairs))
    named = labelled.where("label is not null and label != ''")
    return named.groupBy("record_key", "group", f.translate("label", "|", "/").alias("label")).agg(
        f.sum("units").alias("units")
    )
