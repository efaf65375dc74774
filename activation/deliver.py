"""Writes what changed into a destination's files: whole or not at all, the same bytes however often tried."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from activation.declarations import Destination
from infra.keyvalue import fsync_folder

COLUMNS = ("operation", "audience", "key_type", "match_key")


def write_changes(parquet_files: Sequence[str], destination: Destination, folder: Path, run_number: int) -> Path | None:
    """Write one destination's file of a run and return it; None where nothing changed.

    The name carries the run's number and the bytes depend on the changes alone, so a run that is killed and
    tried again leaves exactly one file. Readers never see a half-written one: it gets its name when it is whole.
    """
    rows = _rows(parquet_files, destination.destination)
    first = next(rows, None)
    if first is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.glob(f".{destination.destination}-*.part"):
        abandoned.unlink()
    target = folder / f"{destination.destination}-{run_number:08d}.{destination.format}"
    temporary = target.with_name(f".{target.name}.part")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        for line in _lines(destination, _chained(first, rows)):
            file.write(line)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    # Before the state says that it was sent.
    fsync_folder(folder)
    return target


def _rows(parquet_files: Sequence[str], destination: str) -> Iterator[Mapping[str, Any]]:
    """Yield a destination's changes in the order in which Spark sorted them over its numbered files."""
    for path in sorted(parquet_files, key=lambda path: Path(path).name):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=8192, columns=["destination", *COLUMNS, "payload"]):
                yield from (row for row in batch.to_pylist() if row["destination"] == destination)


def _chained(first: Mapping[str, Any], rest: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    yield first
    yield from rest


def _lines(destination: Destination, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return _csv(destination, rows) if destination.format == "csv" else _ndjson(destination, rows)


def _ndjson(destination: Destination, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        payload = dict(row["payload"])
        said = {name: row[name] for name in COLUMNS}
        said["traits"] = {name: payload[name] for name in destination.traits if name in payload}
        yield json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"


def _csv(destination: Destination, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow((*COLUMNS, *destination.traits))
    yield line.text
    for row in rows:
        payload = dict(row["payload"])
        writer.writerow([*[row[name] for name in COLUMNS], *[payload.get(name, "") for name in destination.traits]])
        yield line.text


class _Line:
    """What `csv` writes a line into."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)
