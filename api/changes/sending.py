"""Taking the change feed to somebody who does not ask: in its order, and kept until they have it.

The place behind what they have is kept in the database, so that who is killed sends the last changes once more, and
loses none.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import lmdb
from sqlalchemy.exc import SQLAlchemyError

from infra.clock import Clock
from infra.errors import KindredError
from infra.ids import Purpose
from profiles.changefeed import followers
from profiles.changefeed.errors import PlaceGone
from profiles.changefeed.pages import Feed, Heard
from profiles.changefeed.places import Place

LOG: Final = logging.getLogger("kindred.changes")
TOGETHER: Final = 100
_IDLE: Final = 0.1
_LOOKED_EVERY: Final = 1.0
_SELDOM: Final = timedelta(minutes=1)
_AILING: Final = (KindredError, SQLAlchemyError, lmdb.Error, OSError)
_FIRST, _LONGEST = 0.5, 300.0


class NotTaken(Exception):
    """What was sent and not taken; `wait` is how long the other side asked to be left alone."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        self.why, self.wait = why, wait
        super().__init__(why)


class Recipient(Protocol):
    """Somebody whom changes are taken to."""

    name: str
    purpose: Purpose
    # Whether to have taken a change says that what it asks is done.
    acknowledges: bool

    def deliver(self, changes: Sequence[Heard], *, anew: bool) -> None:
        """Have them take changes; raise `NotTaken` where they did not."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(slots=True)
class Sender:
    """One recipient's way through the feed."""

    feed: Feed
    recipient: Recipient
    clock: Clock
    chance: Callable[[], float] = random.random
    _place: Place | None = None
    _failed: int = field(default=0)
    _more: bool = False
    _asked: datetime | None = None

    def step(self) -> int:
        """Send what comes next, and return how many changes that was."""
        place = self._place or self._kept()
        page = self.feed.page(self.recipient.purpose, place, TOGETHER)
        if page.changes:
            self.recipient.deliver(page.changes, anew=page.anew)
            followers.note(
                self.feed.database, self.recipient.name, self.recipient.purpose, page.following, page.changes,
                self.clock(), acknowledged=self.recipient.acknowledges,
            )  # fmt: skip
        else:
            self._listened(page.following)
        self._place, self._more = page.following, page.more
        return len(page.changes)

    def _listened(self, place: Place) -> None:
        now = self.clock()
        if self._asked is None or now - self._asked >= _SELDOM:
            followers.listened(self.feed.database, self.recipient.name, self.recipient.purpose, place, now)
            self._asked = now

    def run(self, stop: threading.Event) -> None:
        """Send for ever; what is not taken is sent again after a while, ever longer, until it is.

        What nobody foresaw has all senders stop: a process that is started again sends on, and one that went on without
        this recipient would leave them without a word.
        """
        try:
            while not stop.is_set():
                stop.wait(self.rested())
        except BaseException:
            stop.set()
            raise
        finally:
            self.recipient.close()

    def rested(self) -> float:
        """Take a step, and return how long to wait for the next."""
        try:
            sent = self.step()
        except (NotTaken, *_AILING) as error:
            if not self._failed:
                why = error.why if isinstance(error, NotTaken) else type(error).__name__
                LOG.warning("changes for %s wait: %s", self.recipient.name, why)
            asked = error.wait if isinstance(error, NotTaken) else 0.0
            pause = min(_LONGEST, _FIRST * 2.0 ** min(self._failed, 20)) * (0.5 + self.chance() / 2)
            self._failed, self._place = self._failed + 1, None
            return min(_LONGEST, max(asked, pause))
        if self._failed:
            LOG.info("changes for %s go on", self.recipient.name)
        self._failed = 0
        return 0.0 if sent or self._more else _IDLE

    def _kept(self) -> Place:
        reached = followers.reached(self.feed.database, self.recipient.name, self.recipient.purpose)
        begin = self.feed.begin()
        if reached is None:
            return begin
        try:
            return self.feed.place(Place(begin.feed, *reached).cursor())
        except PlaceGone:
            LOG.warning("the feed does not reach back to what %s has: they are sent everybody", self.recipient.name)
            return begin


def send_all(senders: Iterable[Sender], stop: threading.Event, look: Callable[[], None]) -> None:
    """Have each sender run in a thread of its own until they are told to stop, and look every second meanwhile.

    Nothing is sent before the first look: until then nobody knows what has ended, or is another policy's, since the
    build.
    """
    while not stop.is_set() and not _looked(look):
        stop.wait(_LOOKED_EVERY)
    threads = [threading.Thread(target=one.run, args=(stop,), name=one.recipient.name) for one in senders]
    for thread in threads:
        thread.start()
    while not stop.wait(_LOOKED_EVERY):
        _looked(look)
    for thread in threads:
        thread.join()


def _looked(look: Callable[[], None]) -> bool:
    try:
        look()
    except _AILING as error:
        LOG.warning("what has ended waits to be looked at: %s", type(error).__name__)
        return False
    return True
