"""Which records a purpose may use of each person; purposes that may use the same ones share their work."""

from collections.abc import Collection, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from identity.transforms import confidence, mean_bits
from profiles.model import ABSENT, CERTAIN

Readable = Mapping[tuple[str, str], Collection[str]]


def holders(linked: DataFrame, near: DataFrame, identifiers: DataFrame, features: DataFrame) -> DataFrame:
    """Return (group_id, token, link, jurisdiction, contact): everything that may have been said about each person.

    Records that are probably theirs (`near`) bring what was refused under them, and no jurisdiction.
    """
    told = identifiers.select("record_key", "token", "contact")
    own = linked.join(features.select("record_key", "jurisdiction"), "record_key", "left")
    other = near.withColumn("jurisdiction", f.lit(None).cast("string"))
    every = own.unionByName(other).join(told, "record_key", "left")
    return every.select(f.col("profile_id").alias("group_id"), "token", "link", "jurisdiction", "contact").distinct()


def both_ways(held: DataFrame) -> DataFrame:
    """Return each person's holders twice: as granted by the person, and as granted by the contact that is used.

    The second way (`group_id` begins with `contact:`) lets each address speak for itself. Both are judged in one
    screening, and `judged` takes of each what it is for.
    """
    as_contact = f.when(f.coalesce("contact", f.lit(False)), "own").otherwise(f.col("link"))
    person = held.withColumn("group_id", f.concat(f.lit("person:"), "group_id"))
    contact = held.withColumn("group_id", f.concat(f.lit("contact:"), "group_id")).withColumn("link", as_contact)
    return person.unionByName(contact).drop("contact")


def judged(screened: DataFrame, by_contact: Collection[str]) -> DataFrame:
    """Return (profile_id, purpose, allowed, reason, policy_line), each purpose judged the way it is granted."""
    way = f.when(f.col("purpose").isin(*by_contact), "contact").otherwise("person")
    parts = f.split("group_id", ":", 2)
    return screened.where(parts[0] == way).select(
        parts[1].alias("profile_id"), "purpose", "allowed", "reason", "policy_line"
    )


def usable(
    linked: DataFrame,
    record_consent: DataFrame,
    profile_consent: DataFrame,
    readable: Readable,
    shared: Collection[str],
) -> DataFrame:
    """Return (profile_id, purpose, record_key) for every record that a purpose may use; no word means no.

    `readable` has the links over which each (purpose, basis) may see data. In the purposes of `shared` a grant
    is a person's: it reaches those of their records that are certainly theirs and say nothing themselves.
    """
    person = profile_consent.where("allowed").select("profile_id", "purpose", f.col("reason").alias("basis"))
    word = record_consent.select("record_key", "purpose", "allowed", "reason")
    joined = linked.join(word, "record_key").join(person, ["profile_id", "purpose"])
    lent = (
        (f.col("basis") == "consent")
        & f.col("purpose").isin(*shared)
        & f.col("reason").isin(*ABSENT)
        & f.col("link").isin(*CERTAIN)
    )
    may = _readable(readable) & (f.col("allowed") | lent)
    return joined.where(may).select("profile_id", "purpose", "record_key")


def _readable(readable: Readable) -> Column:
    told = f.lit(False)
    for (purpose, basis), links in sorted(readable.items()):
        here = (f.col("purpose") == purpose) & (f.col("basis") == basis)
        told = f.when(here, f.col("link").isin(*links)).otherwise(told)
    return told


def scopes(usable_records: DataFrame) -> DataFrame:
    """Return (profile_id, purpose, scope, scope_size).

    A scope names a set of records. Most people's purposes see the same set, so what is computed per scope is
    computed once and not seven times.
    """
    named = usable_records.groupBy("profile_id", "purpose").agg(
        f.sort_array(f.collect_list("record_key")).alias("record_keys")
    )
    return named.select(
        "profile_id",
        "purpose",
        f.sha2(f.concat_ws(",", "record_keys"), 256).alias("scope"),
        f.size("record_keys").cast("bigint").alias("scope_size"),
    )


def scope_members(usable_records: DataFrame, scoped: DataFrame) -> DataFrame:
    """Return (profile_id, scope, record_key), each scope of a person once."""
    return (
        usable_records.join(scoped.select("profile_id", "purpose", "scope"), ["profile_id", "purpose"])
        .select("profile_id", "scope", "record_key")
        .distinct()
    )


def confidences(members: DataFrame, scoped: DataFrame, index: DataFrame, edges: DataFrame) -> DataFrame:
    """Return (profile_id, scope, partly): the confidence of people of whom a purpose may use some records only.

    It is made as identity makes that of the whole person, from the edges between the records in the scope: what a
    purpose may not use must not show in how sure it is.
    """
    sized = (
        scoped.select("profile_id", "scope", "scope_size")
        .distinct()
        .join(index.select("profile_id", "size"), "profile_id")
    )
    parts = sized.where("scope_size < size").select("profile_id", "scope", "scope_size")
    held = members.join(parts, ["profile_id", "scope"])
    left, right = (
        held.select("profile_id", "scope", f.col("record_key").alias(key)) for key in ("left_key", "right_key")
    )
    inside = edges.where("state = 'kept'").join(left, "left_key").join(right, ["profile_id", "scope", "right_key"])
    bits = inside.groupBy("profile_id", "scope").agg(mean_bits("weight_micro").alias("bits"))
    joined = parts.join(bits, ["profile_id", "scope"], "left")
    return joined.select("profile_id", "scope", confidence(f.col("scope_size"), f.col("bits")).alias("partly"))


def record_purposes(usable_records: DataFrame) -> DataFrame:
    """Return (record_key, purposes): what each record may be used for, in order."""
    return usable_records.groupBy("record_key").agg(f.sort_array(f.collect_set("purpose")).alias("purposes"))
