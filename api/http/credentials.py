"""Keys at the door: a bounded memory of who holds which key, how fast each may ask, and who is let in."""

import logging
import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.http.errors import PurposeRefused, ScopeRefused, TooFast, Unauthenticated
from api.http.keys import Credential, find_credential, revision
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

    def wait(self) -> float:
        """Take one request and return 0, or return the seconds until there is one to take."""
        if self._left < 1.0:
            now = self._stopwatch()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1.0:
                return (1.0 - self._left) / self._rate
        self._left -= 1.0
        return 0.0


class Holder:
    """A credential with its bucket, as the ring remembers it."""

    __slots__ = ("bucket", "credential", "key_id", "queries", "reads")

    def __init__(self, credential: Credential, bucket: Bucket) -> None:
        self.credential, self.bucket, self.key_id = credential, bucket, credential.key_id
        # What the fast path asks of every request, worked out once.
        self.reads = credential.purposes if credential.may("profile:read") else frozenset()
        self.queries = {f"purpose={purpose}".encode(): purpose for purpose in self.reads}


class KeyRing:
    """Who holds which key. Only keys that open something are remembered, and no more than a few thousand."""

    def __init__(
        self,
        database: Engine,
        *,
        rate: float = 5_000.0,
        burst: float = 10_000.0,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._rate, self._burst = database, rate, burst
        self._stopwatch = stopwatch
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
        known = self._holders.get(header)
        if known is not None:
            return known
        if header[: len(_BEARER)].lower() != _BEARER:
            raise Unauthenticated
        credential = self.credential(header[len(_BEARER) :].strip().decode("latin-1"))
        found = Holder(credential, self._bucket(credential.key_id))
        if len(self._holders) >= _REMEMBERED:
            self._holders.clear()
        self._holders[header] = found
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
        found = Holder(credential, self._bucket(credential.key_id))
        if len(self._writers) >= _REMEMBERED:
            self._writers.clear()
        if before == self._revision:  # else it may have been revoked between the question and now
            self._writers[key] = found
        return found

    def credential(self, key: str) -> Credential:
        """Return whose key this is, always asking the database; raise `Unauthenticated` for none."""
        credential = find_credential(self._database, key)
        if credential is None:
            raise Unauthenticated
        return credential

    def flush(self) -> None:
        """Forget everybody: the next request of each asks the database."""
        self._holders.clear()
        self._writers.clear()

    def refresh(self) -> None:
        """Flush if a key was made or revoked since the last look; run about once a second.

        Where the database cannot tell, everybody is forgotten: a key that was revoked meanwhile must not stay open.
        """
        try:
            now = revision(self._database)
        except SQLAlchemyError as error:
            LOG.warning("keys cannot be looked at: %s", type(error).__name__)
            now = None
        if now is None or now != self._revision:
            self._revision = now
            self.flush()

    def _bucket(self, key_id: str) -> Bucket:
        if len(self._buckets) >= _REMEMBERED:
            self._buckets.clear()
        return self._buckets.setdefault(key_id, Bucket(self._rate, self._burst, self._stopwatch))


def admit(holder: Holder, scope: str) -> Credential:
    """Return the credential of a caller that may do this now; raise `ScopeRefused` or `TooFast`."""
    wait = holder.bucket.wait()
    if wait:
        raise TooFast(wait)
    if not holder.credential.may(scope):
        raise ScopeRefused(scope)
    return holder.credential


def carried(credential: Credential, purpose: str) -> Purpose:
    """Return the purpose if the credential carries it; raise `PurposeRefused`."""
    if purpose not in credential.purposes:
        raise PurposeRefused(credential.purposes)
    return Purpose(purpose)
