"""What a collector asks of an event log, whoever keeps it: entries are durable before their sender hears "yes".

A log keeps one row of entries per source. It is at-least-once: whoever appends again after an error may find
entries twice, and tells them apart by their message id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from infra.errors import KindredError, Unavailable


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One thing to keep: a JSON object in UTF-8 without a newline, and the key that keeps its order.

    Entries of one source and one key are read in the order in which they were acknowledged. The key is the keyed
    token of a person's identifier, or empty; never the identifier itself.
    """

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class LogState:
    """How the log is: whether it accepts entries, why not, how much waits, and when to ask again.

    `because` is empty when ready; else it says what is wrong and what would be right, free of personal data.
    `waiting_bytes` counts what was accepted and is not yet in the lake (or not yet acknowledged by a broker).
    """

    ready: bool
    because: str
    waiting_bytes: int
    retry_after: int


class LogBusy(KindredError):
    """The log is nearly full: nothing of this append counts as accepted, ask again after so many seconds."""

    def __init__(self, because: str, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(because)

    def facts(self) -> dict[str, object]:
        """Return the seconds to wait beside the sentence."""
        return {**super().facts(), "retry_after": self.retry_after}


class LogUnavailable(Unavailable):
    """The log cannot make anything durable now: nothing of this append counts as accepted, ask again later."""

    def __init__(self, because: str, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(because)

    def facts(self) -> dict[str, object]:
        """Return the seconds to wait beside the sentence."""
        return {**super().facts(), "retry_after": self.retry_after}


class EventLog(Protocol):
    """Where a collector puts what it received."""

    @property
    def keyed(self) -> bool:
        """Say whether it orders entries by their key; where it keeps all in one row, a request may be one entry."""

    async def append(self, source: str, entries: Sequence[Entry]) -> None:
        """Return when all are durable; else raise `LogBusy` or `LogUnavailable`, and none counts as accepted."""

    def state(self) -> LogState:
        """Say how the log is, from memory: costs no I/O and may be asked for each request."""

    async def close(self) -> None:
        """Make what waits durable, answer whoever waits for it, and accept nothing more."""
