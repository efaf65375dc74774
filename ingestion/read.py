"""Rows of CSV files as Arrow batches, JSON lines taken apart; what cannot be read is kept, with a fault.

These readers run inside Spark's Python workers, one file or stretch a task, and need no Spark themselves.
"""

import codecs
import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, Final, cast

import pyarrow as pa

from ingestion.collector.door import MESSAGES
from ingestion.model import Stretch
from ingestion.number import Number
from ingestion.packed import open_bytes, open_text

BATCH: Final = 8192
FRONT: Final = ("file", "position", "lines", "fault", "payload")
# What the log says of an event that is not stored; its row has nothing but the token of its key. What was too large
# to be is rejected as any other that breaks a rule.
UNSTORED: Final = ("suppressed", "consent_filtered")
UNKEPT: Final = (*UNSTORED, "too_large")
# How a fault of the reader is told; the key is the quarantine's rule.
FAULTS: Final = {
    "damaged": "the entry of the event log is damaged; the disk needs a look, the client may send the event again",
    "encoding": "the row has bytes that are not of the declared encoding; save the file as UTF-8 or declare it",
    "csv": "the row has more or fewer fields than the header, or a quote that is not closed",
    "json": "the line is not one JSON object",
    "change": "the line is no change of a row as Debezium tells it (op c, u, r or d, with its before or after)",
    **MESSAGES,
}


class Whole(str):
    """A column that is worked out from a whole row, and may take out some of what the others see; it comes last."""

    __slots__ = ("__dict__",)

    def worked(self, tree: Any) -> tuple[Any, str | None]:
        """Return the row as the other columns are to see it, and the column's own value."""
        raise NotImplementedError


# The steps into an object that a column names, or what is worked out from all of it.
Steps = tuple[str, ...] | Whole


def faulty(field: str, rule: str) -> str:
    """Return the fault of a raw row as its one column tells it: the rule, and the field where it is one field's."""
    return f"{rule} {field}" if field else rule


def fault_of(told: str) -> tuple[str | None, str]:
    """Return the field, if the fault is one field's, and the rule of a raw row's fault."""
    rule, _, field = told.partition(" ")
    return field or None, rule


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


def csv_records(
    stream: Iterable[str], delimiter: str, *, line: int = 1, width: int | None = None
) -> Iterator[CsvRecord]:
    """Yield the records of a CSV file, the header first; blank lines are passed over.

    Or, of a stretch that begins with this `line`, those that stand in it; the header, read before, has the `width`.
    A record with a broken quote costs its first line only: reading starts again at the next one, so that a stray
    quote does not swallow the rest of the file.
    """
    lines = _Lines(iter(stream), line - 1)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
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
        fault = fault if text.isascii() or encodes(text) else "encoding"
        yield CsvRecord(start, filled, text, fields, fault)


def encodes(text: str) -> bool:
    """Say whether a text can be written as UTF-8: whether no half of a character stands alone in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_csv(path: Path, encoding: str | None) -> TextIOWrapper:
    """Open a CSV file as text, packed or not."""
    return open_text(path, encoding or "utf-8-sig")


def csv_batches(
    path: Path,
    name: str,
    columns: Sequence[str],
    encoding: str | None,
    delimiter: str | None,
    stretch: Stretch | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a CSV file, or of a stretch of it; columns that this file does not have stay empty."""
    sign = delimiter or ","
    with open_csv(path, encoding) as stream:
        records = csv_records(stream, sign)
        header = [column.strip() for column in next(records).fields]  # as the survey reads it
        if stretch is not None:
            records = _stretch_records(path, stretch, encoding, sign, len(header))
        places = [header.index(column) if column in header else None for column in columns]
        nothing: list[str | None] = [None] * len(header)
        batch = Batch(name, columns)
        for record in records:
            if record.fault is None:
                batch.add(record.line, record.filled, None, None, record.fields)
            else:
                batch.add(record.line, record.filled, record.fault, _as_payload(record.text), nothing)
            if batch.full:
                yield batch.flushed(places)
        yield batch.flushed(places)


def _stretch_records(
    path: Path, stretch: Stretch, encoding: str | None, delimiter: str, width: int
) -> Iterator[CsvRecord]:
    """Return the records of a stretch, without the header if it stands there."""
    with path.open("rb") as stream:
        stream.seek(stretch.start)
        data = BytesIO(stream.read(stretch.end - stretch.start))
    # A mark of the byte order is one at the beginning of the file alone.
    spelled = encoding or "utf-8-sig"
    plain = spelled if stretch.start == 0 else "utf-8" if codecs.lookup(spelled).name == "utf-8-sig" else spelled
    lines = TextIOWrapper(data, encoding=plain, errors="surrogateescape", newline="")
    if stretch.start:
        return csv_records(lines, delimiter, line=stretch.line, width=width)
    records = csv_records(lines, delimiter)
    next(records)
    return records


def _as_payload(text: str) -> str:
    safe = text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return json.dumps({"line": safe}, ensure_ascii=False)


@dataclass(slots=True)
class Batch:
    """Rows of one file that are on their way into an Arrow batch."""

    name: str
    columns: Sequence[str]
    front: list[tuple[int, int, str | None, str | None]] = field(default_factory=list)
    rows: list[Sequence[str | None]] = field(default_factory=list)

    def add(self, position: int, lines: int, fault: str | None, payload: str | None, row: Sequence[str | None]) -> None:
        """Take one row."""
        self.front.append((position, lines, fault, payload))
        self.rows.append(row)

    @property
    def full(self) -> bool:
        """Say whether it is time to hand out what was gathered."""
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


def stretch_lines(path: Path, stretch: Stretch) -> Iterator[tuple[int, bytes]]:
    """Yield the filled lines of a stretch with their numbers, one in memory at a time."""
    with open_bytes(path) as stream:
        if stretch.start:
            stream.seek(stretch.start)  # never of a packed file, which is one stretch
        rest = stretch.end - stretch.start
        for number, line in enumerate(stream, stretch.line):
            if line.strip():
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            rest -= len(line)
            if rest <= 0:
                return


def paths_of(columns: Sequence[str]) -> list[Steps]:
    """Return the steps into an object that columns name; a last step `*` stands for all of its entries."""
    return [column if isinstance(column, Whole) else tuple(column.split(".")) for column in columns]


def json_row(line: bytes, paths: Sequence[Steps]) -> tuple[str | None, str | None, Sequence[str | None] | None]:
    """Return the fault of one JSON object, if any, its text, and what stands at each path in it."""
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError:
        return "encoding", _as_payload(line.decode("utf-8", "backslashreplace")), None
    try:
        tree = json_tree(text)
        # Writing out what is nested runs out of depth a little earlier than reading it does.
        row = object_row(tree, paths) if isinstance(tree, dict) else None
    except (ValueError, RecursionError):
        return "json", _as_payload(text), None
    if row is None:
        return "json", _as_payload(text), None
    if "\\ud" in text.lower() and not all(value is None or encodes(value) for value in row):
        return "encoding", _as_payload(text), None
    return None, text, row


def json_tree(text: str | bytes) -> Any:
    """Return what a JSON text holds, numbers as the digits that they were written with; raise ValueError."""
    return _DECODER.decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass"))


def object_row(tree: Any, paths: Sequence[Steps]) -> list[str | None]:
    """Return what stands at each path of an object as text, None where nothing does."""
    if paths and isinstance(last := paths[-1], Whole):
        seen, told = last.worked(tree)
        return [*object_row(seen, paths[:-1]), told]
    return [_at(tree, path) for path in cast("Sequence[tuple[str, ...]]", paths)]


def _at(tree: Any, path: tuple[str, ...]) -> str | None:
    if len(path) == 1 and path[0] != "*" and type(tree) is dict:  # most paths of flat rows, mostly a text
        value = tree.get(path[0])
        if type(value) is str or value is None:
            return value
    return entries_of(_dug(tree, path[:-1])) if path[-1] == "*" else text_of(_dug(tree, path))


def entries_of(node: Any) -> str | None:
    """Return an object as JSON in the order of its names, so that equal ones are equal texts; None for all else."""
    return json.dumps(node, separators=(",", ":"), ensure_ascii=False, sort_keys=True) if type(node) is dict else None


def _no_constant(_name: str) -> Any:
    raise ValueError


# Made once: `json.loads` makes one a call, which takes longer than most lines do.
_DECODER: Final = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_constant)


def _dug(node: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if type(node) is not dict:
            return None
        node = node.get(step)
    return node


def text_of(value: Any) -> str | None:
    """Return a value of a JSON text as a column holds it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
