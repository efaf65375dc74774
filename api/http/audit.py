"""The audit of reads: who read which profile for what, written in batches beside the requests."""

import asyncio
import logging
from collections import Counter

from sqlalchemy import Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from api.http.store import READ_AUDIT
from infra.clock import Clock
from infra.ids import ProfileId, Purpose

LOG = logging.getLogger("kindred.http")
_CAPACITY = 200_000
_PAUSE = 0.25

Entry = tuple[str, Purpose, ProfileId | str, str]


class ReadAudit:
    """Reads that are not yet in the database, and the task that brings them there.

    Equal reads of one window (a quarter of a second) share a row that counts them. When the window is full,
    `room` says no and reads are refused: an unrecorded read would be worse than a late one.
    """

    def __init__(self, database: Engine, clock: Clock, *, capacity: int = _CAPACITY) -> None:
        self._database, self._clock, self._capacity = database, clock, capacity
        self._window: Counter[Entry] = Counter()

    def room(self) -> bool:
        """Say whether another read can be recorded."""
        return len(self._window) < self._capacity

    def waiting(self) -> int:
        """Return how many rows are not yet in the database."""
        return len(self._window)

    def note(self, key_id: str, purpose: Purpose, profile_id: ProfileId | str, decision: str) -> None:
        """Remember one read until the next batch."""
        self._window[key_id, purpose, profile_id, decision] += 1

    def flush(self) -> int:
        """Write what waits and return how many rows that were; what cannot be written waits on."""
        return self._write(self._taken())

    async def run(self) -> None:
        """Flush for ever, a few times a second, writing in a thread; a last time when cancelled."""
        try:
            while True:
                await asyncio.sleep(_PAUSE)
                # The window changes hands here, in the loop's own thread, where `note` fills it too.
                await asyncio.to_thread(self._write, self._taken())
        finally:
            self.flush()

    def _taken(self) -> Counter[Entry]:
        window, self._window = self._window, Counter()
        return window

    def _write(self, window: Counter[Entry]) -> int:
        at = self._clock()
        rows = [
            {"at": at, "key_id": k, "purpose": p, "profile_id": i, "decision": d, "reads": n}
            for (k, p, i, d), n in window.items()
        ]
        if not rows:
            return 0
        try:
            with self._database.begin() as connection:
                connection.execute(insert(READ_AUDIT), rows)
        except SQLAlchemyError as error:
            self._window.update(window)
            LOG.warning("the audit of reads waits: %s", type(error).__name__)
            return 0
        return len(rows)
