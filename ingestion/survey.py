"""The files of a source as they lie there, looked over before anything is read: names, columns, digests, sizes."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.config import Source
from ingestion.errors import SourceFileMalformed, SourceFilesMissing
from ingestion.model import SourceFile, Stretch
from ingestion.read import csv_records, open_csv

STRETCH: Final = 8 << 20
_DELIMITERS: Final = ";\t|,"


def survey(root: Path, source: Source) -> tuple[SourceFile, ...]:
    """Return a source's files; raise where one is missing, unreadable, or lacks a column that the source names."""
    found = tuple(_surveyed(root, path, source) for path in _files(root, source))
    if not found:
        raise SourceFilesMissing(source.source, source.connector.path)
    return found


def _files(root: Path, source: Source) -> Iterator[Path]:
    for path in sorted(root.glob(source.connector.path)):
        if path.is_dir() and source.connector.format == "parquet":
            yield from sorted(path.rglob("*.parquet"))
        else:
            yield path


def _surveyed(root: Path, path: Path, source: Source) -> SourceFile:
    name = path.relative_to(root).as_posix()
    look = {"csv": _csv, "ndjson": _ndjson, "parquet": _parquet}[source.connector.format]
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        looked = look(path, name, source)
        return replace(looked, path=name, size=path.stat().st_size, sha256=sha256)
    except OSError as error:
        why = (error.strerror or "input or output error").lower()
        raise SourceFileMalformed(
            name, None, f"cannot be read: {why}", "give Kindred a file that it may read"
        ) from None
    except UnicodeError:
        encoding = source.connector.encoding or "utf-8"
        raise SourceFileMalformed(name, None, f"not {encoding}", "declare connector.encoding as it is") from None


def _seen(units: int, columns: Sequence[str], **more: Any) -> SourceFile:
    return SourceFile("", 0, "", units, tuple(columns), **more)


def _csv(path: Path, name: str, source: Source) -> SourceFile:
    encoding, delimiter = source.connector.encoding, source.connector.delimiter or ","
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
    return _seen(filled - header.filled, columns)


def _ndjson(path: Path, name: str, _source: Source) -> SourceFile:
    stretches, filled, offset, start, line = [], 0, 0, 0, 1
    number = 0
    with path.open("rb") as stream:
        for number, text in enumerate(stream, 1):
            if text.strip():
                filled += 1
                if filled == 1 and text.lstrip().startswith(b"["):
                    right = "write one object a line, for example with: jq -c '.[]'"
                    raise SourceFileMalformed(name, number, "a JSON array instead of one object a line", right)
            offset += len(text)
            if offset - start >= STRETCH:
                stretches.append(Stretch(name, start, offset, line))
                start, line = offset, number + 1
    if offset > start:
        stretches.append(Stretch(name, start, offset, line))
    return _seen(filled, (), stretches=tuple(stretches))


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


def _check_columns(name: str, source: Source, columns: Sequence[str], *, line: int | None) -> None:
    """Raise where a named column is absent or there twice.

    Names that nobody declared are not repeated unless they come close: a file without a header has a person's
    data there.
    """
    known = source.columns()
    for column in known:
        if column not in columns:
            near = get_close_matches(column, columns, n=1, cutoff=0.75)
            hint = f"it has {near[0]!r}: rename it there" if near else "bring the column back"
            right = f"{hint}, or mend sources/ ({source.source}); {_present(known, columns)} named columns are there"
            raise SourceFileMalformed(name, line, f"column {column!r} is missing", right)
        if list(columns).count(column) > 1:
            raise SourceFileMalformed(name, line, f"column {column!r} is there twice", "keep one of them")


def _present(known: Iterable[str], columns: Sequence[str]) -> str:
    names = list(known)
    return f"{sum(1 for name in names if name in columns)} of {len(names)}"
