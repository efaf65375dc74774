"""A bounded, seeded sample of a source's files as columns of text, read as they lie there, without Spark."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from consent.discovery.evident import tellable
from consent.discovery.persons import is_date
from infra.log.segments import SEALED, Damage, read_lines
from infra.workspace import Workspace
from ingestion.arrays import entries
from ingestion.collector.entry import merged, unfolded
from ingestion.config import Source
from ingestion.connectors.aside import KEPT
from ingestion.connectors.debezium import row_of
from ingestion.connectors.declared import Collector, Connector, Files
from ingestion.connectors.objects import copies_of
from ingestion.packed import DAMAGED, is_packed, open_bytes
from ingestion.read import csv_records, open_csv

ROWS: Final = 1_000
_FILES: Final = 20
_WHOLE: Final = 1 << 20
_BLOCK: Final = 1 << 16
_BLOCKS: Final = 8
_GROUPS: Final = 8
# Rows that are looked at so that the sample can be drawn among them.
_SEEN: Final = 20_000
_COLUMNS: Final = 1_000
_DEPTH: Final = 12
_WIDE: Final = ("utf-16", "utf_16", "utf-32", "utf_32", "u16", "u32")

Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Sample:
    """Sampled rows by column: a table's columns, or the dotted paths into objects. Values are people's."""

    rows: int
    columns: Mapping[str, Sequence[str | None]] = field(repr=False)


def thinned(sample: Sample, rows: int) -> Sample:
    """Return so many rows of a sample, from all over it."""
    if sample.rows <= rows:
        return sample
    places = [index * sample.rows // rows for index in range(rows)]
    columns = {name: [values[place] for place in places] for name, values in sample.columns.items()}
    return Sample(rows, {name: values for name, values in columns.items() if any(v is not None for v in values)})


def files_of(workspace: Workspace, source: Source) -> tuple[Path, ...]:
    """Return the files that hold a source's rows: those declared, the event log's segments, or what was fetched."""
    where, found = source.connector, list[Path]()
    if isinstance(where, Files) and where.remote:
        return tuple(copies_of(workspace, source.source).values())
    if isinstance(where, Files):
        for path in sorted({path for pattern in where.path for path in workspace.root.glob(pattern)}):
            found += sorted(path.rglob("*.parquet")) if path.is_dir() and where.format == "parquet" else [path]
        return tuple(found)
    waiting = workspace.log_path if isinstance(where, Collector) else workspace.landing_path
    folders = (waiting / KEPT / source.source, waiting / source.source)
    return tuple(path for folder in folders for path in sorted(folder.glob(f"*{SEALED}")))


def sampled(files: Sequence[Path], where: Connector, seed: str, rows: int = ROWS) -> Sample:
    """Return a sample of the rows of files: from all over a file, from many files, the same for the same seed.

    Rows that cannot be read are passed over, and so are files that are gone or are not what they should be: the survey
    tells of those.
    """
    chance = Random(seed)  # noqa: S311 - a draw that can be repeated, no secret
    chosen = files if len(files) <= _FILES else sorted(chance.sample(list(files), _FILES))
    quota = -(-rows // max(1, len(chosen)))
    drawn: list[Row] = []
    for file in chosen:
        try:
            seen = list(_seen(file, where, chance))
        except (OSError, ValueError, pa.ArrowException, *DAMAGED):
            continue
        drawn += seen if len(seen) <= quota else chance.sample(seen, quota)
    names = list(dict.fromkeys(name for row in drawn for name in row))[:_COLUMNS]
    return Sample(len(drawn), {name: [row.get(name) for row in drawn] for name in names})


def _seen(file: Path, where: Connector, chance: Random) -> Iterator[Row]:
    if isinstance(where, Files) and where.format == "csv":
        return _csv(file, where, chance)
    if where.format == "log":
        return _log(file, chance)
    if where.format == "parquet":
        return _parquet(file, chance)
    if isinstance(where, Files) and where.format == "json":
        return _objects(map(bytes, entries(file, where.steps())))
    return _objects(_lines(file, chance), row_of if where.format == "debezium" else _itself)


def _csv(file: Path, where: Files, chance: Random) -> Iterator[Row]:
    encoding = where.encoding or "utf-8-sig"
    with open_csv(file, where.encoding) as stream:
        first = stream.readline()
    blocks = [] if encoding.lower().startswith(_WIDE) or is_packed(file) else list(_blocks(file, chance))
    if blocks:
        lines = (line.decode(encoding, "surrogateescape") for block in blocks for line in block)
        yield from _records([first, *lines], where)
        return
    with open_csv(file, where.encoding) as stream:
        yield from _records(stream, where)


def _records(lines: Iterable[str], where: Files) -> Iterator[Row]:
    records = csv_records(lines, where.delimiter or ",")
    header = next(records, None)
    names = _headed([name.strip() for name in header.fields] if header else [])
    for record, _ in zip(records, range(_SEEN), strict=False):
        if record.fault is None:
            yield dict(zip(names, record.fields, strict=True))


def _headed(names: list[str]) -> list[str]:
    """Return the names of a table's columns; a first line of data instead of names is a person's, and not repeated."""
    if any(tellable(name) != name or is_date(name) for name in names):
        return [f"column {place}" for place, _ in enumerate(names, 1)]
    return names


def _lines(file: Path, chance: Random) -> Iterator[bytes]:
    if is_packed(file):  # there is no jumping to a place in it
        with open_bytes(file) as stream:
            yield from stream
        return
    blocks = list(_blocks(file, chance))
    yield from [line for block in blocks for line in block] if blocks else file.read_bytes().split(b"\n")


def _itself(tree: Any) -> Any:
    return tree


def _objects(lines: Iterable[bytes], meant: Callable[[Any], Any] = _itself) -> Iterator[Row]:
    for line in islice(lines, _SEEN):
        try:
            tree = meant(json.loads(line.removeprefix(b"\xef\xbb\xbf"), parse_int=str, parse_float=str))
        except (ValueError, RecursionError):
            continue
        if isinstance(tree, dict):
            yield {".".join(map(tellable, path)): text for path, text in leaves(tree)}


def _log(file: Path, chance: Random) -> Iterator[Row]:
    events = (
        held for found in read_lines(_pieces(file, chance)) if not isinstance(found, Damage) for held in unfolded(found)
    )
    for held in islice(events, _SEEN):
        yield {".".join(map(tellable, path)): text for path, text in leaves(merged(held))}


def _pieces(file: Path, chance: Random) -> Iterator[bytes]:
    """Yield the lines of a segment, of a long one those at some places: a line is a request's, longer than a block."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= _WHOLE:
            yield from stream
            return
        for start in (0, *sorted(chance.randrange(size - _BLOCK) for _ in range(_BLOCKS - 1))):
            stream.seek(start)
            if start:
                stream.readline()
            yield from stream.readlines(_BLOCK)


def _blocks(file: Path, chance: Random) -> Iterator[list[bytes]]:
    """Yield the whole lines of some places of a long file; nothing of a short one, which is read whole."""
    size = file.stat().st_size
    if size <= _WHOLE:
        return
    with file.open("rb") as stream:
        for start in sorted(chance.randrange(size - _BLOCK) for _ in range(_BLOCKS)):
            stream.seek(start)
            yield stream.read(_BLOCK).split(b"\n")[1:-1]


def leaves(tree: Mapping[str, Any], whole: frozenset[str] = frozenset()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and text of every value of an object; lists, what lies too deep and the `whole` ones as JSON."""
    stack: list[tuple[tuple[str, ...], Any]] = [((key,), value) for key, value in reversed(list(tree.items()))]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict) and len(path) < _DEPTH and ".".join(path) not in whole:
            stack += [((*path, str(key)), below) for key, below in reversed(list(value.items()))]
        elif isinstance(value, str):
            yield path, value
        elif isinstance(value, dict | list):
            yield path, json.dumps(value, ensure_ascii=False)
        elif value is not None:
            yield path, str(value)


def _parquet(file: Path, chance: Random) -> Iterator[Row]:
    with pq.ParquetFile(file) as parquet:
        count = parquet.num_row_groups
        groups = range(count) if count <= _GROUPS else sorted(chance.sample(range(count), _GROUPS))
        each = _SEEN // max(1, len(groups)) // 4
        for group in groups:
            batch = next(parquet.iter_batches(batch_size=each, row_groups=[group]), None)
            for row in batch.to_pylist() if batch else []:
                yield {".".join(map(tellable, path)): text for path, text in leaves(_plain(row))}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of Parquet as JSON has it: days and moments written out, bytes left out."""
    tree: dict[str, Any] = json.loads(
        json.dumps({k: v for k, v in row.items() if not isinstance(v, bytes)}, default=str)
    )
    return tree
