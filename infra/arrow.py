"""The declared tables as Arrow sees them."""

import dataclasses
import typing
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, get_args, get_origin

import pyarrow as pa

from infra.tables import Table, bare_type

_SCALARS: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
    date: pa.date32(),
}


def schema(table: Table) -> pa.Schema:
    """Return a table's declaration as an Arrow schema; every column may be null there."""
    hints = typing.get_type_hints(table.row, include_extras=True)
    return pa.schema([(name, _arrow_type(hint)) for name, hint in hints.items()])


def nothing(table: Table, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
    """Return no rows of a table's shape, as a stream."""
    declared = schema(table)
    return pa.RecordBatchReader.from_batches(pa.schema([declared.field(n) for n in columns or declared.names]), [])


def _arrow_type(annotation: Any) -> pa.DataType:
    bare = bare_type(annotation)
    if bare in _SCALARS:
        return _SCALARS[bare]
    if get_origin(bare) is list:
        return pa.list_(_arrow_type(get_args(bare)[0]))
    if get_origin(bare) is dict:
        key, value = get_args(bare)
        return pa.map_(_arrow_type(key), _arrow_type(value))
    if dataclasses.is_dataclass(bare):
        hints = typing.get_type_hints(bare, include_extras=True)
        return pa.struct([(name, _arrow_type(hint)) for name, hint in hints.items()])
    msg = f"{annotation!r} has no Arrow type; use str, int, float, bool, datetime, date, list, dict or a dataclass"
    raise TypeError(msg)
