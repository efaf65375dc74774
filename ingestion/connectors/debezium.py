"""Debezium's change events as rows: the row after the change (or, deleted, before it), and what the change says.

Each row gains the fields that Debezium's own flattening adds: `__op`, `__deleted`, and `__source_ts_ms`, here as a
moment. A tombstone, which only tells Kafka to forget a key, is no row.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ingestion.model import Stretch
from ingestion.number import written
from ingestion.read import Batch, Steps, encodes, json_tree, object_row, paths_of, stretch_lines

DELETED: Final = "__deleted"
OP: Final = "__op"
AT: Final = "__source_ts_ms"
_AFTER, _BEFORE = ("c", "u", "r"), ("d",)
_SHORT: Final = 64  # bytes that a tombstone has at most
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_tombstone(line: bytes) -> bool:
    """Say whether a line is a change event of nothing."""
    text = line.strip()
    if text == b"null":
        return True
    if len(text) > _SHORT or b'"payload"' not in text:
        return False
    try:
        tree = json.loads(text)
    except ValueError:
        return False
    return isinstance(tree, dict) and "payload" in tree and tree["payload"] is None


def row_of(tree: Any) -> dict[str, Any] | None:
    """Return the row that a change event speaks of, with or without an envelope of schema; None if it is none."""
    event = tree.get("payload") if isinstance(tree, dict) and "payload" in tree else tree
    if not isinstance(event, dict) or event.get("op") not in (*_AFTER, *_BEFORE):
        return None
    gone = event["op"] in _BEFORE
    side = "before" if gone else "after"
    values = event.get(side)
    kafka = tree.get("_kafka")
    if gone and values is None:  # a table that tells no more than the key
        key = kafka.get("key") if isinstance(kafka, dict) else None
        values = key.get("payload", key) if isinstance(key, dict) else None
    if not isinstance(values, dict):
        return None
    row = {**values, **_converted(values, tree.get("schema"), side)}
    if isinstance(kafka, dict):
        row["_kafka"] = kafka
    return {**row, OP: event["op"], DELETED: "true" if gone else "false", AT: _moment(event)}


def _moment(event: Mapping[str, Any]) -> str | None:
    """Return when the change was made: by the database, or else when Debezium saw it."""
    source = event.get("source")
    for told in (source.get("ts_ms") if isinstance(source, dict) else None, event.get("ts_ms")):
        try:
            if told is not None and int(told) > 0:
                return (_EPOCH + timedelta(milliseconds=int(told))).isoformat(timespec="milliseconds")
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _converted(values: Mapping[str, Any], schema: Any, side: str) -> dict[str, Any]:
    """Return the values that their schema gives a meaning beyond their digits, spelled as ingestion reads them."""
    found: dict[str, Any] = {}
    for kind in _fields(_field(schema, side)):
        name, convert = kind.get("field"), _CONVERSIONS.get(str(kind.get("name")))
        if convert and isinstance(name, str) and values.get(name) is not None:
            try:
                found[name] = convert(values[name], kind)
            except (ValueError, TypeError, OverflowError, ArithmeticError, AttributeError):
                continue  # it stays as it is, and the contract judges it
    return found


def _fields(schema: Any) -> list[Mapping[str, Any]]:
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return [one for one in fields if isinstance(one, dict)] if isinstance(fields, list) else []


def _field(schema: Any, name: str) -> Any:
    return next((one for one in _fields(schema) if one.get("field") == name), None)


def _local(unit: int) -> Callable[[Any, Any], str]:
    """Return what spells counts since 1970 as a moment without a zone, for such columns have none."""

    def spelled(value: Any, _kind: Any) -> str:
        at = datetime(1970, 1, 1) + timedelta(microseconds=int(value) * 1_000_000 // unit)  # noqa: DTZ001 - see above
        return at.isoformat()

    return spelled


def _day(value: Any, _kind: Any) -> str:
    return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()


def _decimal(value: Any, kind: Mapping[str, Any]) -> str:
    digits = int.from_bytes(base64.b64decode(value, validate=True), "big", signed=True)
    return format(Decimal(digits).scaleb(-int(kind["parameters"]["scale"])), "f")


_CONVERSIONS: Final[Mapping[str, Callable[[Any, Any], str]]] = {
    "io.debezium.time.Date": _day,
    "org.apache.kafka.connect.data.Date": _day,
    "io.debezium.time.Timestamp": _local(1_000),
    "org.apache.kafka.connect.data.Timestamp": _local(1_000),
    "io.debezium.time.MicroTimestamp": _local(1_000_000),
    "io.debezium.time.NanoTimestamp": _local(1_000_000_000),
    "org.apache.kafka.connect.data.Decimal": _decimal,
}


def change_batches(path: Path, stretch: Stretch, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows that the change events of a stretch speak of; what is no change event is kept, with a fault."""
    paths, nothing, places = paths_of(columns), [None] * len(columns), list(range(len(columns)))
    batch = Batch(stretch.file, columns)
    for number, line in stretch_lines(path, stretch):
        if is_tombstone(line):
            continue
        fault, text, row = _read(line, paths)
        batch.add(number, 1, fault, text, row or nothing)
        if batch.full:
            yield batch.flushed(places)
    yield batch.flushed(places)


def _read(line: bytes, paths: Sequence[Steps]) -> tuple[str | None, str, Sequence[str | None] | None]:
    """Return the fault of a line if any, the row as it is to be mended, and its fields."""
    try:
        row = row_of(json_tree(line))
        text = written(row)
        fields = object_row(row, paths) if row is not None else None
    except UnicodeDecodeError:
        return "encoding", _kept(line), None
    except (ValueError, RecursionError):
        return "json", _kept(line), None
    if fields is None:
        return "change", _kept(line), None
    if not all(value is None or encodes(value) for value in fields):
        return "encoding", _kept(line), None
    return None, text, fields


def _kept(line: bytes) -> str:
    return json.dumps({"line": line.decode("utf-8", "backslashreplace").strip()}, ensure_ascii=False)
