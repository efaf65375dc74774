"""The double of an event log, in memory: for tests, and for trying a collector without a disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from infra.log.port import Entry, LogState


@dataclass
class MemoryLog:
    """`EventLog` over lists; `failing` holds errors that the next appends raise, one each, before any is taken."""

    kept: dict[str, list[Entry]] = field(default_factory=dict)
    failing: list[Exception] = field(default_factory=list)
    because: str = ""
    keyed: bool = True
    closed: bool = False

    async def append(self, source: str, entries: Sequence[Entry]) -> None:
        """Keep the entries, or raise the next of the errors."""
        if self.failing:
            raise self.failing.pop(0)
        self.kept.setdefault(source, []).extend(entries)

    def state(self) -> LogState:
        """Say how the log is."""
        waiting = sum(len(entry.body) for kept in self.kept.values() for entry in kept)
        return LogState(not self.because, self.because, waiting, retry_after=1)

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
