"""Rows of CSV and NDJSON files as Arrow batches with their line numbers; what cannot be read is kept, with a fault.

These readers run inside Spark's Python workers, one file or stretch a task, and need no Spark themselves.
"""

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ingestion.model import Stretch

BATCH: Final = 8192
FRONT: Final = ("file", "position", "lines", "fault", "payload")
# How a fault of the reader is told; the key is the quarantine's rule.
FAULTS: Final = {
    "encoding": "the row has bytes that are not of the declared encoding; save the file as UTF-8 or declare it",
    "csv": "the row has more or fewer fields than the header, or a quote that is not closed",
    "json": "the line is not one JSON object",
}


def raw_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the shape of raw rows: where they stand, their fault if any, and `r0`, `r1`... for the columns."""
    front = [pa.string(), pa.int64(), pa.int32(), pa.string(), pa.string()]
    fields = [*zip(FRONT, front, strict=True), *((f"r{i}", pa.string()) for i in range(len(columns)))]
    return pa.schema([pa.field(name, kind) for name, kind in fields])


@dataclass(slots=True)
class CsvRecord:
    """One record of a CSV file: its first line, how many filled lines it spans, its text, its fields or its fault."""

    line: int
    filled: int
    text: str
    fields: list[str]
    fault: str | None = None


@dataclass(slots=True)
class _Lines:
    """Lines that remember what was taken since the last record, and can be given back."""

    stream: Iterator[str]
    number: int = 0
    taken: list[str] = field(default_factory=list)
    pending: deque[str] = field(default_factory=deque)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.pending.popleft() if self.pending else next(self.stream)
        self.number += 1
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """Put back all but the first of the lines taken."""
        back = self.taken[1:]
        self.pending.extendleft(reversed(back))
        self.number -= len(back)
        del self.taken[1:]


def csv_records(stream: Iterable[str], delimiter: str) -> Iterator[CsvRecord]:
    """Yield the records of a CSV file, the header first; blank lines are passed over.

    A record with a broken quote costs its first line only: reading starts again at the next one, so that a stray
    quote does not swallow the rest of the file.
    """
    lines = _Lines(iter(stream))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width: int | None = None
    while True:
        lines.taken.clear()
        start, broken = lines.number + 1, False
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields, broken = [], True
            lines.give_back()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        filled = sum(1 for line in lines.taken if line.strip())
        if not filled:
            continue
        width = width if width is not None else len(fields)
        text = "".join(lines.taken)
        fault = "csv" if broken or len(fields) != width else None
        fault = fault if text.isascii() or _encodes(text) else "encoding"
        yield CsvRecord(start, filled, text, fields, fault)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_csv(path: Path, encoding: str | None) -> Any:
    """Open a CSV file as text; bytes of another encoding come out as surrogates, so that only their rows suffer."""
    return path.open(encoding=encoding or "utf-8-sig", errors="surrogateescape", newline="")


def csv_batches(
    path: Path, name: str, columns: Sequence[str], encoding: str | None, delimiter: str | None
) -> Iterator[pa.RecordBatch]:
    """Yield a CSV file's rows; columns that this file does not have stay empty."""
    with open_csv(path, encoding) as stream:
        records = csv_records(stream, delimiter or ",")
        header = [column.strip() for column in next(records).fields]  # as the survey reads it
        places = [header.index(column) if column in header else None for column in columns]
        nothing: list[str | None] = [None] * len(header)
        batch = _Batch(name, columns)
        for record in records:
            if record.fault is None:
                batch.add(record.line, record.filled, None, None, record.fields)
            else:
                batch.add(record.line, record.filled, record.fault, _as_payload(record.text), nothing)
            if batch.full:
                yield batch.flushed(places)
        yield batch.flushed(places)


def _as_payload(text: str) -> str:
    safe = text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return json.dumps({"line": safe}, ensure_ascii=False)


@dataclass(slots=True)
class _Batch:
    name: str
    columns: Sequence[str]
    front: list[tuple[int, int, str | None, str | None]] = field(default_factory=list)
    rows: list[Sequence[str | None]] = field(default_factory=list)

    def add(self, position: int, lines: int, fault: str | None, payload: str | None, row: Sequence[str | None]) -> None:
        self.front.append((position, lines, fault, payload))
        self.rows.append(row)

    @property
    def full(self) -> bool:
        return len(self.rows) >= BATCH

    def flushed(self, places: Sequence[int | None]) -> pa.RecordBatch:
        """Return what was gathered, the fields brought into the columns' order, and begin again."""
        schema = raw_schema(self.columns)
        count = len(self.rows)
        fields = list(zip(*self.rows, strict=True)) or [()] * (max((p for p in places if p is not None), default=0) + 1)
        front = list(zip(*self.front, strict=True)) or [()] * 4
        values = [[self.name] * count, *front, *(fields[p] if p is not None else [None] * count for p in places)]
        self.front.clear()
        self.rows.clear()
        return pa.RecordBatch.from_arrays(
            [pa.array(value, kind) for value, kind in zip(values, schema.types, strict=True)], schema=schema
        )


def ndjson_batches(path: Path, stretch: Stretch, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a stretch of an NDJSON file; columns are dotted paths into the object."""
    with path.open("rb") as stream:
        stream.seek(stretch.start)
        lines = stream.read(stretch.end - stretch.start).split(b"\n")
    paths = [tuple(column.split(".")) for column in columns]
    nothing: list[str | None] = [None] * len(columns)
    places = list(range(len(columns)))
    batch = _Batch(stretch.file, columns)
    for number, line in enumerate(lines, stretch.line):
        if not line.strip():
            continue
        fault, text, row = _json_row(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, paths)
        batch.add(number, 1, fault, text, row or nothing)
        if batch.full:
            yield batch.flushed(places)
    yield batch.flushed(places)


def _json_row(line: bytes, paths: Sequence[tuple[str, ...]]) -> tuple[str | None, str, list[str | None] | None]:
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError:
        return "encoding", _as_payload(line.decode("utf-8", "backslashreplace")), None
    try:
        # Numbers keep the digits that they were written with.
        tree = json.loads(text, parse_float=str, parse_int=str, parse_constant=_no_constant)
        # Writing out what is nested runs out of depth a little earlier than reading it does.
        row = [_text(_dug(tree, path)) for path in paths] if isinstance(tree, dict) else None
    except (ValueError, RecursionError):
        return "json", _as_payload(text), None
    if row is None:
        return "json", _as_payload(text), None
    if "\\ud" in text.lower() and not all(value is None or _encodes(value) for value in row):
        return "encoding", _as_payload(text), None
    return None, text, row


def _no_constant(_name: str) -> Any:
    raise ValueError


def _dug(node: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if type(node) is not dict:
            return None
        node = node.get(step)
    return node


def _text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
