"""What happens to replayed rows in Spark's Python workers: they are mended, then read again as raw rows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StringType, StructField, StructType, TimestampType

from ingestion.identify import IDENTIFIED, Naming, day_column
from ingestion.number import written
from ingestion.quarantine.again import Form, again
from ingestion.quarantine.patch import Fix, mended
from ingestion.quarantine.payload import parsed
from ingestion.read import raw_schema

ARRIVED: Final = "arrived"
_HELD: Final = ("content_hash", "field", "rule", "file", "place", "received_at", "payload")


def mended_rows(entries: DataFrame, fix: Fix) -> DataFrame:
    """Return the rejections that a fix names with their rows mended; one that nothing changed keeps its very text."""

    def mend(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = [_mended(fix, text) for text in batch.column("payload").to_pylist()]
            place = batch.schema.get_field_index("payload")
            field = pa.field("payload", pa.string())
            made = batch.set_column(place, field, pa.array(texts, pa.string()))
            yield made.filter(pa.array([text is not None for text in texts], pa.bool_()))

    held = entries.select(*_HELD)
    return held.mapInArrow(mend, held.schema)


def _mended(fix: Fix, text: str) -> str | None:
    before = parsed(text) or {}
    found = mended(fix, before)
    if found is None:
        return None
    made = written(found.tree)  # a number and a text of the same digits are equal as Python has it
    return text if made == written(before) else made


def read_again(sent: DataFrame, form: Form, columns: Sequence[str], naming: Naming, file: str) -> DataFrame:
    """Return raw rows as readers of files return them, and when each arrived; their position is their number."""

    def raw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        shape = raw_schema(columns)
        for batch in batches:
            texts = [batch.column(name).to_pylist() for name in ("file", "rule", "payload")]
            rows = [again(form, columns, *row) for row in zip(*texts, strict=True)]
            count = batch.num_rows
            values = zip(*(row.values for row in rows), strict=True) if rows else [()] * len(columns)
            front = [[file] * count, batch.column("position"), [1] * count]
            told = [[row.fault for row in rows], [row.text for row in rows], *values]
            made = [pa.array(part, kind) for part, kind in zip([*front, *told], shape.types, strict=True)]
            arrived = batch.column("received_at")
            fields = [*shape, pa.field(ARRIVED, arrived.type)]
            yield pa.RecordBatch.from_arrays([*made, arrived], schema=pa.schema(fields))

    narrow = sent.select("position", "file", "rule", "payload", "received_at")
    return narrow.mapInArrow(lambda batches: naming.identified(raw(batches)), _schema(columns, naming))


def _schema(columns: Sequence[str], naming: Naming) -> StructType:
    read, named = (from_arrow_schema(part) for part in (raw_schema(columns), IDENTIFIED))
    days = [StructField(day_column(name), StringType()) for name in naming.dates]
    return StructType([*read.fields, StructField(ARRIVED, TimestampType()), *days, *named.fields])
