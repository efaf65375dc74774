"""Files as the sources deliver them, the same bytes for the same rows, and never half a file."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Hand out a place to write beside the file, and put it in place once all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    yield unfinished
    unfinished.replace(path)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV (RFC 4180, UTF-8, LF); nothing stands for no value."""
    with _whole(path) as place, place.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(c) for c in columns] for row in rows)


def write_ndjson(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write one JSON object a line."""
    with _whole(path) as place, place.open("wb") as out:
        out.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def write_json(path: Path, value: object) -> None:
    """Write one JSON document for people and programs to read."""
    with _whole(path) as place:
        place.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table as one Parquet file."""
    with _whole(path) as place:
        pq.write_table(table, place, compression="zstd")


def write_table_csv(path: Path, table: pa.Table) -> None:
    """Write a wide table as CSV, whole columns at a time."""
    with _whole(path) as place:
        pa_csv.write_csv(table, place, pa_csv.WriteOptions(quoting_style="needed"))
