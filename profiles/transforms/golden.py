"""Golden values: claims out of records, and the twin of `profiles.survive` that chooses among them."""

from collections.abc import Callable, Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from profiles.config import Survivorship

# Parts of a group travel as one text, parted by a character that no attribute holds (it is taken out first).
_PART = "\x1f"
_SPACE = " \t\r\n"


def claims(records: DataFrame, contacts: DataFrame, together: Mapping[str, Sequence[str]]) -> DataFrame:
    """Return (record_key, source, observed_at, trust, field, value): what each record says, one row a field.

    `contacts` (record_key, field, value) are the identifiers that are attributes too: email and phone. Fields
    of a group become one claim under the group's name.
    """
    grouped = [field for fields in together.values() for field in fields]
    single = f.map_entries(f.map_filter("attributes", lambda k, _: ~k.isin(*grouped) if grouped else f.lit(True)))
    bundles = [
        f.struct(f.lit(name).alias("key"), _bundle(fields).alias("value")) for name, fields in sorted(together.items())
    ]
    entries = f.concat(single, f.array(*bundles)) if bundles else single
    head = records.select("record_key", "source", "observed_at", "trust", entries.alias("entries"))
    stated = head.select("record_key", "source", "observed_at", "trust", f.inline("entries").alias("field", "value"))
    reached = head.drop("entries").join(contacts, "record_key")
    spelled = stated.unionByName(reached).withColumn("value", f.btrim("value", f.lit(_SPACE)))
    return spelled.where("value is not null and value != ''")


def _bundle(fields: Sequence[str]) -> Column:
    said = [f.btrim(f.coalesce(f.col("attributes")[name], f.lit("")), f.lit(_SPACE)) for name in fields]
    parts = [f.translate(part, _PART, "") for part in said]
    return f.when(f.concat(*parts) != "", f.concat_ws(_PART, *parts))


def survivors(claimed: DataFrame, keys: Sequence[str], settings: Survivorship) -> DataFrame:
    """Return one row for each of `keys` and field: the claim to believe, with rule and confidence.

    Every score is a whole number, so that the two engines compare alike; `profiles.survive.survivor` says the
    law in full. All claims of a field meet in one row: nobody has many.
    """
    milli = f.floor(f.col("trust") * 1000 + 0.5).cast("bigint").alias("milli")
    claim = f.struct("value", "source", "record_key", "observed_at", milli)
    met = claimed.groupBy(*keys, "field").agg(f.collect_set(claim).alias("claims"))
    ranked = met.withColumn("ranked", _ranked(settings)).withColumn("best", f.array_min("ranked"))
    return ranked.select(
        *keys,
        "field",
        f.col("best.value").alias("value"),
        f.col("best.source").alias("source"),
        f.col("best.record_key").alias("record_key"),
        f.col("best.observed_at").alias("observed_at"),
        _decided(settings).alias("rule"),
        _confidence().alias("confidence"),
    )


def _ranked(settings: Survivorship) -> Column:
    """Return the claims as structs whose smallest is the one to believe: scores come first, and negative."""

    def scored(claim: Column) -> Column:
        support = f.size(f.filter("claims", lambda other: other["value"] == claim["value"]))
        known = {
            "most_trusted": -claim["milli"],
            "most_recent": -f.unix_micros(claim["observed_at"]),
            "most_frequent": -support.cast("bigint"),
            "longest": -f.char_length(claim["value"]).cast("bigint"),
        }
        scores = _by_field(settings, lambda rules: f.array(*[known[rule] for rule in rules]))
        rest = [claim[name].alias(name) for name in ("value", "source", "record_key", "observed_at", "milli")]
        return f.struct(scores.alias("scores"), *rest)

    return f.transform("claims", scored)


def _by_field(settings: Survivorship, build: Callable[[Sequence[str]], Column]) -> Column:
    chosen = build(settings.default)
    for name, rules in sorted(settings.fields.items(), reverse=True):
        chosen = f.when(f.col("field") == name, build(rules)).otherwise(chosen)
    return chosen


def _decided(settings: Survivorship) -> Column:
    """Return the rule under which the last rival with another value fell behind."""

    def parting(rival: Column) -> Column:
        differs = f.zip_with(f.col("best.scores"), rival["scores"], lambda a, b: a != b)
        place = f.array_position(differs, True)
        return f.when(place == 0, f.size(differs).cast("bigint") + 1).otherwise(place)

    rivals = f.filter("ranked", lambda one: one["value"] != f.col("best.value"))
    place = f.array_max(f.transform(rivals, parting))
    names = _by_field(settings, lambda rules: f.array(*[f.lit(rule) for rule in rules]))
    last = f.when(place > f.size(names), "alphabetical").otherwise(f.get(names, (place - 1).cast("int")))
    return f.when(place.isNull(), "unopposed").otherwise(last)


def _confidence() -> Column:
    agreeing = f.filter("claims", lambda claim: claim["value"] == f.col("best.value"))
    surest = f.array_max(f.transform(agreeing, lambda claim: claim["milli"]))
    total = _sum_of_trust(f.col("claims"))
    # Whole division, as in the twin; the numbers are small enough for a double to hold them exactly.
    share = f.floor(f.try_divide(surest * _sum_of_trust(agreeing), total)) / 1000
    return f.coalesce(share.cast("double"), f.lit(0.0))


def _sum_of_trust(claimed: Column) -> Column:
    return f.aggregate(claimed, f.lit(0).cast("bigint"), lambda total, claim: total + claim["milli"])


def attributes(survived: DataFrame, keys: Sequence[str], together: Mapping[str, Sequence[str]]) -> DataFrame:
    """Return each key's golden values as one list in the order of their names, groups taken apart again."""
    names = f.array(f.col("field"))
    for group, fields in sorted(together.items()):
        names = f.when(f.col("field") == group, f.array(*[f.lit(name) for name in fields])).otherwise(names)
    values = f.when(f.col("field").isin(*together), f.split("value", _PART)) if together else None
    parts = f.array(f.col("value")) if values is None else f.coalesce(values, f.array(f.col("value")))
    provenance = [f.col(c) for c in ("source", "record_key", "observed_at", "rule", "confidence")]
    single = survived.select(*keys, *provenance, f.inline(f.arrays_zip(names.alias("name"), parts.alias("value"))))
    golden = f.struct("name", "value", *provenance)
    listed = f.sort_array(f.collect_list(golden)).alias("attributes")
    return single.where("value != ''").groupBy(*keys).agg(listed)
