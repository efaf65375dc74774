"""The events that a collector took in: sealed segments of the event log, read as files whose rows are its events.

An entry holds one event, or all those of a request; a row's number is that of the event in the segment, so that it
stands for it alone. A damaged entry is one row, for how many events it held cannot be told.

A segment never changes once it is sealed, so its name and size stand for its content, and what was taken in before is
not opened again.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa

from infra.log.segments import Damage, moment_of, read_lines
from ingestion.check import trimmed
from ingestion.collector.door import Fault
from ingestion.collector.entry import count, merged, opened, unfolded
from ingestion.config import RECEIVED
from ingestion.connectors.aside import waiting_files
from ingestion.model import SourceFile, Stretch
from ingestion.number import written
from ingestion.read import UNSTORED, Batch, Steps, faulty, object_row, paths_of
from ingestion.survey import STRETCH

_KEY = "messageId"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is durable and not yet in the lake: what the door said of it."""

    verdict: str
    fault: tuple[str, str, str] | None
    received_at: datetime


def segments(root: Path, folder: Path, taken: Collection[str]) -> tuple[SourceFile, ...]:
    """Return the sealed segments of a source that are not taken in, the oldest first."""
    return tuple(surveyed(path, name) for name, path in waiting_files(root, folder).items() if name not in taken)


def events_of(found: bytes | Damage) -> int:
    """Return how many events an entry holds; a damaged one counts as one."""
    return 1 if isinstance(found, Damage) else count(found)


def surveyed(path: Path, name: str, events_in: Callable[[bytes | Damage], int] = events_of) -> SourceFile:
    """Return a segment with the number of its events, and the stretches that tasks may read each by itself."""
    stretches: list[Stretch] = []
    start = events = 0
    with path.open("rb") as stream:
        while pieces := stream.readlines(STRETCH):
            size = sum(map(len, pieces))
            stretches.append(Stretch(name, start, start + size, events + 1))
            start += size
            events += sum(map(events_in, read_lines(pieces)))
    return SourceFile(name, start, f"sealed at {start} bytes", events, stretches=tuple(stretches))


def log_batches(path: Path, stretch: Stretch, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the events of a stretch of a segment, numbered from the beginning of it."""
    with path.open("rb") as stream:
        stream.seek(stretch.start)
        data = BytesIO(stream.read(stretch.end - stretch.start))  # cut at newlines alone, as the segment was written
    paths, places = paths_of(columns), list(range(len(columns)))
    batch = Batch(stretch.file, columns)
    events = (held for found in read_lines(data) for held in rows_held(found))
    for number, held in enumerate(events, stretch.line):
        batch.add(number, 1, *row_of(held, columns, paths))
        if batch.full:
            yield batch.flushed(places)
    yield batch.flushed(places)


def entry_rows(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield entries that come as `file`, `position` and `body` as raw rows."""
    paths, places = paths_of(columns), list(range(len(columns)))
    for batch in batches:
        for name, group in _by_file(batch):
            rows = Batch(name, columns)
            for position, body in group:
                rows.add(position, 1, *row_of(opened(body), columns, paths))
            yield rows.flushed(places)


def _by_file(batch: pa.RecordBatch) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for name, position, body in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        found.setdefault(name, []).append((position, body))
    yield from found.items()


def waiting(root: Path, folder: Path, taken: Collection[str], key: str, token: str) -> Iterator[Waiting]:
    """Yield what the door said of an event that is still on its way, by its message id or the token of it."""
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if moment_of(path.name) is not None and os.path.relpath(path, root) not in taken:
            with path.open("rb") as stream:
                for found in read_lines(stream):
                    if not isinstance(found, Damage):
                        yield from _asked_for(found, key, token)


def _asked_for(entry: bytes, key: str, token: str) -> Iterator[Waiting]:
    for held in unfolded(entry):
        at = datetime.fromisoformat(held["r"])
        fault = Fault(*held["f"]) if "f" in held else None
        if held.get("k") == token:
            if held["v"] in UNSTORED:
                yield Waiting(held["v"], None, at)
                continue
            fault = Fault("", held["v"])
        elif trimmed(held.get("m")) != key:
            continue
        because = (fault.field, fault.rule, fault.message) if fault else None
        yield Waiting("quarantined" if fault else "accepted", because, at)


def rows_held(found: bytes | Damage) -> Sequence[dict[str, Any] | Damage]:
    """Return for each event of an entry the entry, as a tree, that it would be alone; damage stands for itself."""
    return (found,) if isinstance(found, Damage) else unfolded(found)


def row_of(
    held: dict[str, Any] | Damage, columns: Sequence[str], paths: Sequence[Steps]
) -> tuple[str | None, str | None, Sequence[str | None]]:
    """Return the fault of an event if any, the event as it is to be mended, and its fields."""
    if isinstance(held, Damage):
        return "damaged", written({"line": f"{held.length} bytes"}), [None] * len(columns)
    if "v" in held:
        # Nothing is kept of it but the token of its message id, which stands in the id's place.
        unkept = {_KEY: held["k"], RECEIVED: held["r"]}
        return held["v"], written(unkept), [unkept.get(column) for column in columns]
    event = merged(held)
    return faulty(*held["f"]) if "f" in held else None, written(event), object_row(event, paths)
