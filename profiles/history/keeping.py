"""Keeping what was seen: the teller hands on how people stand, and what is news is kept in the same transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, Engine

from infra.database import writing
from profiles.history import rule, store
from profiles.history.rule import Looked, State

# So many rows are taken out under one lock: what others have to write waits that long.
_TOGETHER: Final = 500
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Past views of a workspace, kept for so long; for no time at all where nothing is to be kept."""

    keep: timedelta

    def note(self, connection: Connection, people: Mapping[str, Looked], moment: datetime) -> int:
        """Keep how people stand from a moment on, where that is news; return of how many it was.

        The same again keeps nothing more, so who was killed on the way does it once more.
        """
        if not self.keep:
            if store.begins(connection) is not None:
                store.begin(connection, None)  # what is kept from another time says nothing of this one
            return 0
        last = store.last(connection, sorted(people))
        told = {one: now for one, now in people.items() if rule.news(last[one].state if one in last else None, now)}
        known = _known(connection, told)
        number, rows, bodies = store.newest_number(connection), [], []
        for one, now in told.items():
            mine = known.get(one, {})
            fresh = {p: seen.body for p, seen in now.shown.items() if (p, seen.version) not in mine}
            if fresh:
                number += 1
                bodies.append((number, one, fresh))
            # A publication is told later than it was served; nobody's rows go back in time for that.
            since = max(moment, last[one].since) if one in last else moment
            rows.append((one, since, rule.state(now, mine, number)))
        store.put_bodies(connection, bodies)
        store.append(connection, rows)
        return len(rows)

    def whole(self, connection: Connection) -> bool:
        """Say whether everybody has been kept at least once, so that only what changes is to be kept."""
        return not self.keep or store.begins(connection) is not None

    def begin(self, connection: Connection, moment: datetime) -> None:
        """Say that everybody has been kept, where nobody has said so before."""
        if not self.whole(connection):
            store.begin(connection, moment)

    def shorten(self, engine: Engine, now: datetime) -> int:
        """Take out what held no longer when the period began, once a day; return how many rows that were."""
        before = now - self.keep
        with engine.connect() as connection:
            begins = store.begins(connection)
        if not self.keep:
            with writing(engine) as connection:
                store.begin(connection, None)
                return store.clear(connection)
        if begins is None or before - begins < _DAY:
            return 0
        count = 0
        while True:
            with writing(engine) as connection:
                store.begin(connection, before)
                old = store.overtaken(connection, before, _TOGETHER)
                store.remove(connection, [sequence for sequence, _ in old])
                store.tidy(connection, sorted({one for _, one in old}))
            count += len(old)
            if len(old) < _TOGETHER:
                return count


def _known(connection: Connection, people: Mapping[str, Looked]) -> dict[str, dict[tuple[str, str], int]]:
    """Return where the answers lie that were kept of people before, by purpose and version."""
    found: dict[str, dict[tuple[str, str], int]] = {}
    rows = sorted(store.of_people(connection, sorted(people)), key=lambda row: row.profile_id)
    for one, mine in groupby(rows, key=lambda row: row.profile_id):
        found[one] = {at: number for row in mine for at, number in _answers(row.state)}
    return found


def _answers(told: State) -> list[tuple[tuple[str, str], int]]:
    return [((purpose, one.version), one.number) for purpose, one in told.views.items() if one is not None]
