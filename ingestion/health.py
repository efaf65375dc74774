"""How each source is: when its rows last came, what waits, what is rejected; told without a JVM, from the books."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa

from infra import gains
from infra.log.folder import leftovers
from infra.log.segments import moment_of
from infra.runs import RUN, TAKEN_UP
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.config import Source, load_sources
from ingestion.connectors.aside import waiting_files
from ingestion.connectors.declared import Collector, Files
from ingestion.connectors.topics import CHECKPOINTS
from ingestion.drift.loads import freshness
from ingestion.expected import Freshness
from ingestion.model import COUNTS
from ingestion.quarantine.opened import open_rejections
from ingestion.store import ACCOUNT, CLOSED, FLOW, INGESTED, PLANNED, Newest, newest

# Of a source against its declared freshness: past `warn_after` it is late, past `error_after` too late.
Lateness = Literal["ok", "late", "too late"]
VERDICTS: Final = tuple(name for name in COUNTS if name not in {"read", "changed"})
_JOBS: Final = ("ingest", "run")
# So many of the newest runs are looked at to tell how often it failed in a row.
_RUNS: Final = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the lake has not taken in of a source: files, segments, or entries of a topic; None where nobody can tell.

    `oldest` is when the first of it came, where that is known.
    """

    count: int | None = 0
    size: int | None = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source: newest arrival and moment told, last run and what that read, what waits, is rejected, is expected."""

    source: str
    connector: str
    arrived_at: datetime | None
    told_at: datetime | None
    run: int | None
    run_at: datetime | None
    rows: int
    waiting: Waiting
    quarantined: int
    verdicts: Mapping[str, int] = field(default_factory=dict)
    expected: Freshness | None = None

    def lateness(self, at: datetime) -> Lateness | None:
        """Say whether it is as fresh as declared; None where nothing is declared or nothing ever came."""
        newest = self.told_at if self.expected and self.expected.of == "moment" else self.arrived_at
        if self.expected is None or newest is None:
            return None
        breach = freshness(self.expected, newest, at)
        return "ok" if breach is None else "late" if breach.severity == "warn" else "too late"


@dataclass(frozen=True, slots=True)
class Runs:
    """How taking in goes: seconds of the last that ended well, failures in a row since, tries of the one under way."""

    seconds: float | None = None
    ended_at: datetime | None = None
    failures: int = 0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """All sources at one moment."""

    at: datetime
    sources: tuple[SourceHealth, ...]
    runs: Runs


@dataclass(frozen=True, slots=True)
class _Last:
    """The last run that took a source in, and what it read of fresh rows."""

    number: int
    at: datetime | None
    rows: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was taken in."""

    size: int
    sha256: str
    at: datetime


class Clinic:
    """Looks after the sources of a workspace; what costs a look into the lake is remembered until the lake changes."""

    def __init__(self, workspace: Workspace, database: sa.Engine) -> None:
        self._workspace, self._database = workspace, database
        self._rejected: tuple[tuple[int | None, ...], Counter[str]] = ((), Counter())
        self._digests: dict[tuple[Path, int, float], str] = {}

    def health(self, at: datetime) -> Health:
        """Return how the declared sources are now."""
        sources = load_sources(self._workspace)
        rejected = self._open()
        with self._database.connect() as connection:
            totals, moments, last = _totals(connection), newest(connection), _last_runs(connection)
            runs = _runs(connection)
            waiting = {one.source: self._waiting(connection, one) for one in sources}
        waiting |= self._behind(sources)
        told = []
        for one in sources:
            fresh = moments.get(one.source, Newest())
            ran = last.get(one.source)
            told.append(
                SourceHealth(
                    source=one.source,
                    connector=one.connector.type,
                    arrived_at=fresh.arrived_at,
                    told_at=fresh.told_at,
                    run=ran.number if ran else None,
                    run_at=ran.at if ran else None,
                    rows=ran.rows if ran else 0,
                    waiting=waiting[one.source],
                    quarantined=rejected.get(one.source, 0),
                    verdicts=totals.get(one.source, dict.fromkeys(VERDICTS, 0)),
                    expected=one.expect.freshness,
                )
            )
        return Health(at, tuple(told), runs)

    def runs(self) -> Runs:
        """Return how the runs go that take sources in: asked of the database alone."""
        with self._database.connect() as connection:
            return _runs(connection)

    def _open(self) -> Counter[str]:
        """Return by source how many rejected rows are open; counted anew only when a table of them changed."""
        heads = gains.heads(self._workspace.lake_path)
        now = (heads.get("quarantine"), heads.get("recovered"))
        if now != self._rejected[0]:
            found = open_rejections(self._workspace.lake_path, payloads=False)
            self._rejected = (now, Counter(one.source for one in found))
        return self._rejected[1]

    def _waiting(self, connection: sa.Connection, source: Source) -> Waiting:
        workspace = self._workspace
        if isinstance(source.connector, Files) and source.connector.remote:
            return Waiting(None, None)  # only the storage could tell, and it may be slow or away
        if isinstance(source.connector, Files):
            return self._files(source.connector, _ingested(connection, source.source))
        if not isinstance(source.connector, Collector):
            landed = waiting_files(workspace.root, workspace.landing_path / source.source)
            return _segments(_untaken(connection, source.source, landed))
        if isinstance(workspace.settings.log, KafkaSettings):
            return Waiting(None, None)
        sealed = waiting_files(workspace.root, workspace.log_path / source.source)
        being_written = [path for path in leftovers(workspace.log_path) if path.parent.name == source.source]
        return _segments([*_untaken(connection, source.source, sealed), *being_written])

    def _files(self, files: Files, known: Mapping[str, _Known]) -> Waiting:
        """Return the files that are new or have changed since they were taken in.

        One of the same size that was written since is read, once, to tell: it may hold the same.
        """
        count = size = 0
        oldest: float | None = None
        for name, path in _named(self._workspace.root, files):
            status, before = path.stat(), known.get(name)
            if before is not None and before.size == status.st_size:
                since = status.st_mtime > before.at.timestamp()
                if not since or self._digest(path, status.st_size, status.st_mtime) == before.sha256:
                    continue
            count, size = count + 1, size + status.st_size
            oldest = status.st_mtime if oldest is None else min(oldest, status.st_mtime)
        return Waiting(count, size, None if oldest is None else datetime.fromtimestamp(oldest, UTC))

    def _digest(self, path: Path, size: int, written: float) -> str:
        if (path, size, written) not in self._digests:
            with path.open("rb") as stream:
                self._digests[path, size, written] = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._digests[path, size, written]

    def _behind(self, sources: Sequence[Source]) -> dict[str, Waiting]:
        log = self._workspace.settings.log
        mine = [one.source for one in sources if isinstance(one.connector, Collector)]
        if not mine or not isinstance(log, KafkaSettings):
            return {}
        from infra.kafka import lag  # noqa: PLC0415 - its client takes its time, which others need not spend

        kept = {one: sorted((self._workspace.state_path / CHECKPOINTS / one).glob("*")) for one in mine}
        behind = lag.entries_behind(log, {one: found[-1] if found else Path() / "none" for one, found in kept.items()})
        return {} if behind is None else {source: Waiting(count, None) for source, count in behind.items()}


def _named(root: Path, files: Files) -> Iterator[tuple[str, Path]]:
    found = {path for pattern in files.path for path in root.glob(pattern)}
    for path in sorted(found):
        inside = path.rglob("*.parquet") if path.is_dir() and files.format == "parquet" else (path,)
        yield from ((one.relative_to(root).as_posix(), one) for one in inside if one.is_file())


def _segments(paths: Sequence[Path]) -> Waiting:
    begun = [moment for path in paths if (moment := moment_of(path.name)) is not None]
    size = 0
    for path in paths:
        try:
            size += path.stat().st_size
        except FileNotFoundError:  # sealed or put aside since it was listed
            continue
    return Waiting(len(paths), size, datetime.fromtimestamp(min(begun) / 1000, UTC) if begun else None)


def _untaken(connection: sa.Connection, source: str, there: Mapping[str, Path]) -> list[Path]:
    known = _ingested(connection, source) if there else {}
    return [path for name, path in there.items() if name not in known]


def _ingested(connection: sa.Connection, source: str) -> dict[str, _Known]:
    columns = (INGESTED.c.path, INGESTED.c.size, INGESTED.c.sha256, INGESTED.c.ingested_at)
    rows = connection.execute(sa.select(*columns).where(INGESTED.c.source == source))
    return {path: _Known(size, sha256, at) for path, size, sha256, at in rows}


def _totals(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """Return by source the rows of every verdict, in all runs that ended their taking in."""
    sums = [sa.func.sum(ACCOUNT.c[name]).label(name) for name in VERDICTS]
    rows = connection.execute(sa.select(ACCOUNT.c.source, *sums).group_by(ACCOUNT.c.source)).mappings()
    return {row["source"]: {name: int(row[name] or 0) for name in VERDICTS} for row in rows}


def _last_runs(connection: sa.Connection) -> dict[str, _Last]:
    took = PLANNED.join(CLOSED, CLOSED.c.run_id == PLANNED.c.run_id).join(RUN, RUN.c.id == PLANNED.c.run_id)
    newest = (
        sa.select(PLANNED.c.source, sa.func.max(RUN.c.number).label("number"))
        .select_from(took)
        .group_by(PLANNED.c.source)
        .subquery()
    )
    read = sa.func.coalesce(FLOW.c.read, 0)
    ran = newest.join(RUN, RUN.c.number == newest.c.number).join(CLOSED, CLOSED.c.run_id == RUN.c.id)
    seen = ran.outerjoin(FLOW, (FLOW.c.run_id == RUN.c.id) & (FLOW.c.source == newest.c.source))
    query = sa.select(newest.c.source, newest.c.number, CLOSED.c.closed_at, read).select_from(seen)
    return {source: _Last(number, at, rows) for source, number, at, rows in connection.execute(query)}


def _runs(connection: sa.Connection) -> Runs:
    query = sa.select(RUN).where(RUN.c.job.in_(_JOBS), RUN.c.number.is_not(None)).order_by(RUN.c.number.desc())
    rows = connection.execute(query.limit(_RUNS)).all()
    under_way = next((row for row in rows if row.status in {"queued", "running"}), None)
    failures = 0
    for row in rows:
        done = _ingest_step(row.steps)
        if done is not None:
            return Runs(float(done["seconds"]), row.finished_at, failures, _tries(connection, under_way))
        failures += row.status == "failed"
    return Runs(failures=failures, tries=_tries(connection, under_way))


def _ingest_step(steps: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((step for step in steps if step["name"] == "ingest"), None)


def _tries(connection: sa.Connection, row: sa.Row[Any] | None) -> int:
    if row is None:
        return 0
    query = sa.select(sa.func.count()).select_from(TAKEN_UP).where(TAKEN_UP.c.run_id == row.id)
    return int(connection.execute(query).scalar_one())
