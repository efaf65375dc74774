"""The labels of a training set, as somebody hands them in: whom, at which moment, and what there is to learn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from infra.errors import Malformed
from infra.ids import Token

MOMENT: Final = pa.timestamp("us", tz="UTC")
_WHO: Final = (("profile_id",), ("type", "value"))
# An identifier's type and value in, its token out, or None for what cannot be read.
Sought = Callable[[str, str], Token | None]


class LabelsUnreadable(Malformed):
    """A file of labels that cannot be read as such; what stood in it is not repeated."""

    def __init__(self, name: str, wrong: str, right: str) -> None:
        super().__init__(f"{name}: {wrong}; {right}")


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in the order of their file: `asked` has whom (an id or a token) and when, `told` what is to be learnt."""

    asked: pa.Table
    told: pa.ChunkedArray


def read(path: Path, sought: Sought) -> Labels:
    """Return the labels of a CSV or Parquet file with `at`, `label` and `profile_id`, or `type` and `value`.

    Only an identifier's token goes on from here.
    """
    rows = _rows(path)
    who = next((names for names in _WHO if set(names) <= set(rows.column_names)), None)
    if who is None or not {"at", "label"} <= set(rows.column_names):
        right = "name columns at, label, and profile_id, or type and value for an identifier"
        raise LabelsUnreadable(path.name, "it lacks a column", right)
    moments = [_moment(path.name, line, at) for line, at in enumerate(rows["at"].to_pylist(), 2)]
    columns = [rows[name].to_pylist() for name in who]
    ids: Sequence[str | None] = [None if one is None else str(one) for one in columns[0]]
    tokens: Sequence[str | None] = [None] * len(ids)
    if len(who) > 1:
        pairs = zip(ids, columns[1], strict=True)
        tokens = [None if k is None or v is None else sought(k, str(v)) for k, v in pairs]
        ids = [None] * len(tokens)
    asked = {
        "row": pa.array(range(len(moments)), pa.int64()),
        "named": pa.array(ids, pa.string()),
        "token": pa.array(tokens, pa.string()),
        "at": pa.array(moments, MOMENT),
    }
    return Labels(pa.table(asked), _learnt(rows["label"]))


def _rows(path: Path) -> pa.Table:
    with duckdb.connect() as connection:
        try:
            if path.suffix == ".parquet":
                found = connection.read_parquet(str(path))
            elif path.suffix == ".csv":
                found = connection.read_csv(str(path), all_varchar=True, header=True)
            else:
                raise LabelsUnreadable(path.name, "another ending than .csv or .parquet", "write one of the two")
            return found.to_arrow_table()
        except duckdb.Error:
            raise LabelsUnreadable(path.name, "it cannot be read", "write a CSV with a header, or Parquet") from None


def _moment(name: str, line: int, at: Any) -> datetime:
    try:
        told = datetime.fromisoformat(at) if isinstance(at, str) else at
        if isinstance(told, datetime) and told.tzinfo is not None:
            return told.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    right = "write it with its zone, such as 2026-11-22T09:30:00Z"
    raise LabelsUnreadable(name, f"line {line}: `at` is no moment with a zone", right)


def _learnt(label: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return labels of text as numbers where all of them are numbers."""
    if not pa.types.is_string(label.type):
        return label
    for kind in (pa.int64(), pa.float64()):
        try:
            return label.cast(kind)
        except pa.ArrowInvalid:
            continue
    return label
