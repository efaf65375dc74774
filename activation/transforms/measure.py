"""How good recommendations are on baskets that they have not seen, beside plain popularity."""

from datetime import datetime
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f

from activation.declarations import Recommending

TOP = 10


def held_back(lines: DataFrame, settings: Recommending, cutoff: datetime) -> DataFrame:
    """Return the products of a fixed sample of baskets from the cutoff on; one product each is `hidden`."""
    after = lines.where(f.col("occurred_at") >= f.lit(cutoff))
    products = after.groupBy("basket", "profile_id").agg(f.array_sort(f.collect_set("product_id")).alias("products"))
    several = products.where(f.size("products") >= 2).orderBy(f.xxhash64("basket"), "basket").limit(settings.sample)
    rows = several.select("basket", "profile_id", f.explode("products").alias("product_id"))
    order = Window.partitionBy("basket").orderBy(f.xxhash64("product_id", "basket"), "product_id")
    return rows.withColumn("hidden", f.row_number().over(order) == 1)


def popular(items: DataFrame, baskets: DataFrame, take: int) -> DataFrame:
    """Return the same most bought products for every basket."""
    top = items.where(f.col("rank_before") <= take)
    best = top.select("product_id", (-f.col("rank_before")).cast("double").alias("score"))
    return baskets.crossJoin(f.broadcast(best))


def bought_again(habits: DataFrame, baskets: DataFrame) -> DataFrame:
    """Return what each basket's person buys again."""
    return baskets.join(habits.select("profile_id", "product_id", "score"), "profile_id")


def together(neighbours: DataFrame, seeds: DataFrame) -> DataFrame:
    """Return what goes with the seeds (basket, product, weight), scored by the sum over them."""
    near = neighbours.select(f.col("item").alias("product_id"), "neighbour", f.col("score").alias("near"))
    # Whole millionths: a sum of doubles would depend on the order of the rows.
    part = f.round(f.col("near") * f.col("weight") * 1e6).cast("long")
    joined = seeds.join(near, "product_id").select("basket", "neighbour", part.alias("part"))
    return joined.groupBy("basket", f.col("neighbour").alias("product_id")).agg(
        f.sum("part").cast("double").alias("score")
    )


def best(scored: DataFrame, without: DataFrame | None = None) -> DataFrame:
    """Return the ten best products of each basket, but for those that it is known to hold."""
    if without is not None:
        scored = scored.join(without.select("basket", "product_id"), ["basket", "product_id"], "leftanti")
    place = f.row_number().over(Window.partitionBy("basket").orderBy(f.desc("score"), "product_id"))
    return scored.withColumn("place", place).where(f.col("place") <= TOP).select("basket", "product_id")


def quality(task: str, method: str, wanted: DataFrame, recommended: DataFrame) -> DataFrame:
    """Return one row: in how many baskets one of the ten was right, and what share of the products they found."""
    found = recommended.withColumn("found", f.lit(1))
    per_basket = (
        wanted.select("basket", "product_id")
        .join(found, ["basket", "product_id"], "left")
        .groupBy("basket")
        .agg(f.count("found").alias("right"), f.count("*").alias("all"))
    )
    return per_basket.agg(
        f.count("*").alias("baskets"),
        f.coalesce(f.avg((f.col("right") > 0).cast("double")), f.lit(0.0)).alias("hit_rate"),
        f.coalesce(f.avg(f.col("right") / f.col("all")), f.lit(0.0)).alias("recall"),
    ).select(f.lit(task).alias("task"), f.lit(method).alias("method"), "baskets", "hit_rate", "recall")


def measured(test: DataFrame, items: DataFrame, neighbours: DataFrame, habits: DataFrame) -> DataFrame:
    """Return the quality of the three ways in two tasks: guess the next basket, complete a basket.

    All three learned from the time before; `complete` hides one product of a basket and shows the others.
    """
    baskets = test.select("basket", "profile_id").distinct()
    shown, hidden = test.where(~f.col("hidden")), test.where("hidden")
    again = bought_again(habits, baskets)
    usual = again.select("basket", "product_id", f.col("score").alias("weight"))
    present = shown.select("basket", "product_id", f.lit(1.0).alias("weight"))
    # A basket has at most `basket` products that take part, so the longest list that exclusion can need is known.
    everywhere = popular(items, baskets, TOP)
    deeper = popular(items, baskets, TOP * 8)
    rows = [
        quality("next basket", "buy again", test, best(again)),
        quality("next basket", "co-occurrence", test, best(together(neighbours, usual))),
        quality("next basket", "popularity", test, best(everywhere)),
        quality("complete", "buy again", hidden, best(again, shown)),
        quality("complete", "co-occurrence", hidden, best(together(neighbours, present), shown)),
        quality("complete", "popularity", hidden, best(deeper, shown)),
    ]
    return reduce(DataFrame.unionByName, rows)
