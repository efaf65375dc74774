"""The audit of reads: who read which profile for what, written in batches beside the requests."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

from api.http.store import READ_AUDIT
from infra.clock import Clock
from infra.ids import ProfileId, Purpose

LOG = logging.getLogger("kindred.http")
_CAPACITY = 200_000
_PAUSE = 0.25
_ROW = 5_000

Window = dict[tuple[str, Purpose, str], list[str]]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a person, or several of one key within one window."""

    at: datetime
    key_id: str
    purpose: str
    decision: str
    reads: int


class ReadAudit:
    """Reads that are not yet in the database, and the task that brings them there.

    A window (a quarter of a second) becomes one row for each key, purpose and decision: a row a read would cost
    more than the read. When the window is full, `room` says no and reads are refused: an unrecorded read
    would be worse than a late one.
    """

    def __init__(self, database: Engine, clock: Clock, *, capacity: int = _CAPACITY) -> None:
        self._database, self._clock, self._capacity = database, clock, capacity
        self._window: Window = {}
        self._waiting = 0
        # Reads are noted in the loop's thread and in others; none may go into a window that is being written already.
        self._turn = threading.Lock()

    def room(self, reads: int = 1) -> bool:
        """Say whether so many more reads can be recorded."""
        return self._waiting + reads <= self._capacity

    def waiting(self) -> int:
        """Return how many reads are not yet in the database."""
        return self._waiting

    def note(self, key_id: str, purpose: Purpose, profile_id: ProfileId | str, decision: str) -> None:
        """Remember one read until the next batch; `-` stands for what is no profile."""
        kind = (key_id, purpose, decision)
        with self._turn:
            self._waiting += 1
            seen = self._window.get(kind)
            if seen is None:
                seen = self._window[kind] = []
            seen.append(profile_id or "-")

    def note_all(self, key_id: str, purpose: Purpose, ids: Sequence[ProfileId | str], decision: str) -> None:
        """Remember several reads of one key for one purpose, each as `note` would."""
        if not ids:
            return
        told = ids if all(ids) else [one or "-" for one in ids]
        with self._turn:
            self._waiting += len(ids)
            self._window.setdefault((key_id, purpose, decision), []).extend(told)

    def flush(self) -> None:
        """Write what waits; what cannot be written waits on."""
        self._write(self._taken())

    async def run(self) -> None:
        """Flush for ever, a few times a second, writing in a thread; a last time when cancelled."""
        try:
            while True:
                await asyncio.sleep(_PAUSE)
                window = self._taken()
                if not await asyncio.to_thread(self._written, window):
                    self._put_back(window)
        finally:
            self.flush()

    def _taken(self) -> Window:
        with self._turn:
            window, self._window, self._waiting = self._window, {}, 0
        return window

    def _put_back(self, window: Window) -> None:
        with self._turn:
            for kind, ids in window.items():
                self._window.setdefault(kind, []).extend(ids)
                self._waiting += len(ids)

    def _write(self, window: Window) -> None:
        if not self._written(window):
            self._put_back(window)

    def _written(self, window: Window) -> bool:
        rows = list(_rows(window, self._clock()))
        if not rows:
            return True
        try:
            with self._database.begin() as connection:
                connection.execute(insert(READ_AUDIT), rows)
        except SQLAlchemyError as error:
            LOG.warning("the audit of reads waits: %s", type(error).__name__)
            return False
        return True


def looks(database: Engine, profile_id: ProfileId) -> list[Look]:
    """Return who looked at a person, the oldest first: what a person may ask of us by right of access."""
    named = READ_AUDIT.c.profile_ids.contains(profile_id, autoescape=True)
    with database.connect() as connection:
        rows = connection.execute(select(READ_AUDIT).where(named).order_by(READ_AUDIT.c.id)).mappings().all()
    found = ((row, row["profile_ids"].split().count(profile_id)) for row in rows)
    return [Look(r["at"], r["key_id"], r["purpose"], r["decision"], count) for r, count in found if count]


def _rows(window: Window, at: datetime) -> Iterator[dict[str, object]]:
    for (key_id, purpose, decision), ids in window.items():
        for start in range(0, len(ids), _ROW):
            part = ids[start : start + _ROW]
            yield {
                "at": at,
                "key_id": key_id,
                "purpose": purpose,
                "decision": decision,
                "reads": len(part),
                "profile_ids": " ".join(part),
            }
