"""Plans of ingestion: raw rows become canonical rows, and the newest version of every fact is told from the older ones.

Nothing here runs; `ingestion.feed` does.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from ingestion import conform
from ingestion.config import RECEIVED, Source, is_open, property_name
from ingestion.drift.reference import refs
from ingestion.identify import IDENTIFIED
from ingestion.judge import WHOLE_ROW, Reading, judged
from ingestion.read import UNSTORED
from ingestion.tracking.column import PLAN

_TEXTS = "map<string,string>"
# What `ingestion.identify` adds to a row.
NAMED = tuple(IDENTIFIED.names)


def current_records(records: DataFrame) -> DataFrame:
    """Return the newest version of every record that is not deleted: by what it says of itself, then by arrival."""
    newest = Window.partitionBy("record_key").orderBy(f.desc("observed_at"), f.desc("sequence"))
    ranked = records.withColumn("_rank", f.row_number().over(newest))
    return ranked.where((f.col("_rank") == 1) & ~f.col("deleted")).drop("_rank")


def current_events(events: DataFrame) -> DataFrame:
    """Return every event once, as last corrected. Corrections are few, so this costs little more than reading."""
    newest = events.where(f.col("version") > 0).groupBy("source", "message_id").agg(f.max("version").alias("_newest"))
    joined = events.join(newest, ["source", "message_id"], "left")
    return joined.where(f.col("version") == f.coalesce("_newest", f.lit(0))).drop("_newest").select(*events.columns)


def current_catalogue(catalogue: DataFrame) -> DataFrame:
    """Return the newest version of every product, campaign and other thing."""
    newest = Window.partitionBy("source", "key").orderBy(f.desc("observed_at"), f.desc("sequence"))
    return catalogue.withColumn("_rank", f.row_number().over(newest)).where("_rank = 1").drop("_rank")


def understood(raw: DataFrame, reading: Reading) -> DataFrame:
    """Return raw rows judged by their contract and mapped, with free text `t0`... aside; what is named stays."""
    source = reading.source
    wanted = {*source.columns(), *(check.column for check in reading.checks)}
    named = [name for name in reading.columns if name in wanted or _is_whole(source)]
    cleaned = raw.select("*", *(_cleaned(reading, name) for name in named))
    columns = {
        "person": _person,
        "event": _event,
        "consent": _consent,
        "catalogue": _catalogue,
    }[source.record](reading)
    front = [f.col(name) for name in ("file", "position", "lines", "gone", "gated", "broken", "payload", "notes")]
    key = f.concat_ws("|", *(reading.clean(name) for name in source.key)).alias("key")
    told = [f.when(~f.col("gone"), reading.clean(c)) for c in source.free_text]
    texts = [text.alias(f"t{i}") for i, text in enumerate(told)]
    kept = [_unless_gone(name) for name in NAMED] if source.deleted else [f.col(name) for name in NAMED]
    more = [refs(reading)] if source.expect.reference else []
    return judged(cleaned, reading).select(*_provenance(reading), *front, key, *columns, *texts, *kept, *more)


def _unless_gone(name: str) -> Column:
    """Return what is said of a row's person; of one that is gone nothing is kept, nor is a deletion ever held back."""
    column = f.col(name)
    match name:
        case "identifiers" | "dropped" | "aside":
            return f.when(f.col("gone"), f.filter(column, lambda _: f.lit(False))).otherwise(column).alias(name)
        case "suppressed":
            return (column & ~f.col("gone")).alias(name)
        case _:
            return column


def _cleaned(reading: Reading, name: str) -> Column:
    # A number or moment written out has no blanks around it.
    text = reading.raw(name) if name in reading.natives else conform.trimmed(reading.raw(name))
    day = reading.day(name)
    if day is not None:
        text = f.coalesce(day, text)
    return text.alias(f"c{reading.columns.index(name)}")


def _provenance(reading: Reading) -> list[Column]:
    source = reading.source
    nothing = f.lit(None).cast("timestamp")
    received = conform.moment(reading.clean(RECEIVED), "UTC") if RECEIVED in source.columns() else nothing
    return [
        received.alias("received"),
        f.lit(source.source).alias("source"),
        f.lit(source.record).alias("record"),
        f.lit(bool(source.observed_at or source.occurred_at)).alias("dated"),
        f.lit(source.once).alias("once"),
        f.lit(source.trust).alias("trust"),
        f.lit(reading.jurisdiction).cast("string").alias("law"),
    ]


def _is_whole(source: Source) -> bool:
    """Say whether all of a source's columns are kept: a catalogue that names no fields."""
    return source.record == "catalogue" and not source.fields


def _map(entries: Mapping[str, Column]) -> Column:
    """Return the entries that have a value as a map."""
    if not entries:
        return f.from_json(f.lit("{}"), _TEXTS)
    pairs = [part for name, value in entries.items() for part in (f.lit(name), value)]
    return f.map_filter(f.create_map(*pairs), lambda _, value: value.isNotNull())


def _with_aside(attributes: Column) -> Column:
    """Return attributes with the addresses and numbers that identify nobody, under their type's name."""
    told = f.map_filter(f.map_from_entries("aside"), lambda kind, _: ~f.map_contains_key(attributes, kind))
    return f.when(f.size("aside") > 0, f.map_concat(attributes, told)).otherwise(attributes)


def _flags(reading: Reading) -> dict[str, Column]:
    if PLAN not in reading.columns and all(check.action != "accept_and_flag" for check in reading.checks):
        return {}
    flags = f.array_join("flags", ", ")
    return {"_flagged": f.when(flags != "", flags)}


def _fields(reading: Reading) -> dict[str, Column]:
    return {name: reading.clean(column) for name, column in reading.source.fields.items()}


def _moment(reading: Reading, name: str | None) -> Column:
    at = reading.arrived()
    return f.coalesce(conform.moment_of(reading.value(name), reading.zone), at) if name else at


def _person(reading: Reading) -> list[Column]:
    attributes = _with_aside(_map({**_fields(reading), **_flags(reading)}))
    if reading.source.deleted:
        attributes = f.when(f.col("gone"), _map({})).otherwise(attributes)
    return [_moment(reading, reading.source.observed_at).alias("at"), attributes.alias("attributes")]


def _catalogue(reading: Reading) -> list[Column]:
    fields = _fields(reading) or {n: reading.clean(n) for n in reading.columns if n not in reading.source.key}
    at = _moment(reading, reading.source.observed_at)
    return [at.alias("at"), _map({**fields, **_flags(reading)}).alias("attributes")]


def _event(reading: Reading) -> list[Column]:
    source, order = reading.source, reading.source.order
    event = source.event
    properties = {property_name(c): reading.clean(c) for c in source.properties if not is_open(c)}
    return [
        conform.moment_of(reading.value(source.occurred_at or ""), reading.zone).alias("at"),
        _with_aside(_map(_fields(reading))).alias("attributes"),
        reading.told(event.type if event else None).alias("type"),
        reading.told(event.name if event else None).alias("name"),
        _with_open(_map({**properties, **_flags(reading)}), reading).alias("properties"),
        *(reading.told(getattr(order, n)).alias(n) for n in ("order_id", "product_id", "campaign", "coupon")),
        *(_number(reading, getattr(order, n)).alias(n) for n in ("quantity", "amount")),
        reading.told(source.channel).alias("channel"),
    ]


def _with_open(declared: Column, reading: Reading) -> Column:
    """Return properties with all entries of the objects that are taken whole; what is declared by name comes first."""
    properties = declared
    for column in filter(is_open, reading.source.properties):
        front = f.lit(property_name(column).removesuffix("*"))
        entries = f.from_json(reading.clean(column), _TEXTS)
        # A dropped value is dropped here, too; where it lies deeper, with the whole entry that it lies in.
        for name, dropped in reading.dropped(column.removesuffix("*")).items():
            entry = name.removeprefix(column.removesuffix("*")).partition(".")[0]
            kept = f.map_filter(entries, partial(_is_other, entry))
            entries = f.when(dropped, kept).otherwise(entries)
        named = f.transform_keys(entries, partial(_fronted, front))
        more = f.map_filter(named, lambda name, value: value.isNotNull() & ~f.map_contains_key(declared, name))
        properties = f.map_concat(properties, f.coalesce(more, _map({})))
    return properties


def _is_other(entry: str, name: Column, _value: Column) -> Column:
    return name != entry


def _fronted(front: Column, name: Column, _value: Column) -> Column:
    return f.concat(front, name)


def _number(reading: Reading, name: str | None) -> Column:
    if name is None or name.startswith("="):
        return reading.told(name).try_cast("double")
    return conform.number_of(reading.value(name))


def _consent(reading: Reading) -> list[Column]:
    said = reading.source.consent
    texts = ("purpose", "action", "mechanism", "jurisdiction", "notice", "channel")
    expires = said.expires_at if said else None
    return [
        conform.moment_of(reading.value(reading.source.occurred_at or ""), reading.zone).alias("at"),
        *(reading.told(getattr(said, name)).alias(name) for name in texts),
        conform.moment(reading.told(expires), reading.zone).alias("expires_at"),
    ]


# What makes two versions of a row the same, by kind of record.
CONTENT: Mapping[str, Sequence[str]] = {
    "person": ("attributes", "identifiers"),
    "event": (
        *("at", "type", "name", "identifiers", "attributes", "properties", "order_id", "product_id"),
        *("quantity", "amount", "campaign", "coupon", "channel"),
    ),
    "consent": (
        *("at", "subject_kind", "subject_token", "purpose", "action", "mechanism", "jurisdiction", "notice"),
        *("channel", "expires_at"),
    ),
    "catalogue": ("attributes",),
}


def content_hash(record: str) -> Column:
    """Return the digest of what a row says; identifiers count by type and value, not by token, whose key may turn.

    It only has to tell the versions of one key apart. For events, which come by the million, 64 bits and a fast
    function do that as well as SHA-256.
    """
    parts = [_hashable(name) for name in CONTENT[record]]
    if record == "event":
        # Spark's `lower` asks the rules of all languages, which takes longer than the digest does.
        return f.translate(f.hex(f.xxhash64(*(part for group in parts for part in group))), "ABCDEF", "abcdef")
    whole = f.struct(*(part.alias(f"p{index}") for index, part in enumerate(p for group in parts for p in group)))
    return f.sha2(f.to_json(whole, {"ignoreNullFields": "false"}), 256)


def _hashable(name: str) -> list[Column]:
    """Return a column in parts that hash as they differ: the fast function passes over nulls and borders of lists."""
    column = f.col(name)
    if name == "identifiers":
        return [f.transform(column, lambda i: i["type"]), f.transform(column, lambda i: i["value"]), f.size(column)]
    if name in ("attributes", "properties"):
        return [f.map_keys(column), f.map_values(column), f.size(column)]
    return [column, column.isNull()]


def settled(identified: DataFrame, source: Source) -> DataFrame:
    """Return identified rows with free text in place, their content's hash and their standing so far."""
    frame = _with_texts(identified, source)
    if source.record == "consent":
        nobody = f.when(f.col("subject_token").isNull(), _nobody())
        frame = frame.withColumn("broken", f.coalesce("broken", nobody))
    unread = f.col("broken.value_class") == WHOLE_ROW
    status = (
        f.when(unread & f.col("broken.rule").isin(*UNSTORED), f.col("broken.rule"))
        # Also what the door found broken: a rejected row is stored. Of an unreadable one neither is known.
        .when(f.col("gated"), "consent_filtered")
        .when(f.col("suppressed"), "suppressed")
        .when(f.col("broken").isNotNull(), "quarantined")
        .otherwise("accepted")
    )
    told = frame.withColumn("status", status)
    # An event that comes once more comes with other times: there the key tells that it is the same.
    same = f.when(f.col("once") & (f.col("key") != ""), f.concat_ws("|", "source", "key")).otherwise(f.col("payload"))
    hashed = f.when(f.col("status") == "quarantined", f.sha2(same, 256)).otherwise(content_hash(source.record))
    if source.deleted and source.record == "person":
        # Not the content of a record of nothing: one is there, the other is not.
        hashed = f.when(f.col("gone") & (f.col("status") == "accepted"), f.sha2(f.lit("gone"), 256)).otherwise(hashed)
    return told.withColumn("content_hash", hashed).drop("gated", "suppressed")


def _with_texts(frame: DataFrame, source: Source) -> DataFrame:
    """Return rows with their screened free text among their attributes or properties, and what was found in it."""
    if not source.free_text:
        return frame
    told: dict[str, Column] = {}
    for index, column in enumerate(source.free_text):
        name = property_name(column)
        told |= {name: f.col(f"t{index}"), f"{name}_findings": f.col(f"f{index}")}
    into = "attributes" if source.record == "person" else "properties"
    aside = [f"{letter}{index}" for letter in "tf" for index in range(len(source.free_text))]
    # Declared twice, as a property and as free text: what was screened stands in place of the raw text.
    others = f.map_filter(into, lambda name, _: ~name.isin(*told))
    return frame.withColumn(into, f.map_concat(others, _map(told))).drop(*aside)


def _nobody() -> Column:
    return f.struct(
        f.lit("identifiers").alias("field"),
        f.lit("required").alias("rule"),
        f.lit("empty").alias("value_class"),
        f.lit("a consent must name somebody by a valid identifier").alias("reason"),
        f.lit(True).alias("vital"),
    )
