"""Golden values: claims out of records, and the twin of `profiles.survive` that chooses among them."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from profiles.config import Survivorship

# Parts of a group travel as one text, parted by a character that no attribute holds (it is taken out first).
_PART = "\x1f"
_PROVENANCE = ("name", "value", "source", "record_key", "observed_at", "rule", "confidence")


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
    head = f.coalesce("observed_at", "received_at").alias("observed_at")
    stated = records.select("record_key", "source", head, "trust", f.explode(entries).alias("entry")).select(
        "record_key", "source", "observed_at", "trust", f.col("entry.key").alias("field"), f.col("entry.value")
    )
    reached = records.select("record_key", "source", head, "trust").join(contacts, "record_key")
    spelled = stated.unionByName(reached).withColumn("value", f.trim("value"))
    return spelled.where("value is not null and value != ''").distinct()


def _bundle(fields: Sequence[str]) -> Column:
    parts = [f.translate(f.coalesce(f.trim(f.col("attributes")[name]), f.lit("")), _PART, "") for name in fields]
    return f.when(f.concat(*parts) != "", f.concat_ws(_PART, *parts))


def survivors(claimed: DataFrame, keys: Sequence[str], settings: Survivorship) -> DataFrame:
    """Return one row for each of `keys` and field: the claim to believe, with rule and confidence.

    Every score is a whole number, so that the two engines compare alike; `profiles.survive.survivor` says the
    law in full.
    """
    group = [*keys, "field"]
    value = Window.partitionBy(*group, "value")
    everyone = Window.partitionBy(*group)
    belief = [f.desc("scores"), f.asc("value"), f.asc("source"), f.asc("record_key")]
    best = f.first(f.struct("value", "scores")).over(everyone.orderBy(*belief))
    scored = (
        claimed.withColumn("milli", f.floor(f.col("trust") * 1000 + 0.5).cast("bigint"))
        .withColumn("support", f.count(f.lit(1)).over(value))
        .withColumn("agreeing", f.sum("milli").over(value))
        .withColumn("surest", f.max("milli").over(value))
        .withColumn("total", f.sum("milli").over(everyone))
        .withColumn("scores", _by_field(settings, _scores))
        .withColumn("place", f.row_number().over(everyone.orderBy(*belief)))
        .withColumn("best", best)
        .withColumn("parting", f.max(_parting()).over(everyone))
    )
    return scored.where("place = 1").select(
        *group, "value", "source", "record_key", "observed_at", _decided(settings).alias("rule"), _confidence()
    )


def _scores(rules: Sequence[str]) -> Column:
    known = {
        "most_trusted": f.col("milli"),
        "most_recent": f.unix_micros("observed_at"),
        "most_frequent": f.col("support"),
        "longest": f.char_length("value").cast("bigint"),
    }
    return f.array(*[known[rule] for rule in rules])


def _by_field(settings: Survivorship, build: Callable[[Sequence[str]], Column]) -> Column:
    chosen = build(settings.default)
    for name, rules in sorted(settings.fields.items(), reverse=True):
        chosen = f.when(f.col("field") == name, build(rules)).otherwise(chosen)
    return chosen


def _parting() -> Column:
    """Return where a rival value fell behind the best, from 1; past the last rule where it never did."""
    differs = f.zip_with("scores", "best.scores", lambda a, b: a != b)
    place = f.array_position(differs, True)
    rival = f.col("value") != f.col("best.value")
    return f.when(rival, f.when(place == 0, f.size("scores").cast("bigint") + 1).otherwise(place))


def _decided(settings: Survivorship) -> Column:
    names = _by_field(settings, lambda rules: f.array(*[f.lit(rule) for rule in rules]))
    alphabetical = f.col("parting") > f.size(names)
    return (
        f.when(f.col("parting").isNull(), "unopposed")
        .when(alphabetical, "alphabetical")
        .otherwise(f.get(names, (f.col("parting") - 1).cast("int")))
    )


def _confidence() -> Column:
    share = f.expr("(surest * agreeing) div nullif(total, 0)") / 1000
    return f.coalesce(share.cast("double"), f.lit(0.0)).alias("confidence")


def unbundled(survived: DataFrame, keys: Sequence[str], together: Mapping[str, Sequence[str]]) -> DataFrame:
    """Return the survivors with each group taken apart into its fields again, `field` renamed to `name`."""
    kept = [f.col(c) for c in (*keys, "source", "record_key", "observed_at", "rule", "confidence")]
    single = survived.where(~f.col("field").isin(*together)) if together else survived
    parts = [single.select(*kept, f.col("field").alias("name"), "value")]
    for group, fields in sorted(together.items()):
        names = f.array(*[f.lit(name) for name in fields])
        pairs = f.arrays_zip(names.alias("name"), f.split("value", _PART).alias("value"))
        taken = survived.where(f.col("field") == group).select(*kept, f.inline(pairs).alias("name", "value"))
        parts.append(taken.where("value != ''"))
    return reduce(DataFrame.unionByName, parts)


def attributes(named: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Return each key's golden values as one list in the order of their names."""
    values = f.sort_array(f.collect_list(f.struct(*_PROVENANCE))).alias("attributes")
    return named.groupBy(*keys).agg(values)
