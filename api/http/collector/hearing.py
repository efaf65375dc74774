"""What is heard at the door: signals of consent go into the ledger before their request is answered.

A browser sends the same signals with every page. So events without any are not looked into, what was taken a moment
ago is not taken again, and what waits for the disk goes together in one transaction.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from consent.signals.config import SignalsConfig
from consent.signals.hear import heard, needles
from consent.signals.model import Visit
from ingestion.collector.named import Naming, Suppression, gated

_REMEMBERED: Final = 65_536
_FRESH: Final = 5.0


class Hearing:
    """How one source's events are heard: whom they name, where they say no to being kept, who is suppressed."""

    def __init__(
        self,
        config: SignalsConfig,
        naming: Naming,
        everybody: Naming,
        gate: tuple[str, ...] | None,
        suppression: Suppression,
    ) -> None:
        self._config, self._naming, self._everybody = config, naming, everybody
        self._gate, self._suppression = gate, suppression

    def visits(self, events: Iterable[Mapping[str, Any]]) -> list[Visit]:
        """Return what events say of consent, each thing once; nothing is kept of somebody who is suppressed."""
        found: dict[Hashable, Visit] = {}
        for event in events:
            signals = heard(event, self._config)
            named = self._naming.named(event) if signals else ()
            if named and not self._suppressed(event):
                visit = Visit(
                    named=named,
                    signals=signals,
                    at=datetime.fromisoformat(event["timestamp"]),
                    received_at=datetime.fromisoformat(event["receivedAt"]),
                    refusals_only=self._gate is not None and gated(event, self._gate),
                )
                found.setdefault(_key(visit), visit)
        return list(found.values())

    def _suppressed(self, event: Mapping[str, Any]) -> bool:
        return self._suppression.anybody() and self._suppression.suppressed(self._everybody.tokens(event))


class Ear:
    """Takes what events say of consent to the ledger, and returns when it is there."""

    def __init__(
        self,
        config: SignalsConfig,
        hearing: Callable[[str], Hearing],
        take: Callable[[Sequence[Visit]], object],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hearing, self._take, self._needles, self._ticks = hearing, take, needles(config), ticks
        self._recent: set[Hashable] = set()
        self._older: set[Hashable] = set()
        self._since = ticks()
        self._one_at_a_time = asyncio.Lock()
        self._pending: list[Visit] = []
        self._due: asyncio.Task[None] | None = None

    def wanted(self, text: bytes, *, gpc: bool) -> bool:
        """Say whether a request may hold a signal, so that its events need a look."""
        return gpc or any(needle in text for needle in self._needles)

    async def hear(self, source: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Return when all that the events say is durable and obeyed; raise where it cannot be kept now."""
        self._forget()
        visits = [one for one in self._hearing(source).visits(events) if not self._known(_key(one))]
        if not visits:
            return
        self._pending += visits
        if self._due is None:
            self._due = asyncio.create_task(self._turn())
            self._due.add_done_callback(_looked_at)
        await asyncio.shield(self._due)

    async def _turn(self) -> None:
        async with self._one_at_a_time:
            visits, self._pending, self._due = self._pending, [], None
            await asyncio.to_thread(self._take, visits)
            self._recent.update(map(_key, visits))

    def _known(self, key: Hashable) -> bool:
        return key in self._recent or key in self._older

    def _forget(self) -> None:
        """Let what was taken grow old: the ledger may hear other words meanwhile."""
        if self._ticks() - self._since > _FRESH or len(self._recent) > _REMEMBERED:
            self._older, self._recent, self._since = self._recent, set(), self._ticks()


def _looked_at(turn: asyncio.Task[None]) -> None:
    # Whoever waits raises it; where nobody waits any more, nobody shall print what the database quotes.
    if not turn.cancelled():
        turn.exception()


def _key(visit: Visit) -> Hashable:
    signals = visit.signals
    said = (signals.gpc, signals.tcf, signals.gpp, tuple(sorted(signals.categories.items())))
    return (visit.named, said, visit.refusals_only)
