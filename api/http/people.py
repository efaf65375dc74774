"""How many different people a key may read in a day: a key in wrong hands must not carry everybody away.

What was read stands in the audit, which every server writes and nobody can leave out, so it is counted there: after a
restart and beside other servers a key's day goes on where it was, within a second or two.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from api.http.errors import DayFull
from api.http.keys import Credential
from api.http.store import READ_AUDIT
from infra.clock import Clock
from infra.ids import ProfileId

LOG = logging.getLogger("kindred.http")
PEOPLE_PER_DAY = 100_000
# What a look at a person is called in the audit that shows no profile and still tells of them.
EXPLAINED: Final = "explained"
DECIDED_FOR: Final = "decided for"
_SEEN: Final = ("allowed", EXPLAINED, DECIDED_FOR)
# Rows of other servers may be seen out of their order; so many before the newest are looked at again.
_OVERLAP = 64


class People:
    """Whom each key has read today, as numbers of eight bytes: about 70 bytes of memory a person, up to its limit.

    The numbers are this process's own (a string's hash), so they are counted anew after a restart and never stored.
    """

    def __init__(self, database: Engine, clock: Clock, limit: int = PEOPLE_PER_DAY) -> None:
        self._database, self._clock, self._limit = database, clock, limit
        self._day = clock().astimezone(UTC).date()
        self._seen: dict[str, set[int]] = {}
        self._newest: int | None = None
        # Rows within the overlap that are counted already: each names thousands, and reading it again would cost
        # more than all the reads that it tells of.
        self._counted: set[int] = set()

    def admits(self, credential: Credential, profile_id: ProfileId) -> bool:
        """Count a person and say yes, or say no where that would be one more than the key may read today."""
        seen = self._of(credential.key_id)
        mark = hash(profile_id)
        if mark in seen:
            return True
        if len(seen) >= self._may(credential):
            return False
        seen.add(mark)
        return True

    def admit(self, credential: Credential, ids: Iterable[ProfileId]) -> None:
        """Count people; raise `DayFull`, and count none of them, where that would be more than the key may read."""
        seen = self._of(credential.key_id)
        new = set(map(hash, ids)) - seen
        if new and len(seen) + len(new) > self._may(credential):
            now = self._clock().astimezone(UTC)
            midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
            raise DayFull((midnight - now).total_seconds(), self._may(credential))
        seen |= new

    def room(self, credential: Credential, people: int) -> bool:
        """Say whether a key may read so many more people today, whoever they are."""
        return len(self._of(credential.key_id)) + people <= self._may(credential)

    def today(self, key_id: str) -> int:
        """Return how many people a key has read today."""
        return len(self._of(key_id))

    def refresh(self) -> None:
        """Begin a new day where one has begun, and count what the audit has gained; run about once a second."""
        today = self._clock().astimezone(UTC).date()
        if today != self._day:
            self._day, self._seen, self._newest, self._counted = today, {}, None, set()
        try:
            self._count()
        except SQLAlchemyError as error:
            # What was counted stays counted, and no read happens that the audit does not tell later.
            LOG.warning("people read are counted here alone for now: %s", type(error).__name__)

    def _count(self) -> None:
        row = READ_AUDIT.c
        # A row of yesterday may lie within the overlap; it is no row of today.
        today = row.at >= datetime.combine(self._day, time(), UTC)
        asked = select(row.id, row.key_id, row.profile_ids).where(row.decision.in_(_SEEN), today).order_by(row.id)
        if self._newest is not None:
            asked = asked.where(row.id > self._newest - _OVERLAP, row.id.not_in(sorted(self._counted)))
        with self._database.connect() as connection:
            for number, key_id, ids in connection.execute(asked):
                self._newest = max(number, self._newest or 0)
                self._counted.add(number)
                self._of(key_id).update(map(hash, ids.split()))
        if self._newest is not None:
            self._counted = {number for number in self._counted if number > self._newest - _OVERLAP}

    def _may(self, credential: Credential) -> int:
        return self._limit if credential.people_per_day is None else credential.people_per_day

    def _of(self, key_id: str) -> set[int]:
        found = self._seen.get(key_id)
        return self._seen.setdefault(key_id, set()) if found is None else found
