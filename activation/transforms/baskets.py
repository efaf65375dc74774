"""What goes with what: baskets, pairs of products, neighbours, and what a person buys again."""

from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from activation.declarations import Recommending

_DAY = 86_400


def purchases(events: DataFrame, settings: Recommending) -> DataFrame:
    """Return the lines of all baskets: basket, product, moment, amount, and the event's other columns."""
    basket = f.concat_ws("|", "source", f.coalesce("order_id", "message_id"))
    bought = events.where((f.col("type") == settings.purchase) & f.col("product_id").isNotNull())
    return bought.withColumn("basket", basket)


def nobodys(lines: DataFrame) -> DataFrame:
    """Return the lines that nobody can be tied to: no subject, no cookie, no record. They are statistics."""
    return lines.where(f.col("subject").isNull() & f.col("anonymous_id").isNull() & f.col("record_key").isNull())


def training(own: DataFrame, anonymous: DataFrame) -> DataFrame:
    """Return the lines that recommendations may learn from: basket, product and moment, no person."""
    columns = ("basket", "product_id", "occurred_at")
    return own.select(*columns).unionByName(anonymous.select(*columns))


def items(lines: DataFrame, products: DataFrame, settings: Recommending, cutoff: datetime) -> DataFrame:
    """Return the most bought products, of all time or before the cutoff, with counts and ranks of both."""
    basket_before = f.when(f.col("occurred_at") < f.lit(cutoff), f.col("basket"))
    # Approximate counts would save little: one row a basket and product is what the pairs need anyway.
    once = lines.groupBy("product_id", "basket").agg(f.max(basket_before).alias("before"))
    counts = once.groupBy("product_id").agg(
        f.count("basket").alias("baskets"), f.count("before").alias("baskets_before")
    )
    ranked = counts.withColumn("rank", _rank("baskets")).withColumn("rank_before", _rank("baskets_before"))
    top = ranked.where((f.col("rank") <= settings.items) | (f.col("rank_before") <= settings.items))
    described = products.select(
        f.col("key").alias("product_id"),
        f.element_at("attributes", settings.products.label).alias("label"),
        f.element_at("attributes", settings.products.category).alias("category"),
    )
    named = top.join(described, "product_id", "left")
    return named.withColumn("label", f.coalesce("label", "category", "product_id")).fillna("", ["category"])


def pairs(lines: DataFrame, items: DataFrame, settings: Recommending, cutoff: datetime) -> DataFrame:
    """Return each pair of products that enough baskets share, and how many of them lie before the cutoff."""
    codes = items.select("product_id", f.col("rank").alias("code"))
    coded = lines.join(f.broadcast(codes), "product_id")
    baskets = coded.groupBy("basket").agg(
        f.array_sort(f.collect_set("code")).alias("codes"), (f.min("occurred_at") < f.lit(cutoff)).alias("before")
    )
    usable = baskets.where(f.size("codes").between(2, settings.basket))
    left = usable.select("before", "codes", f.explode("codes").alias("left"))
    both = left.select("before", "left", f.explode("codes").alias("right")).where("left < right")
    counted = both.groupBy("left", "right").agg(
        f.count("*").alias("baskets"), f.count_if("before").alias("baskets_before")
    )
    kept = counted.where(f.col("baskets") >= settings.support)
    left_names = codes.select(f.col("product_id").alias("left_id"), f.col("code").alias("left"))
    right_names = codes.select(f.col("product_id").alias("right_id"), f.col("code").alias("right"))
    named = kept.join(f.broadcast(left_names), "left").join(f.broadcast(right_names), "right")
    return named.select("left_id", "right_id", "baskets", "baskets_before")


def neighbours(pairs: DataFrame, items: DataFrame, settings: Recommending, *, before: bool = False) -> DataFrame:
    """Return item, neighbour, score and place: for each item those whose baskets it shares most (cosine).

    `before` learns from the baskets before the cutoff only, to be measured on those after it.
    """
    suffix = "_before" if before else ""
    shared = f"baskets{suffix}"
    known = items.where(f.col(f"rank{suffix}") <= settings.items)
    counts = known.select("product_id", f.col(shared).alias("count"))
    enough = pairs.where(f.col(shared) >= settings.support).select("left_id", "right_id", f.col(shared).alias("both"))
    turned = enough.select(f.col("right_id").alias("left_id"), f.col("left_id").alias("right_id"), "both")
    left = counts.select(f.col("product_id").alias("left_id"), f.col("count").alias("left_count"))
    right = counts.select(f.col("product_id").alias("right_id"), f.col("count").alias("right_count"))
    joined = enough.unionByName(turned).join(f.broadcast(left), "left_id").join(f.broadcast(right), "right_id")
    score = f.round(f.col("both") / f.sqrt(f.col("left_count") * f.col("right_count")), 6)
    place = f.row_number().over(Window.partitionBy("item").orderBy(f.desc("score"), "neighbour"))
    scored = joined.select(f.col("left_id").alias("item"), f.col("right_id").alias("neighbour"), score.alias("score"))
    return scored.withColumn("place", place).where(f.col("place") <= settings.neighbours)


def published(items: DataFrame, neighbours: DataFrame, settings: Recommending) -> DataFrame:
    """Return the items that take part, each with its neighbours, closest first."""
    entry = f.struct("place", f.col("neighbour").alias("product_id"), "score")
    lists = neighbours.groupBy(f.col("item").alias("product_id")).agg(f.array_sort(f.collect_list(entry)).alias("list"))
    chosen = items.where(f.col("rank") <= settings.items).join(lists, "product_id", "left")
    ready = f.transform(
        "list", lambda one: f.struct(one["product_id"].alias("product_id"), one["score"].alias("score"))
    )
    empty = f.array().cast("array<struct<product_id:string,score:double>>")
    columns = ("product_id", "label", "category", "baskets", f.col("rank").cast("long").alias("rank"))
    return chosen.select(*columns, f.coalesce(ready, empty).alias("neighbours"))


def habits(lines: DataFrame, settings: Recommending, cutoff: datetime) -> DataFrame:
    """Return profile, product, score, interval and place: what people bought at least twice before the cutoff.

    A purchase counts half after `half_life`; of products with equal scores the lower id goes first.
    """
    age = (f.lit(cutoff.timestamp()) - f.unix_micros("bought_at") / 1e6) / settings.half_life.total_seconds()
    bought = lines.where(f.col("occurred_at") < f.lit(cutoff))
    once = bought.groupBy("profile_id", "product_id", "basket").agg(f.min("occurred_at").alias("bought_at"))
    span = (f.unix_micros(f.max("bought_at")) - f.unix_micros(f.min("bought_at"))) / 1e6 / _DAY
    again = once.groupBy("profile_id", "product_id").agg(
        f.count("*").alias("times"),
        # Whole millionths: a sum of doubles would depend on the order of the rows.
        (f.sum(f.round(f.pow(f.lit(2.0), -age) * 1e6).cast("long")) / 1e6).alias("score"),
        f.max("bought_at").alias("last_at"),
        span.alias("span"),
    )
    repeated = again.where(f.col("times") >= 2).withColumn("interval_days", f.col("span") / (f.col("times") - 1))
    place = f.row_number().over(Window.partitionBy("profile_id").orderBy(f.desc("score"), "product_id"))
    return repeated.withColumn("place", place).where(f.col("place") <= settings.habits)


def likes(lines: DataFrame, products: DataFrame, settings: Recommending) -> DataFrame:
    """Return for each profile the shares of its spending that its ten dearest categories have."""
    category = f.element_at("attributes", settings.products.category)
    known = products.select(f.col("key").alias("product_id"), category.alias("category")).where("category is not null")
    money = f.sum(f.round(f.col("amount") * 100).cast("long")).alias("money")
    spent = lines.join(f.broadcast(known), "product_id").groupBy("profile_id", "category").agg(money)
    whole = Window.partitionBy("profile_id")
    place = f.row_number().over(whole.orderBy(f.desc("money"), "category"))
    share = f.round(f.col("money") / f.sum("money").over(whole), 6)
    top = spent.where("money > 0").withColumn("share", share).withColumn("place", place).where("place <= 10")
    entries = f.array_sort(f.collect_list(f.struct("category", "share")))
    return top.groupBy("profile_id").agg(f.map_from_entries(entries).alias("likes"))


def remembered(habits: DataFrame, likes: DataFrame) -> DataFrame:
    """Return one row for each profile: what it buys again, best first, and what it likes."""
    entry = f.struct("place", "product_id", "score", "interval_days", "last_at")
    lists = habits.groupBy("profile_id").agg(f.array_sort(f.collect_list(entry)).alias("list"))
    fields = ("product_id", "score", "interval_days", "last_at")
    ready = f.transform("list", lambda one: f.struct(*[one[name].alias(name) for name in fields]))
    empty = f.array().cast("array<struct<product_id:string,score:double,interval_days:double,last_at:timestamp>>")
    joined = likes.join(lists, "profile_id", "full")
    nothing = f.create_map().cast("map<string,double>")
    return joined.select(
        "profile_id", f.coalesce(ready, empty).alias("items"), f.coalesce("likes", nothing).alias("likes")
    )


def _rank(column: str) -> Column:
    return f.row_number().over(Window.orderBy(f.desc(column), "product_id"))
