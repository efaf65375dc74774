"""The collector over a workspace: its event log, its restrictions, its sources."""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from api.http.collector.app import Collector
from api.http.collector.desk import Desk
from api.http.collector.doorkeeper import Doorkeeper
from api.http.collector.hearing import Ear
from api.http.collector.restricted import Restricted
from api.http.collector.sources import served
from api.http.credentials import KeyRing
from api.http.metrics import Metrics
from api.http.reading import Tongue
from consent import officer
from consent.signals.config import SignalsConfig
from consent.signals.desk import take
from infra.clock import Clock
from infra.errors import Held
from infra.log.port import Entry, EventLog, LogState, LogUnavailable
from infra.log.spool import Spool
from infra.settings import KafkaSettings
from infra.workspace import Workspace

LOG = logging.getLogger("kindred.http")
_AGAIN = 2
_ELSEWHERE = "another process of this workspace writes the event log; send to it, or end it"
_ENDED = "the event log is closed; another server takes events in"


class OpenedLate:
    """`EventLog` that is opened as soon as it can be: a server that follows another may come before that has gone.

    Until then nothing is taken in, and the state says why; what else the server does goes on.
    """

    def __init__(self, opener: Callable[[], EventLog]) -> None:
        self._opener, self._closed = opener, False
        self._log: EventLog | None = None
        self._because = ""
        self.look()

    def look(self) -> None:
        """Open the log if it is not open yet."""
        if self._log is not None or self._closed:
            return
        before = self._because
        try:
            self._log = self._opener()
        except (Held, LogUnavailable) as error:
            self._because = _ELSEWHERE if isinstance(error, Held) else str(error)
        if self._log is None and self._because != before:
            LOG.warning("the event log is not open: %s", self._because)

    @property
    def keyed(self) -> bool:
        """Say what the log says; one that is not open takes nothing in."""
        return self._log is None or self._log.keyed

    async def append(self, source: str, entries: Sequence[Entry]) -> None:
        """Make the entries durable, or raise."""
        if self._log is None:
            raise LogUnavailable(self._because or _ENDED, retry_after=_AGAIN)
        await self._log.append(source, entries)

    def state(self) -> LogState:
        """Say how the log is."""
        return LogState(False, self._because, 0, _AGAIN) if self._log is None else self._log.state()

    async def close(self) -> None:
        """Close the log if it was opened."""
        self._closed = True
        if self._log is not None:
            await self._log.close()


def _opened(workspace: Workspace, sources: Iterable[str], clock: Clock) -> EventLog:
    settings = workspace.settings.log
    if isinstance(settings, KafkaSettings):
        from infra.log.kafka import KafkaLog  # noqa: PLC0415 - its client takes its time, which others need not spend

        return KafkaLog.opened(settings, sources)
    return Spool.open(workspace.log_path, settings, clock=clock)


def open_collector(
    workspace: Workspace,
    heard: tuple[officer.Desk, SignalsConfig],
    ring: KeyRing,
    tongue: Tongue,
    clock: Clock,
    metrics: Metrics,
) -> Collector:
    """Return the collector of a workspace over the log that it declares, and the ledger for what it hears."""
    sources = served(workspace)
    log = OpenedLate(partial(_opened, workspace, tuple(sources), clock))
    ledger, signals = heard
    desk = Desk(tongue, Restricted.of(ledger.database), sources)
    ear = Ear(signals, partial(desk.hearing, signals), partial(take, ledger, signals))
    return Collector(log, desk, Doorkeeper(ring), clock, metrics, reopen=log.look, ear=ear)
