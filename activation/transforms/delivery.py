"""What a destination should know, what it was told, and so what it has to be told now."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from activation.declarations import Destination
from activation.model import identifier_type
from infra.columns import content_hash
from infra.emails import PROVIDERS, Provider

KEY = ("destination", "audience", "key_type", "match_key")


def wanted(members: DataFrame, audiences: DataFrame, views: DataFrame, destination: Destination) -> DataFrame:
    """Return what a destination should know: one row for each audience and match key, with its payload.

    Members come from audiences that are large enough; identifiers and traits from the view of the destination's own
    purpose, so both the audience's purpose and the destination's must be allowed. A match key that two members
    share (a household's phone) carries the payload of the first of them by id.
    """
    large = audiences.where(
        (f.col("size") >= destination.minimum_size) & f.col("audience").isin(*destination.audiences)
    )
    people = members.join(f.broadcast(large.select("audience")), "audience").select("audience", "profile_id")
    view = views.where(f.col("purpose") == destination.purpose).select(
        "profile_id", _keys(destination).alias("keys"), _payload(destination.traits).alias("payload")
    )
    rows = people.join(view, "profile_id").select("audience", "profile_id", "payload", f.explode("keys").alias("key"))
    return (
        rows.groupBy("audience", f.col("key.key_type").alias("key_type"), f.col("key.match_key").alias("match_key"))
        .agg(f.min_by("payload", "profile_id").alias("payload"))
        .withColumn("destination", f.lit(destination.destination))
        .withColumn("payload_hash", content_hash(f.array_sort(f.map_entries("payload"))))
    )


def told(state: DataFrame, change: DataFrame) -> DataFrame:
    """Return what destinations may know by now, with an empty hash where it is not certain.

    Certain is the state. Uncertain are the additions of a run that may have written its file and was given up
    before it wrote its state: they are sent again if still wanted, and taken back if not; forgetting them would
    leave somebody at a destination for good, whatever they say later.
    """
    attempted = change.where(f.col("operation") != "remove")
    attempted = attempted.withColumn("payload_hash", f.lit("")).withColumn("since_batch", f.col("batch"))
    unknown = attempted.join(state, list(KEY), "leftanti")
    columns = (*KEY, "payload_hash", "since_batch")
    return state.select(*columns).unionByName(unknown.select(*columns))


def changes(wanted: DataFrame, told: DataFrame, batch: int) -> DataFrame:
    """Return the additions, changes and removals that lead from what was told to what is wanted."""
    new = wanted.select(*KEY, "payload", f.col("payload_hash").alias("new_hash"))
    old = told.select(*KEY, f.col("payload_hash").alias("old_hash"))
    operation = (
        f.when(f.col("new_hash").isNull(), "remove")
        .when(f.coalesce("old_hash", f.lit("")) == "", "add")
        .when(f.col("old_hash") != f.col("new_hash"), "change")
    )
    nothing = f.create_map().cast("map<string,string>")
    return (
        new.join(old, list(KEY), "full")
        .withColumn("operation", operation)
        .where(f.col("operation").isNotNull())
        .select(
            *KEY,
            "operation",
            f.coalesce("payload", nothing).alias("payload"),
            f.coalesce("new_hash", "old_hash").alias("payload_hash"),
            f.lit(batch).cast("long").alias("batch"),
        )
        .orderBy("destination", "audience", "operation", "key_type", "match_key")
    )


def settled(told: DataFrame, changes: DataFrame, batch: int) -> DataFrame:
    """Return what destinations know once they have read the changes."""
    touched = changes.select(*KEY, "operation", f.col("payload_hash").alias("new_hash"))
    joined = told.join(touched, list(KEY), "full").where(f.col("operation").isNull() | (f.col("operation") != "remove"))
    return joined.select(
        *KEY,
        f.coalesce("new_hash", "payload_hash").alias("payload_hash"),
        f.when(f.col("operation").isNotNull(), f.lit(batch))
        .otherwise(f.col("since_batch"))
        .cast("long")
        .alias("since_batch"),
    )


def match_key(key_type: str, value: Column) -> Column:
    """Return the digest of normalised values, as `match.match_key`."""
    if key_type == "email_canonical":
        value = _canonical(value)
    elif key_type == "phone_digits":
        value = f.regexp_replace(value, r"\A\++", "")
    return f.sha2(value, 256)


def _keys(destination: Destination) -> Column:
    """Return all match keys of a view's identifiers as an array of key type and digest."""
    return f.array_distinct(f.concat(*[_keys_of(key_type) for key_type in destination.match_keys]))


def _keys_of(key_type: str) -> Column:
    def fits(one: Column) -> Column:
        return one["type"] == identifier_type(key_type)

    def hashed(one: Column) -> Column:
        return f.struct(f.lit(key_type).alias("key_type"), match_key(key_type, one["value"]).alias("match_key"))

    return f.transform(f.filter("identifiers", fits), hashed)


def _payload(traits: Sequence[str]) -> Column:
    names = f.array(*[f.lit(name) for name in traits]).cast("array<string>")
    return f.map_filter("traits", lambda name, _value: f.array_contains(names, name))


def _canonical(email: Column) -> Column:
    """Return the mailbox behind an address, as `infra.emails.canonical`: one branch for each provider."""
    domain = f.substring_index(email, "@", -1)
    local = f.regexp_extract(email, r"(?s)\A(.*)@[^@]*\z", 1)
    found = f.lit(None).cast("string")
    for provider in PROVIDERS:
        home = f.lit(provider.home) if provider.home else domain
        mailbox = f.concat(_mailbox(local, provider), f.lit("@"), home)
        found = f.when(domain.isin(*provider.domains), mailbox).otherwise(found)
    return f.coalesce(found, email)


def _mailbox(local: Column, provider: Provider) -> Column:
    name = f.substring_index(local, provider.tag, 1)
    cut = f.concat(name, f.lit(provider.tag)) if provider.parted else name
    kept = f.when((name != "") & (name != local), cut).otherwise(local)
    for sign in provider.ignored:
        bare = f.replace(kept, f.lit(sign), f.lit(""))
        kept = f.when(bare != "", bare).otherwise(kept)
    return kept
