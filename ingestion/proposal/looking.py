"""A file that nobody described, looked at: its format, encoding and delimiter, and its columns as text.

It is read by the readers that take it in later, so that what is proposed of it holds there.
"""

from pathlib import Path
from typing import Final

from ingestion.packed import DAMAGED, is_packed, open_bytes
from ingestion.proposal.columnar import parquet_rows
from ingestion.proposal.looked import Looked, NotUnderstood
from ingestion.proposal.tabular import csv_rows
from ingestion.proposal.trees import json_rows

ROWS: Final = 100_000
_HEAD: Final = 1 << 16
_MAGIC: Final = {
    b"PK\x03\x04": "an archive or a spreadsheet (zip); unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of an old kind; save the sheet as CSV",
    b"%PDF": "a PDF; export the table behind it as CSV",
    b"SQLite format 3": "a SQLite database; export its tables as CSV, or declare connector.type: jdbc",
    b"Obj\x01": "an Avro file; write it as Parquet, or bring it by connector.type: dlt",
}


def look(path: Path, name: str, most: int = ROWS) -> Looked:
    """Return what a file holds; raise `NotUnderstood` where it holds no rows that can be read. `name` is told of it."""
    try:
        with open_bytes(path) as stream:
            head = stream.read(_HEAD)
        return _looked(path, name, head, most)
    except DAMAGED:
        raise NotUnderstood(name, "it cannot be unpacked to its end", "pack it again, or copy it again whole") from None
    except OSError as error:
        if is_packed(path) and error.errno is None:
            raise NotUnderstood(
                name, "it cannot be unpacked", "pack it again, or take the ending off its name"
            ) from None
        why = (error.strerror or "input or output error").lower()
        raise NotUnderstood(name, f"it cannot be read: {why}", "name a file that you may read") from None


def _looked(path: Path, name: str, head: bytes, most: int) -> Looked:
    if not head.strip():
        raise NotUnderstood(name, "it is empty", "name a file with rows")
    for magic, told in _MAGIC.items():
        if head.startswith(magic):
            what, _, right = told.partition("; ")
            raise NotUnderstood(name, f"it is {what}", right)
    if head.startswith(b"PAR1"):
        return parquet_rows(path, name, most)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        found = json_rows(path, name, head, most)
        if found is not None:
            return found
    return csv_rows(path, name, head, most)
