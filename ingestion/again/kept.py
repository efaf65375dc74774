"""Facts of the lake as rows that come again, where their raw rows are no longer there; the restricted stay away."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f
from pyspark.sql.types import BooleanType, StringType, StructField, StructType

from infra.identifiers import record_token
from infra.tables import Table
from ingestion.config import RecordKind, Source
from ingestion.judge import FAULT
from ingestion.tables import CATALOGUE, EVENTS, RECORDS

LAKE: Final = "lake"
# What facts of each kind are called as rows, where it is another name.
_NAMES: Final[Mapping[RecordKind, Mapping[str, str]]] = {
    "person": {"observed_at": "at", "deleted": "gone", "jurisdiction": "law"},
    "event": {"message_id": "key", "occurred_at": "at"},
    "catalogue": {"observed_at": "at"},
    "consent": {"event_id": "key", "occurred_at": "at", "kind": "subject_kind", "token": "subject_token"},
}
_ORDER: Final[Mapping[str, str]] = {RECORDS.name: "sequence", EVENTS.name: "version", CATALOGUE.name: "sequence"}
_TEXTS: Final = "map<string,string>"


def lake_rows(facts: DataFrame, table: Table, source: Source, law: str | None) -> DataFrame:
    """Return facts, whose `came` says when they did, as accepted rows; they were read, named and screened before."""
    kind = source.record
    named = facts.withColumnsRenamed(dict(_NAMES[kind])).withColumn("arrived", f.col("came"))
    if kind == "consent":
        named = named.withColumn("known", f.lit(False))
    made: dict[str, Column] = {
        "record": f.lit(kind),
        "received": f.col("came") if kind == "event" else f.lit(None).cast("timestamp"),
        "dated": f.lit(bool(source.observed_at or source.occurred_at)),
        "once": f.lit(source.once),
        "trust": f.lit(source.trust),
        "file": f.lit(LAKE),
        "lines": f.lit(1),
        "broken": f.lit(None).cast(FAULT),
        "payload": f.lit(None).cast("string"),
        "notes": f.array().cast("array<string>"),
        "dropped": f.array().cast("array<string>"),
        "reread": f.array().cast("array<timestamp>"),
        "status": f.lit("accepted"),
    }
    if kind != "person":
        made |= {"gone": f.lit(False), "law": f.lit(law).cast("string")}
    if kind == "event":
        made |= {"attributes": f.from_json(f.lit("{}"), _TEXTS), "known": f.col("record_key").isNotNull()}
    order = [f.col(name) for name in ("came", "key", _ORDER.get(table.name, "key"))]
    numbered = named.withColumns(made).withColumn(
        "position", f.row_number().over(Window.orderBy(*order)).cast("bigint")
    )
    return numbered.drop("kind", "came", "record_key", "sequence", "version", "batch", "received_at")


def without_restricted(rows: DataFrame, source: Source, restricted: Collection[str], key: bytes) -> DataFrame:
    """Return the rows with those as suppressed that name somebody restricted, or are somebody restricted themselves."""
    name, forbidden, person = source.source, frozenset(restricted), source.record == "person"

    def look(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = batch.column("key").to_pylist()
            named = [[i["token"] for i in told or ()] for told in batch.column("identifiers").to_pylist()]
            own = [record_token(key, name, one) for one in keys]
            hit = [
                not forbidden.isdisjoint(tokens) or (person and not tokens and token in forbidden)
                for tokens, token in zip(named, own, strict=True)
            ]
            told: list[Any] = [*batch.columns, pa.array(own, pa.string()), pa.array(hit, pa.bool_())]
            yield pa.RecordBatch.from_arrays(told, names=[*batch.schema.names, "key_token", "restricted"])

    if source.record in ("consent", "catalogue"):
        return rows.withColumn("key_token", f.lit(None).cast("string"))
    more = [StructField("key_token", StringType()), StructField("restricted", BooleanType())]
    found = rows.mapInArrow(look, StructType([*rows.schema.fields, *more]))
    return found.withColumn("status", f.when(f.col("restricted"), "suppressed").otherwise(f.col("status"))).drop(
        "restricted"
    )
