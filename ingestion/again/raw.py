"""What of a source's raw rows of a stretch of time is still there: files, kept segments, landed files and entries."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePath

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from infra import shelf
from infra.log.segments import Damage, moment_of
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.again.span import Span
from ingestion.config import Source
from ingestion.connectors import collected, landed
from ingestion.connectors.aside import KEPT, kept_files, waiting_files
from ingestion.connectors.declared import Collector, Files
from ingestion.connectors.objects import there as files_there
from ingestion.connectors.topics import landing_path
from ingestion.model import SourceFile
from ingestion.store import Readings, readings
from ingestion.tables import LANDED


@dataclass(frozen=True, slots=True)
class Gone:
    """Raw rows that a run took in and that are no longer there."""

    file: str
    rows: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Raw:
    """A source's raw rows of a span: the files that have some, when each was read, and what is gone.

    The units of a file are its rows within the span. The first moment of a file is when its rows came, unless they
    tell it themselves; later ones are runs that read the same bytes again. `waiting` files no run has taken in yet.
    """

    source: Source
    span: Span
    files: tuple[SourceFile, ...] = ()
    moments: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    gone: tuple[Gone, ...] = ()
    waiting: int = 0
    streamed: bool = False

    @property
    def rows(self) -> int:
        """How many rows are there."""
        return sum(file.units for file in self.files)

    @property
    def rows_gone(self) -> int:
        """How many rows are not."""
        return sum(gone.rows for gone in self.gone)

    def lines(self) -> Iterator[str]:
        """Yield what is to be said of what can be seen."""
        name, total = self.source.source, self.rows + self.rows_gone
        yield f"{name}: {self.rows:,} of {total:,} raw rows of {self.span} are there, in {len(self.files):,} files"
        if self.gone:
            first, last = min(gone.at for gone in self.gone), max(gone.at for gone in self.gone)
            yield (
                f"{name}: {self.rows_gone:,} raw rows in {len(self.gone):,} files, from {first:%Y-%m-%d %H:%M}Z to "
                f"{last:%Y-%m-%d %H:%M}Z, are gone (first: {PurePath(self.gone[0].file).name})"
            )
        if self.waiting:
            yield f"{name}: {self.waiting:,} files wait for `kindred ingest` and have no part here"


def raw_of(workspace: Workspace, database: Engine, source: Source, span: Span) -> Raw:
    """Return what is there of a source's raw rows; raise where a file lacks what the source is now declared to need."""
    read = readings(database, source.source)
    if isinstance(source.connector, Files):
        return _of_files(workspace, source, source.connector, span, read)
    if not isinstance(source.connector, Collector):
        return _of_landed(workspace, source, span, read)
    if isinstance(workspace.settings.log, KafkaSettings):
        return _of_topic(workspace, source, span, read)
    return _of_spool(workspace, source, span, read)


def _of_files(workspace: Workspace, source: Source, where: Files, span: Span, read: tuple[Readings, ...]) -> Raw:
    now = files_there(workspace, source, where)
    known = {(one.path, one.sha256): one for one in read}
    there = {(file.path, file.sha256): file for file in now}
    wanted = {key: one for key, one in known.items() if one.moments[0] in span}
    return Raw(
        source,
        span,
        tuple(file for key, file in there.items() if key in wanted),
        {one.path: one.moments for key, one in wanted.items() if key in there},
        _gone([one for key, one in wanted.items() if key not in there]),
        waiting=sum(1 for key in there if key not in known),
    )


def _gone(read: list[Readings]) -> tuple[Gone, ...]:
    return tuple(Gone(one.path, one.rows, one.moments[0]) for one in sorted(read, key=lambda one: one.moments))


def _there(workspace: Workspace, waiting: Path, source: str) -> dict[str, tuple[str, Path]]:
    """Return the files of a source that were put aside or still lie where they came, by name, kept ones first."""
    both = {**waiting_files(workspace.root, waiting / source), **kept_files(workspace.root, waiting, source)}
    return {path.name: (name, path) for name, path in sorted(both.items(), key=lambda item: item[1].name)}


def _taken(read: tuple[Readings, ...]) -> dict[str, Readings]:
    """Return what runs took in as it came, by name; what a replay read of the kept files is left out."""
    return {PurePath(one.path).name: one for one in read if KEPT not in PurePath(one.path).parts}


def _of_landed(workspace: Workspace, source: Source, span: Span, read: tuple[Readings, ...]) -> Raw:
    there, taken = _there(workspace, workspace.landing_path, source.source), _taken(read)
    wanted = {name: one for name, one in taken.items() if one.moments[0] in span}
    found = {name: place for name, place in there.items() if name in wanted}
    return Raw(
        source,
        span,
        tuple(landed.surveyed(path, name) for name, path in found.values()),
        {place[0]: wanted[name].moments for name, place in found.items()},
        _gone([one for name, one in wanted.items() if name not in there]),
        waiting=len(there.keys() - taken.keys()),
    )


def _of_spool(workspace: Workspace, source: Source, span: Span, read: tuple[Readings, ...]) -> Raw:
    there, taken = _there(workspace, workspace.log_path, source.source), _taken(read)
    files, moments = [], {}
    for base, (name, path) in there.items():
        if base in taken:
            begun = _begun(base)
            file = collected.surveyed(path, name, partial(_events_within, span=span, begun=begun))
            if file.units:
                files.append(file)
                moments[name] = (begun,)
    gone = tuple(
        Gone(one.path, one.rows, _begun(base))
        for base, one in sorted(taken.items())
        if base not in there and _begun(base) in span
    )
    return Raw(source, span, tuple(files), moments, gone, waiting=len(there.keys() - taken.keys()))


def _begun(name: str) -> datetime:
    return datetime.fromtimestamp((moment_of(name) or 0) / 1000, UTC)


class _Received(msgspec.Struct):
    r: str


_received = msgspec.json.Decoder(_Received)


def _came(entry: bytes | str) -> datetime:
    return datetime.fromisoformat(_received.decode(entry).r)


def _events_within(found: bytes | Damage, span: Span, begun: datetime) -> int:
    """Return how many events of an entry came within a span; a damaged one came when its segment was begun."""
    at = begun if isinstance(found, Damage) else _came(found)
    return collected.events_of(found) if at in span else 0


def _of_topic(workspace: Workspace, source: Source, span: Span, read: tuple[Readings, ...]) -> Raw:
    counted, seen = _landings(workspace.lake_path, source.source, span)
    taken = {one.path: one for one in read}
    files = tuple(
        SourceFile(path, 0, f"landed {count}", count) for path, count in sorted(counted.items()) if path in taken
    )
    gone = _gone([one for path, one in taken.items() if path not in seen and one.moments[0] in span])
    moments = {file.path: taken[file.path].moments[:1] for file in files}
    return replace(Raw(source, span, files, moments, gone, len(seen - taken.keys())), streamed=True)


def _landings(lake: Path, source: str, span: Span) -> tuple[Counter[str], set[str]]:
    """Return the landed batches with the number of their entries that came within a span, and all that are there."""
    counted: Counter[str] = Counter()
    seen: set[str] = set()
    if shelf.exists(lake, LANDED):
        for batch in shelf.batches(lake, LANDED, columns=("source", "epoch", "landing", "body")):
            mine = pa.Table.from_batches([batch]).filter(pc.field("source") == source)
            columns = (mine.column(name).to_pylist() for name in ("epoch", "landing", "body"))
            for epoch, number, body in zip(*columns, strict=True):
                path = landing_path(source, epoch, number)
                seen.add(path)
                counted[path] += _came(body) in span
    return +counted, seen
