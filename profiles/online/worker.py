"""The stream worker: it follows its parts of the event log and keeps the served generation up to date.

It goes on where the generation says that it has come to. Where another generation is served it goes over to that one,
which its publisher has brought up to date before it was served.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import lmdb
from sqlalchemy.exc import SQLAlchemyError

from infra.clock import Clock
from infra.errors import KindredError
from infra.serving.store import Live, ServingStore
from profiles.online.opened import Log, Opened
from profiles.online.shares import Shares
from profiles.online.telling import Telling

LOG = logging.getLogger("kindred.stream")
_IDLE: Final = 0.01
# How long it waits where it is told that something has come; a file is looked at instead.
_PATIENCE: Final = 0.05
_AILING: Final = 1.0
# How often it asks anew who may not be stored, and how sources are declared.
_REFRESH: Final = 1.0


@dataclass(slots=True)
class Worker:
    """One worker over a serving store; `opener` gives the online path over a generation by its name.

    `shares` says which parts of the log it reads.
    """

    serving: ServingStore
    log: Log
    opener: Callable[[str], Opened]
    clock: Clock
    shares: Shares
    # Tells the change feed what the generation's writer noted.
    telling: Telling | None = None
    _at: tuple[Live, Opened] | None = None
    _refreshed: datetime | None = None
    applied: int = 0
    trouble: str = ""
    waiting: Mapping[str, int] = field(default_factory=dict)
    _said: str = field(default="", repr=False)
    _behind: float = 0.0
    _told: str = ""

    def step(self) -> int:
        """Apply what is new of the log to the generation that is served; return how many events that was.

        0 where there is nothing new, or nothing was ever published.
        """
        now = self.clock()
        if self._refreshed is None or (now - self._refreshed).total_seconds() >= _REFRESH:
            self.log.refresh()
            self.shares.look(self.log.tail.parts())
            self.waiting = {} if self._at is None else self._at[1].behind()
            self._refreshed = now
        live, opened = self._current()
        if live is None or opened is None:
            return 0
        count = opened.catch_up(live, self.shares.owns, _PATIENCE)
        self.applied += count
        if count and opened.newest is not None:
            self._behind = max(0.0, (self.clock() - opened.newest).total_seconds())
        if count and self.telling is not None:
            self.telling.due()
        return count

    def _current(self) -> tuple[Live, Opened] | tuple[None, None]:
        if self._at is not None and not self._at[0].moved():
            return self._at
        name = self.serving.name()
        self.leave()
        if name is None:
            return None, None
        opened = self.opener(name)
        with opened.alone():  # what is opened for writing may be made longer
            self._at = (self.serving.live(name), opened)
        if self.telling is not None:
            self.telling.over(self._at[0])
        if name != self._told:  # not after each trouble, which is told by itself
            LOG.info("the online path goes on in generation %s", name)
            self._told = name
        return self._at

    @property
    def generation(self) -> str | None:
        """The name of the generation that is kept up to date, or None before the first."""
        return None if self._at is None else self._at[1].name

    @property
    def ails(self) -> str:
        """What stands in its way, or in that of telling the feed; empty where nothing does."""
        return self.trouble or (self.telling.trouble if self.telling is not None else "")

    def behind(self) -> float:
        """Return how many seconds passed between the receipt of the newest applied event and its being served."""
        return self._behind

    def leave(self) -> None:
        """Let go of the generation."""
        if self._at is not None:
            live, opened = self._at
            self._at = None
            if self.telling is not None:
                self.telling.over(None)
            live.close()
            opened.close()

    def run(self, stop: threading.Event) -> None:
        """Step until it is told to stop; what fails is said once and tried again."""
        try:
            while not stop.is_set():
                stop.wait(self._rested())
        finally:
            self.leave()
            self.log.tail.close()

    def _rested(self) -> float:
        try:
            moved = self.step()
        except (KindredError, SQLAlchemyError, lmdb.Error, OSError) as error:
            self.trouble = type(error).__name__
            if self.trouble != self._said:
                LOG.warning("the online path waits: %s", error if isinstance(error, KindredError) else self.trouble)
            self._said = self.trouble
            with suppress(KindredError, lmdb.Error):
                self.leave()
            return _AILING
        self.trouble = self._said = ""
        return 0.0 if moved else _IDLE
