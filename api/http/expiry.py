"""What runs out while the server runs: looked for every second, denied to the next read, and to all readers alike."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import lmdb
from sqlalchemy.exc import SQLAlchemyError

from consent.officer import Desk
from consent.sweep import Mark, sweep
from infra.clock import Clock
from infra.errors import KindredError, Missing
from profiles.serving import ProfileReader

LOG = logging.getLogger("kindred.http")
_PAUSE = 1.0


class Expiry:
    """The sweep of the generation that is served; after a start or a publication it looks back to that build.

    `built` tells when the served build judged, or None where nothing is served; `also` is done at every look. Several
    servers may sweep one workspace: each writes what the others write.
    """

    def __init__(
        self, desk: Desk, built: Callable[[], datetime | None], also: Callable[[datetime], None] | None = None
    ) -> None:
        self._desk, self._built, self._also = desk, built, also
        self._mark: Mark | None = None

    def look(self, now: datetime) -> int:
        """Deny what has run out by now and return under how many identifiers; every later read obeys."""
        if self._also is not None:
            self._also(now)
        built = self._built()
        if built is None:
            return 0
        if self._mark is None or self._mark.built != built:
            self._mark = Mark.of(built)
        self._mark, denied = sweep(self._desk.database, self._desk.overlay, self._desk.policy, self._mark, now)
        return denied

    async def run(self, clock: Clock, pause: float = _PAUSE) -> None:
        """Look for ever, in a thread; what could not be looked at is looked at the next time."""
        while True:
            denied = await asyncio.to_thread(self._tried, clock())
            if denied:
                LOG.info("consent ran out under %d identifiers: denied until the next build", denied)
            await asyncio.sleep(pause)

    def _tried(self, now: datetime) -> int:
        try:
            return self.look(now)
        except (SQLAlchemyError, lmdb.Error, KindredError) as error:
            LOG.warning("what has run out waits: %s", type(error).__name__)
            return 0


def served_since(profiles: ProfileReader) -> Callable[[], datetime | None]:
    """Return the asking when the build that is served judged what people allow."""

    def built() -> datetime | None:
        try:
            return profiles.counted()
        except Missing:
            return None

    return built
