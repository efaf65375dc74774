"""Plans of ingestion: raw rows become canonical rows, and the newest version of every fact is told from the older ones.

Nothing here runs; `ingestion.feed` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from ingestion import conform
from ingestion.check import Check
from ingestion.config import Source, property_name
from ingestion.read import FAULTS

_TEXTS = "map<string,string>"
_FAULT = "struct<field:string,rule:string,value_class:string,reason:string,vital:boolean>"


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


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one source are to be understood in one run; `columns` are those of the files, in order."""

    source: Source
    columns: tuple[str, ...]
    checks: tuple[Check, ...]
    zone: str
    jurisdiction: str | None
    received_at: datetime

    def raw(self, name: str) -> Column:
        """Return a source column as it was read."""
        return f.col(f"r{self.columns.index(name)}")

    def clean(self, name: str) -> Column:
        """Return a source column trimmed, null where empty."""
        return f.col(f"c{self.columns.index(name)}")

    def told(self, name: str | None) -> Column:
        """Return what a mapping names: a column, a constant after `=`, or nothing."""
        if name is None:
            return f.lit(None).cast("string")
        return f.lit(name[1:]) if name.startswith("=") else self.clean(name)


def understood(raw: DataFrame, reading: Reading) -> DataFrame:
    """Return raw rows judged by their contract and mapped, with raw identifiers `i0`... and free text `t0`... aside."""
    source = reading.source
    named = [name for name in reading.columns if name in source.columns() or _is_whole(source)]
    cleaned = raw.select("*", *(conform.trimmed(reading.raw(n)).alias(f"c{reading.columns.index(n)}") for n in named))
    judged = _judged(cleaned, reading)
    columns = {
        "person": _person,
        "event": _event,
        "consent": _consent,
        "catalogue": _catalogue,
    }[source.record](reading)
    front = [f.col(name) for name in ("file", "position", "lines", "gated", "broken", "payload", "notes")]
    key = f.concat_ws("|", *(reading.clean(name) for name in source.key)).alias("key")
    identifiers = [reading.clean(c).alias(f"i{i}") for i, (_, c) in enumerate(identifier_columns(source))]
    texts = [reading.clean(c).alias(f"t{i}") for i, c in enumerate(source.free_text)]
    return judged.select(*_provenance(reading), *front, key, *columns, *identifiers, *texts)


def _provenance(reading: Reading) -> list[Column]:
    source = reading.source
    return [
        f.lit(source.source).alias("source"),
        f.lit(source.record).alias("record"),
        f.lit(bool(source.observed_at or source.occurred_at)).alias("dated"),
        f.lit(source.trust).alias("trust"),
        f.lit(reading.jurisdiction).cast("string").alias("law"),
    ]


def identifier_columns(source: Source) -> tuple[tuple[str, str], ...]:
    """Return identifier types with their columns, in order of priority."""
    return tuple((kind, column) for kind, columns in source.identifiers.items() for column in columns)


def _is_whole(source: Source) -> bool:
    """Say whether all of a source's columns are kept: a catalogue that names no fields."""
    return source.record == "catalogue" and not source.fields


def _judged(frame: DataFrame, reading: Reading) -> DataFrame:
    """Return the rows with their first fault (`broken`), and with softer faults dropped or flagged in `notes`."""
    source = reading.source
    columns = {c.column: reading.clean(c.column) for c in reading.checks}
    faults = conform.faults(reading.checks, columns, reading.zone)
    stern = {c.column for c in reading.checks if c.vital} if source.on_violation != "quarantine" else set(faults)
    soft = {name: fault for name, fault in faults.items() if name not in stern}
    broken = f.coalesce(_unreadable(), *(fault for name, fault in faults.items() if name in stern))
    marked = frame.withColumns({"broken": broken, **{f"x{index}": fault for index, fault in enumerate(soft.values())}})
    notes = [
        f.when(f.col("broken").isNull(), f.concat(f.lit(f"field {name}: "), f.col(f"x{index}.rule")))
        for index, name in enumerate(soft)
    ]
    gate = f.lower(reading.clean(source.consent_gate)) if source.consent_gate else f.lit(None).cast("string")
    made = {
        "notes": f.array_compact(f.array(*notes, f.lit(None).cast("string"))),
        "gated": f.coalesce(gate.isin("false", "no", "0", "f", "n"), f.lit(False)),
        "payload": _payload(reading),
    }
    if source.on_violation == "drop_field":
        places = {f"c{reading.columns.index(name)}": index for index, name in enumerate(soft)}
        made |= {column: f.when(f.col(f"x{index}").isNull(), f.col(column)) for column, index in places.items()}
    return marked.withColumns(made)


def _unreadable() -> Column:
    """Return the fault of a row that its reader could not take apart."""
    reasons = f.create_map(*(f.lit(word) for pair in FAULTS.items() for word in pair))
    told = f.struct(
        f.lit(None).cast("string").alias("field"),
        f.col("fault").alias("rule"),
        f.lit("row").alias("value_class"),
        reasons[f.col("fault")].alias("reason"),
        f.lit(True).alias("vital"),
    )
    return f.when(f.col("fault").isNotNull(), told).cast(_FAULT)


def _payload(reading: Reading) -> Column:
    """Return a rejected row as JSON, whole, so that it can be mended; null for the rest."""
    whole = f.to_json(f.struct(*(reading.raw(n).alias(n) for n in reading.columns)), {"ignoreNullFields": "false"})
    # Consents may turn out to contradict an earlier one only later: their rows keep the payload until then.
    wanted = f.lit(True) if reading.source.record == "consent" else f.col("broken").isNotNull()
    return f.when(wanted, f.coalesce("payload", whole))


def _map(entries: Mapping[str, Column]) -> Column:
    """Return the entries that have a value as a map."""
    if not entries:
        return f.from_json(f.lit("{}"), _TEXTS)
    pairs = [part for name, value in entries.items() for part in (f.lit(name), value)]
    return f.map_filter(f.create_map(*pairs), lambda _, value: value.isNotNull())


def _flags(reading: Reading) -> dict[str, Column]:
    if reading.source.on_violation != "accept_and_flag":
        return {}
    flags = f.array_join("notes", ", ")
    return {"_flagged": f.when(flags != "", flags)}


def _fields(reading: Reading) -> dict[str, Column]:
    return {name: reading.clean(column) for name, column in reading.source.fields.items()}


def _moment(reading: Reading, name: str | None) -> Column:
    at = f.lit(reading.received_at)
    return f.coalesce(conform.moment(reading.clean(name), reading.zone), at) if name else at


def _person(reading: Reading) -> list[Column]:
    attributes = _map({**_fields(reading), **_flags(reading)})
    return [_moment(reading, reading.source.observed_at).alias("at"), attributes.alias("attributes")]


def _catalogue(reading: Reading) -> list[Column]:
    fields = _fields(reading) or {n: reading.clean(n) for n in reading.columns if n not in reading.source.key}
    at = _moment(reading, reading.source.observed_at)
    return [at.alias("at"), _map({**fields, **_flags(reading)}).alias("attributes")]


def _event(reading: Reading) -> list[Column]:
    source, order = reading.source, reading.source.order
    event = source.event
    properties = {property_name(column): reading.clean(column) for column in source.properties}
    return [
        conform.moment(reading.clean(source.occurred_at or ""), reading.zone).alias("at"),
        _map(_fields(reading)).alias("attributes"),
        reading.told(event.type if event else None).alias("type"),
        reading.told(event.name if event else None).alias("name"),
        _map({**properties, **_flags(reading)}).alias("properties"),
        *(reading.told(getattr(order, n)).alias(n) for n in ("order_id", "product_id", "campaign", "coupon")),
        *(reading.told(getattr(order, n)).try_cast("double").alias(n) for n in ("quantity", "amount")),
        reading.told(source.channel).alias("channel"),
    ]


def _consent(reading: Reading) -> list[Column]:
    said = reading.source.consent
    texts = ("purpose", "action", "mechanism", "jurisdiction", "notice", "channel")
    expires = said.expires_at if said else None
    return [
        conform.moment(reading.clean(reading.source.occurred_at or ""), reading.zone).alias("at"),
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


def content_hash(columns: Sequence[str]) -> Column:
    """Return the digest of what a row says; identifiers count by type and value, not by token, whose key may turn."""
    parts = [
        f.transform(f.col(c), lambda i: f.concat_ws(":", i["type"], i["value"])) if c == "identifiers" else f.col(c)
        for c in columns
    ]
    whole = f.struct(*(part.alias(f"p{index}") for index, part in enumerate(parts)))
    return f.sha2(f.to_json(whole, {"ignoreNullFields": "false"}), 256)


def settled(identified: DataFrame, source: Source) -> DataFrame:
    """Return identified rows with free text in place, their content's hash and their standing so far."""
    frame = _with_texts(identified, source)
    if source.record == "consent":
        nobody = f.when(f.col("subject_token").isNull(), _nobody())
        frame = frame.withColumn("broken", f.coalesce("broken", nobody))
    unread = f.col("broken").isNotNull() & f.col("broken.field").isNull()
    status = (
        f.when(unread, "quarantined")
        .when(f.col("gated"), "consent_filtered")
        .when(f.col("suppressed") & f.lit(source.record != "consent"), "suppressed")
        .when(f.col("broken").isNotNull(), "quarantined")
        .otherwise("accepted")
    )
    told = frame.withColumn("status", status)
    rejected = f.col("status") == "quarantined"
    hashed = f.when(rejected, f.sha2("payload", 256)).otherwise(content_hash(CONTENT[source.record]))
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
    return frame.withColumn(into, f.map_concat(into, _map(told))).drop(*aside)


def _nobody() -> Column:
    return f.struct(
        f.lit("identifiers").alias("field"),
        f.lit("required").alias("rule"),
        f.lit("empty").alias("value_class"),
        f.lit("a consent must name somebody by a valid identifier").alias("reason"),
        f.lit(True).alias("vital"),
    )
