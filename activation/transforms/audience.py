"""Who is in which audience, from the views and events that its purpose may use."""

from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from activation.model import Condition
from activation.transforms.condition import counted, leaves, meets
from consent.model import ALL


def usable(graphs: DataFrame) -> DataFrame:
    """Return profile, record and purpose for every record that a purpose may use, as `profiles.build` decided it."""
    pairs = f.transform("records", lambda one: f.struct(one["record_key"], one["purposes"]))
    records = graphs.select("profile_id", f.explode(pairs).alias("one"))
    return records.select(
        "profile_id", f.col("one.record_key").alias("record_key"), f.explode("one.purposes").alias("purpose")
    )


def permitted(events: DataFrame, usable: DataFrame, purpose: str) -> DataFrame:
    """Return the events whose record the purpose may use, with `profile_id` and the `unit` that conditions count."""
    unit = f.concat_ws("|", "source", f.coalesce("order_id", "message_id"))
    records = usable.where(f.col("purpose") == purpose).select("record_key", "profile_id")
    return events.join(records, "record_key").withColumn("unit", unit)


def described(events: DataFrame, products: DataFrame) -> DataFrame:
    """Return the events with `product`, the catalogue's attributes of what was bought."""
    known = products.select(f.col("key").alias("product_id"), f.col("attributes").alias("product"))
    return events.join(known, "product_id", "left")


def members(
    views: DataFrame, events: DataFrame, conditions: Mapping[str, Condition], purpose: str, at: datetime
) -> DataFrame:
    """Return audience, profile and purpose for everybody whom the purpose may see and a condition describes."""
    people = views.where(f.col("purpose") == purpose).select("profile_id", "traits")
    clauses = leaves(list(conditions.values()))
    if clauses:
        people = people.join(counted(events, clauses, at), "profile_id", "left")
    counters = {clause: index for index, clause in enumerate(clauses)}
    found = [
        f.when(meets(condition, f.col("traits"), counters, at), f.lit(name)) for name, condition in conditions.items()
    ]
    audience = f.explode(f.array_compact(f.array(*found))).alias("audience")
    return people.select(audience, "profile_id").withColumn("purpose", f.lit(purpose))


def with_since(members: DataFrame, before: DataFrame, batch: int) -> DataFrame:
    """Return the members with the batch that first found them; who left and came back begins anew."""
    earlier = before.select("audience", "profile_id", "since_batch")
    since = f.coalesce("since_batch", f.lit(batch).cast("long"))
    return members.join(earlier, ["audience", "profile_id"], "left").withColumn("since_batch", since)


def sizes(members: DataFrame) -> DataFrame:
    """Return the number of members of each audience that has any."""
    return members.groupBy("audience").agg(f.count("*").alias("size"))


def allowed(views: DataFrame, profile_consent: DataFrame) -> DataFrame:
    """Return the views whose person allows their purpose; a view that should not be there stays without effect."""
    return views.join(profile_consent.where("allowed"), ["profile_id", "purpose"], "leftsemi")


def unrefused(views: DataFrame, graphs: DataFrame, denials: DataFrame) -> DataFrame:
    """Return the views without those whose purpose was refused under any identifier of the person."""
    tokens = graphs.select("profile_id", f.explode("tokens.token").alias("token"))
    refused = tokens.join(f.broadcast(denials), "token").select(f.col("profile_id").alias("who"), "denied")
    about = (f.col("profile_id") == f.col("who")) & ((f.col("denied") == ALL) | (f.col("denied") == f.col("purpose")))
    return views.join(refused, about, "leftanti")


def indexed(declared: DataFrame, members: DataFrame) -> DataFrame:
    """Return the declared audiences with their sizes, those without members too."""
    joined = declared.join(sizes(members), "audience", "left")
    return joined.withColumn("size", f.coalesce("size", f.lit(0)).cast("long"))
