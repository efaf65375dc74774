"""Keys at the door: a bounded memory of who holds which key, how fast each may ask, and who is let in."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.http.errors import PurposeRefused, ScopeRefused, TooFast, Unauthenticated
from api.http.keys import PREFIX, Credential, find_credential, revision, used_keys
from infra.clock import Clock, system_clock
from infra.ids import Purpose

LOG = logging.getLogger("kindred.http")
_REMEMBERED = 4096
_BEARER = b"bearer "


class Bucket:
    """A token bucket: `rate` requests a second, `burst` at once.

    What has flowed in is worked out only when the bucket is empty, so that most requests ask no clock; more than
    `burst` and what flowed in since never gets out.
    """

    __slots__ = ("_at", "_burst", "_left", "_rate", "_stopwatch")

    def __init__(self, rate: float, burst: float, stopwatch: Callable[[], float]) -> None:
        self._rate, self._burst, self._left, self._stopwatch = rate, burst, burst, stopwatch
        self._at = stopwatch()

    def wait(self, cost: float = 1.0) -> float:
        """Take one request, or as many as a call costs, and return 0; or return the seconds until they can be taken.

        What costs more than the whole bucket is let out of a full one, and the next wait the longer for it.
        """
        if self._left >= cost:
            self._left -= cost
            return 0.0
        needed = min(cost, self._burst)
        if self._left < needed:
            now = self._stopwatch()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < needed:
                return (needed - self._left) / self._rate
        self._left -= cost
        return 0.0

    @property
    def rate(self) -> float:
        """How many requests a second flow in."""
        return self._rate


class Holder:
    """A credential with its bucket, as the ring remembers it."""

    __slots__ = ("bucket", "credential", "key_id", "queries", "reads")

    def __init__(self, credential: Credential, bucket: Bucket) -> None:
        self.credential, self.bucket, self.key_id = credential, bucket, credential.key_id
        # What the fast path asks of every request, worked out once.
        self.reads = credential.purposes if credential.may("profile:read") else frozenset()
        self.queries = {f"purpose={purpose}": purpose for purpose in self.reads}


class KeyRing:
    """Who holds which key. Only keys that open something are remembered, and no more than a few thousand."""

    def __init__(
        self,
        database: Engine,
        *,
        rate: float = 5_000.0,
        burst: float = 10_000.0,
        stopwatch: Callable[[], float] = time.monotonic,
        clock: Clock = system_clock,
        bearer: Callable[[str, datetime], Credential] | None = None,
        share: int = 1,
    ) -> None:
        # One of so many processes that answer: each lets through its share of what a key may ask.
        self._database, self._rate, self._burst, self._share = database, rate, burst, share
        self._stopwatch, self._clock, self._bearer = stopwatch, clock, bearer
        self._used: set[str] = set()
        self._day = clock().date()
        self._holders: dict[bytes, Holder] = {}
        self._writers: dict[str, Holder] = {}
        self._buckets: dict[str, Bucket] = {}
        self._revision: tuple[int, str] | None = None

    def remembered(self, header: bytes | None) -> Holder | None:
        """Return a holder seen before, without asking the database."""
        return None if header is None else self._holders.get(header)

    def holder(self, header: bytes | None) -> Holder:
        """Return who sends this `Authorization` header; raise `Unauthenticated` for all that open nothing."""
        if header is None:
            raise Unauthenticated
        known, before = self._holders.get(header), self._revision
        if known is not None:
            return known
        if header[: len(_BEARER)].lower() != _BEARER:
            raise Unauthenticated
        shown = header[len(_BEARER) :].strip().decode("latin-1")
        if self._bearer is None or shown.startswith(PREFIX):
            credential = self.credential(shown)
            self._used.add(credential.key_id)
        else:
            credential = self._bearer(shown, self._clock())
        found = Holder(credential, self._bucket(credential))
        self._remember(self._holders, header, found, before)
        return found

    def writing(self, key: str) -> Holder | None:
        """Return the holder of a write key seen before, without asking the database."""
        return self._writers.get(key)

    def writer(self, key: str) -> Holder:
        """Return who holds a write key; raise `Unauthenticated` for all that is none. It asks the database."""
        before = self._revision
        credential = self.credential(key)
        if not credential.writes:
            raise Unauthenticated
        found = Holder(credential, self._bucket(credential))
        self._used.add(credential.key_id)
        self._remember(self._writers, key, found, before)
        return found

    def _remember(
        self, held: dict[Any, Holder], shown: bytes | str, found: Holder, before: tuple[int, str] | None
    ) -> None:
        """Remember a holder, unless a key was changed since the database was asked: it may have been this one."""
        if len(held) >= _REMEMBERED:
            held.clear()
        held[shown] = found
        # Last: whoever forgets all in another thread has said before that keys were changed.
        if before != self._revision:
            held.pop(shown, None)

    def credential(self, key: str) -> Credential:
        """Return whose key this is, always asking the database; raise `Unauthenticated` for none."""
        credential = find_credential(self._database, key, self._clock())
        if credential is None:
            raise Unauthenticated
        return credential

    def flush(self) -> None:
        """Forget everybody: the next request of each asks the database."""
        self._holders.clear()
        self._writers.clear()

    def refresh(self) -> None:
        """Flush if a key was made, rotated or revoked since the last look; run about once a second.

        Where the database cannot tell, everybody is forgotten: a key that was revoked meanwhile must not stay open.
        What has come to its end is forgotten too; and everybody at the turn of a day, so that their next use is told.
        """
        at = self._clock()
        try:
            self._tell_used(at)
            now = revision(self._database)
        except SQLAlchemyError as error:
            LOG.warning("keys cannot be looked at: %s", type(error).__name__)
            now = None
        if now is None or now != self._revision:
            self._revision = now
            self.flush()
        elif at.date() != self._day:
            self._day = at.date()
            self.flush()
        else:
            _forget_ended(self._holders, at)
            _forget_ended(self._writers, at)

    def _tell_used(self, at: datetime) -> None:
        used, self._used = self._used, set()
        if used:
            used_keys(self._database, used, at=at)

    def _bucket(self, credential: Credential) -> Bucket:
        if len(self._buckets) >= _REMEMBERED:
            self._buckets.clear()
        found = self._buckets.get(credential.key_id)
        rate = self._rate if credential.rate is None else float(credential.rate)
        if found is None:
            burst = self._burst if credential.rate is None else 2.0 * rate
            bucket = Bucket(rate / self._share, max(1.0, burst / self._share), self._stopwatch)
            found = self._buckets[credential.key_id] = bucket
        return found


def _forget_ended(holders: dict[Any, Holder], at: datetime) -> None:
    for shown, holder in list(holders.items()):
        ends = holder.credential.ends
        if ends is not None and ends <= at:
            holders.pop(shown, None)


def admit(holder: Holder, scope: str) -> Credential:
    """Return the credential of a caller that may do this now; raise `ScopeRefused` or `TooFast`."""
    wait = holder.bucket.wait()
    if wait:
        raise TooFast(wait, holder.bucket.rate)
    if not holder.credential.may(scope):
        raise ScopeRefused(scope)
    return holder.credential


def carried(credential: Credential, purpose: str) -> Purpose:
    """Return the purpose if the credential carries it; raise `PurposeRefused`."""
    if purpose not in credential.purposes:
        raise PurposeRefused(credential.purposes)
    return Purpose(purpose)
