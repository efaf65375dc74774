"""The rows of a CSV file whose encoding and delimiter nobody told."""

import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from consent.discovery.evident import tellable
from consent.discovery.persons import is_date
from ingestion.packed import open_bytes
from ingestion.proposal.looked import Looked, NotUnderstood, ended, unusable
from ingestion.read import csv_records, open_csv

CELLS: Final = 6_000_000
_TRIED: Final = 200
_DELIMITERS: Final = (",", ";", "\t", "|", ":", "~", "^")
_WIDE: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_WORDS: Final = 3
_COLONS: Final = 3


def csv_rows(path: Path, name: str, head: bytes, most: int) -> Looked:
    """Return the rows of a CSV file."""
    encoding, notes = _encoding(path, name, head)
    with open_csv(path, encoding) as stream:
        first = list(islice(stream, _TRIED))
    delimiter = _delimiter(first)
    with open_csv(path, encoding) as stream:
        records = csv_records(stream, delimiter)
        header = next(records, None)
        if header is None or header.fault or "\0" in header.text:
            raise NotUnderstood(name, "its first line is no header of text", "save it as CSV in UTF-8 with a header")
        names = [column.strip() for column in header.fields]
        _check_header(name, names)
        most = min(most, max(1, CELLS // len(names)))
        rows: list[list[str]] = []
        faults = 0
        more = False
        for record in records:
            if len(rows) >= most:
                more = True
                break
            if record.fault is None:
                rows.append(record.fields)
            else:
                faults += 1
    if len(names) == 1 and sum(len(row[0].split()) > _WORDS for row in rows) * 2 > len(rows):
        raise NotUnderstood(name, "it is prose and no table", "name a CSV, NDJSON, JSON or Parquet file")
    if faults > len(rows):
        raise NotUnderstood(name, "most of its lines do not have the fields of the first", "name a table with a header")
    if faults:
        notes = (*notes, f"{faults:,} rows do not have the fields of the header; they will go to quarantine")
    unfit = unusable(names)
    places = {n: i for i, n in enumerate(names) if n and n not in unfit}
    columns = {n: [row[i] for row in rows] for n, i in places.items()}
    told = {"format": "csv"}
    if encoding:
        told["encoding"] = encoding
    if delimiter != ",":
        told["delimiter"] = delimiter
    return ended(path, told, len(rows), columns, unfit, notes, more=more)


def _encoding(path: Path, name: str, head: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Return the encoding of a text where it is not UTF-8, and what is to be told of it."""
    for mark, wide in _WIDE.items():
        if head.startswith(mark):
            return wide, ()
    if b"\0" in head:
        pairs = len(head) // 2
        for place, wide in ((1, "utf-16-le"), (0, "utf-16-be")):
            if head[place::2].count(0) > 0.6 * pairs:
                return wide, ()
        raise NotUnderstood(name, "it is no text", "name a CSV, NDJSON, JSON or Parquet file")
    with open_bytes(path) as stream:
        decoded = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="strict")
        try:
            while decoded.read(1 << 20):
                pass
        except UnicodeDecodeError:
            told = (
                "it is not UTF-8; it was read as cp1252 (Western Europe). If names look wrong, mend connector.encoding"
            )
            return "cp1252", (told,)
    return None, ()


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter under which the first records have one width, the widest that most of them share."""
    best, most = ",", 0.0
    for delimiter in _DELIMITERS:
        widths = Counter(len(record.fields) for record in csv_records(lines, delimiter) if record.fields)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        if delimiter == ":" and width <= _COLONS:
            continue  # a moment, an address and a sentence have colons as well
        header = next(iter(csv_records(lines, delimiter)), None)
        agrees = header is not None and len(header.fields) == width
        score = (width - 1) * (count / widths.total()) ** 4 * (1.0 if agrees else 0.2)
        if score > most:
            best, most = delimiter, score
    return best


def _check_header(name: str, names: Sequence[str]) -> None:
    """Raise where the first line is data: a person's, which is then not repeated."""
    told = [n for n in names if n]
    data = sum(1 for n in told if tellable(n) != n or is_date(n) or _is_number(n))
    if len(told) == 1 and len(told[0].split()) > _WORDS:
        raise NotUnderstood(name, "it is prose and no table", "name a CSV, NDJSON, JSON or Parquet file")
    if not told or data * 2 > len(told):
        right = "write a first line with the columns' names"
        raise NotUnderstood(name, "its first line is data and no header", right)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace(",", "", 1).lstrip("+-").isdecimal()
