"""How far the lake is behind the event log: what waits, since when, and how fast it is taken in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.log.folder import recover, sealed
from infra.log.segments import moment_of
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.connectors.declared import Collector
from ingestion.errors import NothingToFollow, UnknownSource


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the log: sealed segments, their bytes, and when the oldest was begun."""

    segments: int
    size: int
    oldest: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Following:
    """The log of some sources, looked at again and again."""

    workspace: Workspace
    sources: tuple[str, ...]

    @property
    def streams(self) -> bool:
        """Whether the log is one that only its own reader can look into."""
        return isinstance(self.workspace.settings.log, KafkaSettings)

    def look(self, at: datetime) -> Backlog:
        """Return what waits now, with what a server that was killed had left open: nobody else would seal it."""
        if not self.streams:
            recover(self.workspace.log_path)  # does nothing while a server lives
        found = [
            self.workspace.log_path / one / name
            for one in self.sources
            for name in sealed(self.workspace.log_path / one)
        ]
        begun = [moment for path in found if (moment := moment_of(path.name)) is not None]
        oldest = datetime.fromtimestamp(min(begun) / 1000, UTC) if begun else None
        return Backlog(len(found), sum(path.stat().st_size for path in found), oldest, at)

    def line(self, before: Backlog, at: datetime) -> str:
        """Return in one line what was taken in since, how fast, up to which moment, and what waits again."""
        now, seconds = self.look(at), (at - before.at).total_seconds()
        if self.streams:
            return f"taken in: all that the topics held at {before.at:%H:%M:%S}Z, in {seconds:.1f} s"
        behind = (at - now.oldest).total_seconds() if now.oldest else 0.0
        return (
            f"taken in: {before.segments} segments, {before.size:,} bytes in {seconds:.1f} s; the lake has all up to "
            f"{now.oldest or before.at:%H:%M:%S}Z, {behind:.1f} s behind; {now.segments} segments wait"
        )


def collected(workspace: Workspace, names: Collection[str]) -> tuple[str, ...]:
    """Return the collector's sources, those named or all; raise where there is none to follow."""
    declared = {one.source: one for one in load_sources(workspace)}
    for name in names:
        if name not in declared:
            raise UnknownSource(name, tuple(declared))
    found = [n for n, one in declared.items() if isinstance(one.connector, Collector) and (not names or n in names)]
    if not found:
        raise NothingToFollow
    return tuple(found)
