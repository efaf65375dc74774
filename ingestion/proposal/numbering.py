"""A copy of a file whose rows are numbered, for files in which nothing tells the rows apart.

Rows are copied as they stand, broken ones too; only the number is put before them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.arrays import entries
from ingestion.packed import open_bytes
from ingestion.read import csv_records, open_csv

_BATCH: Final = 65_536


def numbered_copy(source: Path, target: Path, connector: Mapping[str, str], column: str, front: str) -> None:
    """Write a file again, unpacked, with a column of numbers before its own; `front` stands before each number.

    A JSON array becomes one object a line.
    """
    match connector["format"]:
        case "csv":
            _csv(source, target, connector, column, front)
        case "parquet":
            _parquet(source, target, column, front)
        case _:
            _json(source, target, connector, column, front)


def numbered_connector(connector: Mapping[str, str]) -> dict[str, str]:
    """Return how a numbered copy is read."""
    if connector["format"] == "json":
        return {"format": "ndjson"}
    return dict(connector)


def _csv(source: Path, target: Path, connector: Mapping[str, str], column: str, front: str) -> None:
    delimiter = connector.get("delimiter", ",")
    encoding = connector.get("encoding")
    with (
        open_csv(source, encoding) as stream,
        target.open("w", encoding=encoding or "utf-8", errors="surrogateescape", newline="") as file,
    ):
        for number, record in enumerate(csv_records(stream, delimiter)):
            file.write(f"{front}{number}" if number else column)
            file.write(delimiter + record.text)


def _json(source: Path, target: Path, connector: Mapping[str, str], column: str, front: str) -> None:
    with open_bytes(source) as stream, target.open("wb") as file:
        steps = connector["records"].split(".") if "records" in connector else ()
        lines = map(bytes, entries(source, steps)) if connector["format"] == "json" else stream
        # A copy that began with an array would be taken for one whole array: an object stands first.
        early: list[bytes] | None = []
        for number, line in enumerate(lines, 1):
            # ends of lines stand between the values of an object, never in them
            whole = line.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b" ").replace(b"\n", b" ").strip()
            inside = whole[1:].lstrip()
            if whole.startswith(b"{"):
                first = f'{{"{column}": "{front}{number}"'.encode()
                whole = first + (inside if inside.startswith(b"}") else b", " + inside)
                file.writelines([whole + b"\n", *(early or ())])
                early = None
            elif whole and early is not None:
                early.append(whole + b"\n")
            elif whole:
                file.write(whole + b"\n")
        file.writelines(early or ())


def _parquet(source: Path, target: Path, column: str, front: str) -> None:
    with pq.ParquetFile(source) as file:
        schema = pa.schema([pa.field(column, pa.string()), *file.schema_arrow])
        done = 0
        with pq.ParquetWriter(target, schema) as writer:
            for batch in file.iter_batches(batch_size=_BATCH):
                numbers = pa.array([f"{front}{done + n}" for n in range(1, batch.num_rows + 1)], pa.string())
                done += batch.num_rows
                writer.write_batch(pa.RecordBatch.from_arrays([numbers, *batch.columns], schema=schema))
