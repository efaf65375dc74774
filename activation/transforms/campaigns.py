"""What the past says of each campaign: what it sold, how many it reached, and how many of them redeemed."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from activation.declarations import Campaigns, Recommending

_TOP = 20


def campaigns(
    catalogue: DataFrame, products: DataFrame, redemptions: DataFrame, shoppers: DataFrame, settings: Campaigns,
    recommending: Recommending,
) -> DataFrame:  # fmt: skip
    """Return one row for each campaign with readable dates; `kindred check` cannot see a catalogue's values."""
    dated = catalogue.select(
        f.col("key").alias("campaign"),
        _attribute(settings.starts).try_cast("date").alias("starts_on"),
        _attribute(settings.ends).try_cast("date").alias("ends_on"),
        f.map_filter("attributes", lambda name, _: name != f.lit(settings.products)).alias("attributes"),
        f.split(f.trim(_attribute(settings.products)), r"[\s|,;]+").alias("product_ids"),
        _attribute(settings.reached).try_cast("long").alias("stated"),
    ).where("starts_on is not null and ends_on is not null")
    redeemed = redemptions.groupBy("campaign").agg(f.count_distinct("profile_id").alias("redeemers"))
    enriched = (
        dated.join(sold(dated, products, recommending), "campaign", "left")
        .join(redeemed, "campaign", "left")
        .join(active(dated, shoppers), "campaign", "left")
    )
    none = f.create_map().cast("map<string,double>")
    counted = f.coalesce("redeemers", f.lit(0))
    return enriched.select(
        "campaign", "starts_on", "ends_on", "attributes",
        f.coalesce("categories", none).alias("categories"),
        counted.alias("redeemers"),
        f.greatest(f.coalesce("stated", "active", f.lit(0)), counted).alias("reached"),
    )  # fmt: skip


def sold(dated: DataFrame, products: DataFrame, recommending: Recommending) -> DataFrame:
    """Return for each campaign the shares of the categories among its products, the twenty largest."""
    category = f.element_at("attributes", recommending.products.category)
    known = products.select(f.col("key").alias("product_id"), category.alias("category")).where("category is not null")
    listed = dated.select("campaign", f.explode(f.array_distinct("product_ids")).alias("product_id"))
    counts = listed.join(known, "product_id").groupBy("campaign", "category").agg(f.count("*").alias("many"))
    entry = f.struct((-f.col("many")).alias("order"), "category", "many")
    lists = counts.groupBy("campaign").agg(
        f.slice(f.array_sort(f.collect_list(entry)), 1, _TOP).alias("entries"), f.sum("many").alias("all")
    )
    pair = f.transform("entries", lambda one: f.struct(one["category"], f.round(one["many"] / f.col("all"), 6)))
    return lists.select("campaign", f.map_from_entries(pair).alias("categories"))


def active(dated: DataFrame, shoppers: DataFrame) -> DataFrame:
    """Return for each campaign how many people bought anything while it ran: whom it can have reached."""
    days = shoppers.select("profile_id", f.to_date("occurred_at").alias("day")).distinct()
    running = f.col("day").between(f.col("starts_on"), f.col("ends_on"))
    return (
        days.join(f.broadcast(dated.select("campaign", "starts_on", "ends_on")), running)
        .groupBy("campaign")
        .agg(f.count_distinct("profile_id").alias("active"))
    )


def _attribute(name: str) -> Column:
    return f.element_at("attributes", name)
