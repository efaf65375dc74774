"""The rows of a Parquet file as text."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.packed import is_packed
from ingestion.proposal.looked import Looked, NotUnderstood, ended, unusable
from ingestion.proposal.tabular import CELLS

_WHOLE: Final = 1e15


def parquet_rows(path: Path, name: str, most: int) -> Looked:
    """Return the rows of a Parquet file as a text source would have written them."""
    if is_packed(path):
        raise NotUnderstood(name, "it is a Parquet file that was packed again", "unpack it; Parquet is packed inside")
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            unfit = {f.name: why for f in schema if (why := _unfit(f.type))} | unusable(list(schema.names))
            names = [f.name for f in schema if f.name not in unfit]
            most = min(most, max(1, CELLS // max(1, len(names))))
            table = _first_rows(file, names, most)
            more = file.metadata.num_rows > table.num_rows
    except pa.ArrowException:
        raise NotUnderstood(name, "it is not a whole Parquet file", "write it again") from None
    columns = {n: _texts(table.column(n)) for n in names}
    return ended(path, {"format": "parquet"}, table.num_rows, columns, unfit, (), more=more)


def _first_rows(file: pq.ParquetFile, names: Sequence[str], most: int) -> pa.Table:
    batches, count = [], 0
    for batch in file.iter_batches(batch_size=8_192, columns=list(names)):
        batches.append(batch.slice(0, most - count))
        count += batches[-1].num_rows
        if count >= most:
            break
    shown = pa.schema([file.schema_arrow.field(n) for n in names])
    return pa.Table.from_batches(batches, schema=shown)


def _unfit(kind: pa.DataType) -> str:
    if pa.types.is_nested(kind):
        return "it holds lists or structures; only single values are mapped"
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return "it counts nanoseconds, which Spark does not read; write it in microseconds"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return "it holds bytes"
    if pa.types.is_duration(kind) or pa.types.is_time(kind) or pa.types.is_null(kind):
        return f"it is of type {kind}"
    return ""


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return values as a text source would have written them."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.cast(kind.value_type))
    if pa.types.is_floating(kind):
        return [None if v is None or math.isnan(v) else _number(v) for v in column.to_pylist()]
    texts: list[str | None] = pc.cast(column, pa.string()).to_pylist()
    return texts


def _number(value: float) -> str:
    """Return a number as text; whole ones with a null among them became floating and must not gain `.0`."""
    return str(int(value)) if abs(value) < _WHOLE and value.is_integer() else repr(value)
