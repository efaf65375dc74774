"""The files of a source as they lie there, looked over before anything is read: names, columns, digests, sizes."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.arrays import NoArray, entries
from ingestion.config import Source
from ingestion.connectors.debezium import is_tombstone
from ingestion.connectors.declared import Files
from ingestion.cuts import csv_stretches
from ingestion.errors import SourceFileMalformed, SourceFilesMissing
from ingestion.model import SourceFile, Stretch
from ingestion.packed import DAMAGED, is_packed, open_bytes
from ingestion.read import csv_records, open_csv

STRETCH: Final = 8 << 20
_DELIMITERS: Final = ";\t|,"


def survey(root: Path, source: Source, files: Files) -> tuple[SourceFile, ...]:
    """Return a source's files; raise where one is missing, unreadable, or lacks a column that the source names."""
    paths: dict[Path, None] = {}  # a file that two patterns name is one
    for pattern in files.path:
        found = dict.fromkeys(_paths(root, pattern, files.format))
        if not found:
            raise SourceFilesMissing(source.source, pattern)
        paths |= found
    return tuple(surveyed(root, path, source, files) for path in paths)


def _paths(root: Path, pattern: str, kind: str) -> Iterator[Path]:
    for path in sorted(root.glob(pattern)):
        if path.is_dir() and kind == "parquet":
            yield from sorted(path.rglob("*.parquet"))
        else:
            yield path


def surveyed(root: Path, path: Path, source: Source, files: Files) -> SourceFile:
    """Return one file looked over; raise where it is unreadable or lacks a column that the source names."""
    name = os.path.relpath(path, root)
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        looked = _looked(path, name, source, files)
        return replace(looked, path=name, size=path.stat().st_size, sha256=sha256)
    except DAMAGED:
        raise _damaged(name) from None
    except OSError as error:
        if is_packed(path) and error.errno is None:
            raise _damaged(name) from None
        why = (error.strerror or "input or output error").lower()
        raise SourceFileMalformed(
            name, None, f"cannot be read: {why}", "give Kindred a file that it may read"
        ) from None
    except UnicodeError:
        encoding = files.encoding or "utf-8"
        raise SourceFileMalformed(name, None, f"not {encoding}", "declare connector.encoding as it is") from None


def _damaged(name: str) -> SourceFileMalformed:
    # All or nothing: rows before the break would stand for a file that nobody has.
    return SourceFileMalformed(
        name, None, "cannot be unpacked to its end", "pack it again, or copy it again whole; nothing of it was read"
    )


def _looked(path: Path, name: str, source: Source, files: Files) -> SourceFile:
    if files.format == "csv":
        return _csv(path, name, source, files)
    if files.format == "json":
        return _json(path, name, files)
    if files.format in ("ndjson", "debezium"):
        return lines_of(path, name, passed_over=is_tombstone if files.format == "debezium" else _nothing)
    return _parquet(path, name, source)


def _seen(units: int, columns: Sequence[str], **more: Any) -> SourceFile:
    return SourceFile("", 0, "", units, tuple(columns), **more)


def _csv(path: Path, name: str, source: Source, files: Files) -> SourceFile:
    encoding, delimiter = files.encoding, files.delimiter or ","
    with open_csv(path, encoding) as stream:
        header = next(csv_records(stream, delimiter), None)
    if header is None:
        raise SourceFileMalformed(name, 1, "the file is empty", "it must begin with a header line")
    if header.fault or "\0" in header.text:
        right = f"save the file as {encoding or 'UTF-8'}, or declare connector.encoding, e.g. cp1252 or utf-16"
        raise SourceFileMalformed(name, 1, f"the header is not a line of {encoding or 'UTF-8'} text", right)
    columns = tuple(column.strip() for column in header.fields)
    if len(columns) == 1 and len(source.columns()) > 1:
        other = next((d for d in _DELIMITERS if d in columns[0] and d != delimiter), None)
        if other:
            right = f"declare connector.delimiter: {other!r}"
            raise SourceFileMalformed(name, 1, f"the header has one column, its delimiter is not {delimiter!r}", right)
    _check_columns(name, source, columns, line=header.line)
    with open_csv(path, encoding) as stream:
        filled = sum(1 for line in stream if line.strip())
    stretches = csv_stretches(path, name, encoding, delimiter, STRETCH)
    return _seen(filled - header.filled, columns, stretches=stretches)


def _json(path: Path, name: str, files: Files) -> SourceFile:
    try:
        return _seen(len(entries(path, files.steps())), ())
    except NoArray as error:
        right = "write one object a line and declare format: ndjson"
        if not files.records:
            right += ", or name the array inside with connector.records, e.g. data.items"
        raise SourceFileMalformed(name, None, str(error), right) from None


def _nothing(_line: bytes) -> bool:
    return False


def lines_of(path: Path, name: str, passed_over: Callable[[bytes], bool] = _nothing) -> SourceFile:
    """Return the filled lines of an NDJSON file, and the stretches that tasks may read each by itself.

    Lines that say nothing, such as tombstones, are counted aside.
    """
    stretches, filled, offset, start, line = [], 0, 0, 0, 1
    number = passed = 0
    packed = is_packed(path)
    with open_bytes(path) as stream:
        for number, text in enumerate(stream, 1):
            if text.strip() and passed_over(text):
                passed += 1
            elif text.strip():
                filled += 1
                if filled == 1 and text.lstrip().startswith(b"["):
                    right = "declare format: json, or write one object a line, e.g. with: jq -c '.[]'"
                    raise SourceFileMalformed(name, number, "a JSON array instead of one object a line", right)
            offset += len(text)
            if offset - start >= STRETCH and not packed:
                stretches.append(Stretch(name, start, offset, line))
                start, line = offset, number + 1
    if offset > start:
        stretches.append(Stretch(name, start, offset, line))
    return _seen(filled, (), stretches=tuple(stretches), passed_over=passed)


def _parquet(path: Path, name: str, source: Source) -> SourceFile:
    try:
        with pq.ParquetFile(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
    except pa.ArrowException:
        raise SourceFileMalformed(name, None, "not a whole Parquet file", "write it again") from None
    nested = [f.name for f in schema if pa.types.is_nested(f.type) and f.name in source.columns()]
    if nested:
        right = "write it as text, a number, a date or a moment of its own"
        raise SourceFileMalformed(name, None, f"column {nested[0]} holds lists or structures", right)
    fine = [f.name for f in schema if pa.types.is_timestamp(f.type) and f.type.unit == "ns"]
    if fine:
        right = "write it in microseconds (pandas and pyarrow: coerce_timestamps='us')"
        raise SourceFileMalformed(name, None, f"column {fine[0]} counts nanoseconds, which Spark does not read", right)
    _check_columns(name, source, schema.names, line=None)
    scalars = [f for f in schema if not pa.types.is_nested(f.type)]
    shape = ", ".join(f"{f.name} {f.type}" for f in schema)
    natives = {f.name: kind for f in scalars if (kind := _vouched(f.type))}
    return _seen(rows, [f.name for f in scalars], shape=shape, natives=natives)


def _vouched(kind: pa.DataType) -> str:
    """Return what a column's type vouches for: values that need no reading as text."""
    if pa.types.is_signed_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return "timestamp"
    return ""


# A plan grows with its columns, and who writes a file could write a million of them.
_MOST_COLUMNS: Final = 2_000


def _check_columns(name: str, source: Source, columns: Sequence[str], *, line: int | None) -> None:
    """Raise where a named column is absent or there twice, or where there are too many.

    Names that nobody declared are not repeated unless they come close: a file without a header has a person's
    data there.
    """
    if len(columns) > _MOST_COLUMNS:
        right = f"{_MOST_COLUMNS:,} is the most; write those that mean something, one row a thing"
        raise SourceFileMalformed(name, line, f"the file has {len(columns):,} columns", right)
    known = source.columns()
    for column in known:
        if column not in columns:
            raise SourceFileMalformed(name, line, *missing_column(source.source, column, columns, known))
        if list(columns).count(column) > 1:
            raise SourceFileMalformed(name, line, f"column {column!r} is there twice", "keep one of them")


def missing_column(source: str, column: str, columns: Sequence[str], named: Iterable[str]) -> tuple[str, str]:
    """Return what is wrong where a column is absent, and what would be right."""
    near = get_close_matches(column, columns, n=1, cutoff=0.75)
    hint = f"it has {near[0]!r}: rename it there" if near else "bring the column back"
    right = f"{hint}, or mend sources/ ({source}); {_present(named, columns)} named columns are there"
    return f"column {column!r} is missing", right


def _present(known: Iterable[str], columns: Sequence[str]) -> str:
    names = list(known)
    return f"{sum(1 for name in names if name in columns)} of {len(names)}"
