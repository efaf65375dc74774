"""Which events were seen before, by source and message id: remembered for two days, as a digest and where it stood."""

import hashlib
from datetime import date, timedelta
from typing import Final

import orjson

from infra.keyvalue import LmdbStore
from ingestion.live import LiveEvent
from profiles.online.apply import EventPlace

# Segment remembers about a day; a resend of a device that was asleep comes later, and is told apart by the next run.
_DAYS: Final = 2


class Seen:
    """`Doubles` in a store of its own: a publication does not make what was sent before be news again.

    The first of a message id is the one that stands first in its part of the log, so that reading the log again from
    any place, in pieces of any size, tells the same event for it. Parts have no order among them: there it is the one
    that was met first, and stays it.
    """

    def __init__(self, store: LmdbStore, secret: bytes) -> None:
        self._store, self._secret = store, secret[:64]
        self._fresh: dict[bytes, bytes] = {}
        self._day: date | None = None

    def first(self, event: LiveEvent, place: EventPlace) -> bool:
        """Say whether an event that stands at this place is the first of its message id; remember it."""
        day, name = event.received_at.date(), f"{event.source}\x1f{event.message_id}".encode()
        digest = hashlib.blake2b(name, key=self._secret, digest_size=16).digest()
        keys = [_key(day - timedelta(days=back), digest) for back in range(_DAYS)]
        told = [raw for key in keys if (raw := self._fresh.get(key) or self._store.get(key)) is not None]
        before = min((tuple(orjson.loads(raw)) for raw in told), default=None)
        if before is not None and before[0] != place[0]:
            return False
        if before is None or place < before:
            self._fresh[keys[0]] = orjson.dumps(place)
            self._day = max(day, self._day or day)
        return before is None or place <= before

    def keep(self) -> None:
        """Write down what is new, and forget what is too old."""
        if not self._fresh:
            return
        with self._store.change() as change:
            for key, value in self._fresh.items():
                change.put(key, value)
        self._fresh.clear()
        self._forget()

    def _forget(self) -> None:
        if self._day is None:
            return
        border = _key(self._day - timedelta(days=_DAYS), b"")
        first = next((key for key, _ in self._store.items(b"")), border)
        if first >= border:
            return
        gone = [key for key, _ in self._store.items(b"") if key < border]
        with self._store.change() as change:
            for key in gone:
                change.delete(key)


def _key(day: date, digest: bytes) -> bytes:
    return b"%010d" % day.toordinal() + digest
