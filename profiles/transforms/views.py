"""The golden record as each purpose sees it: masked by policy, and saying what it withholds."""

from collections.abc import Collection, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

_ATTRIBUTES = (
    "array<struct<name:string,value:string,source:string,record_key:string,"
    "observed_at:timestamp,rule:string,confidence:double>>"
)
_IDENTIFIERS = "array<struct<type:string,value:string,token:string>>"
_WITHHELD = "array<struct<field:string,because:string>>"

Masks = Mapping[str, Collection[str]]
# For each purpose the fields of which it sees the first characters, and how many.
Lengths = Mapping[str, Mapping[str, int]]


def identifier_lists(members: DataFrame, identifiers: DataFrame) -> DataFrame:
    """Return (profile_id, scope, identifiers) in the order of type and value."""
    held = f.sort_array(f.collect_set(f.struct("type", "value", "token")))
    return members.join(identifiers, "record_key").groupBy("profile_id", "scope").agg(held.alias("identifiers"))


def trait_rows(scoped: DataFrame, traits: DataFrame, masks: Masks) -> DataFrame:
    """Return (profile_id, purpose, traits), less what the purpose's mask takes out."""
    joined = scoped.join(traits, ["profile_id", "scope", "purpose"]).withColumn("masked", _masked(masks))
    kept = f.map_filter("traits", lambda name, _: ~f.array_contains("masked", name))
    return joined.select("profile_id", "purpose", kept.alias("traits"))


def views(
    scoped: DataFrame,
    golden: DataFrame,
    traits: DataFrame,
    identifiers: DataFrame,
    index: DataFrame,
    masks: Masks,
    shortened: Lengths,
    confidences: DataFrame,
) -> DataFrame:
    """Return every person's view for every purpose that may see one, less what the purpose's mask takes out.

    `confidences` says how sure the records that a purpose may use are of each other, where they are not all.
    Of an attribute in `shortened` the purpose sees the beginning; it is named as withheld as any other masked field.

    A profile that identity holds back (its status is not `live`) has none: it may be a heap of many people.
    What is said to be withheld depends on the purpose and the decision alone: a masked field is named whether or
    not it has a value, and records left out for consent or link are told as one line, whatever they hold.
    """
    keys = ["profile_id", "scope"]
    joined = (
        scoped.join(index.where("status = 'live'").select("profile_id", "known", "size", "confidence"), "profile_id")
        .join(golden, keys, "left")
        .join(traits.select("profile_id", "purpose", "traits"), ["profile_id", "purpose"], "left")
        .join(identifiers, keys, "left")
        .join(confidences, keys, "left")
        .withColumn("masked", _masked(masks))
    )
    return joined.select(
        "profile_id",
        "purpose",
        "known",
        "size",
        f.coalesce("partly", "confidence").alias("confidence"),
        _attributes(shortened).alias("attributes"),
        f.coalesce("traits", f.create_map().cast("map<string,string>")).alias("traits"),
        _unmasked("identifiers", "type", _IDENTIFIERS).alias("identifiers"),
        _withheld().alias("withheld"),
    )


def _masked(masks: Masks) -> Column:
    column = f.array().cast("array<string>")
    for purpose, fields in sorted(masks.items()):
        names = f.array(*[f.lit(name) for name in sorted(fields)]).cast("array<string>")
        column = f.when(f.col("purpose") == purpose, names).otherwise(column)
    return column


def _unmasked(column: str, name: str, kind: str) -> Column:
    values = f.coalesce(f.col(column), f.array().cast(kind))
    return f.filter(values, lambda one: ~f.array_contains("masked", one[name]))


def _attributes(shortened: Lengths) -> Column:
    """Return the attributes less those that are masked; of the shortened ones the first characters are left."""
    kept = _unmasked("attributes", "name", _ATTRIBUTES)
    for purpose, lengths in sorted(shortened.items()):
        if lengths:
            kept = f.when(f.col("purpose") == purpose, _beginnings(lengths)).otherwise(kept)
    return kept


def _beginnings(lengths: Mapping[str, int]) -> Column:
    def cut(one: Column) -> Column:
        value = one["value"]
        for name, length in sorted(lengths.items()):
            value = f.when(one["name"] == name, f.substring(one["value"], 1, length)).otherwise(value)
        return one.withField("value", value)

    values = f.coalesce("attributes", f.array().cast(_ATTRIBUTES))
    whole = f.filter(values, lambda one: ~f.array_contains("masked", one["name"]) | one["name"].isin(*sorted(lengths)))
    return f.transform(whole, cut)


def _withheld() -> Column:
    by_policy = f.transform(
        "masked", lambda name: f.struct(name.alias("field"), f.lit("policy").alias("because"))
    ).cast(_WITHHELD)
    left_out = f.array(f.struct(f.lit("*").alias("field"), f.lit("consent").alias("because"))).cast(_WITHHELD)
    partial = f.when(f.col("scope_size") < f.col("size"), left_out).otherwise(f.array().cast(_WITHHELD))
    return f.concat(by_policy, partial)


def tokens(linked: DataFrame, intervals: DataFrame, index: DataFrame, membership: DataFrame) -> DataFrame:
    """Return (token, shared, profile_ids, link): whom an identifier leads to, and how closely it is tied to them.

    `linked` is (profile_id, token, link) of what people hold, `intervals` (token, record_key, from_at) the stretches of
    an anonymous id's life: such an id leads to whoever had it last. Any other that two known people hold is
    shared and leads to nobody; an anonymous holder gives way to a known one.
    """
    last = f.max_by("profile_id", f.struct("from_at", "profile_id")).alias("latest")
    current = intervals.join(membership.select("record_key", "profile_id"), "record_key").groupBy("token").agg(last)
    held = (
        linked.join(index.select("profile_id", "known"), "profile_id")
        .groupBy("token")
        .agg(
            f.sort_array(f.collect_set(f.when(f.col("known"), f.col("profile_id")))).alias("known_ids"),
            f.sort_array(f.collect_set("profile_id")).alias("every_id"),
        )
    )
    ids = (
        f.when(f.col("latest").isNotNull(), f.array("latest"))
        .when(f.size("known_ids") > 0, f.col("known_ids"))
        .otherwise(f.col("every_id"))
    )
    joined = held.join(current, "token", "left").select("token", ids.alias("profile_ids"))
    one = f.when(f.size("profile_ids") == 1, f.get("profile_ids", f.lit(0)))
    named = joined.withColumn("profile_id", one)
    tied = named.join(linked.select("token", "profile_id", "link"), ["token", "profile_id"], "left")
    # What ties nobody can show is no more than likely.
    link = f.when(f.col("profile_id").isNotNull(), f.coalesce("link", f.lit("probable")))
    return tied.select("token", (f.size("profile_ids") > 1).alias("shared"), "profile_ids", link.alias("link"))
