"""What one purpose hears behind a place: only of people whom it may see now, or that it may not see any more."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from infra.database import writing
from infra.ids import ProfileId, Purpose
from profiles.changefeed import sealed, store
from profiles.changefeed.errors import PlaceGone, PlaceUnknown
from profiles.changefeed.places import Place
from profiles.changefeed.rule import Kind
from profiles.changefeed.store import Row
from profiles.changefeed.teller import Teller

# So many rows are looked at for one page; one whose purpose hears little has fewer entries, and goes on behind them.
_LOOKED_AT: Final = 5_000
_BATCH: Final = 500
# Nor does one page tell of more people than so many, and a batch, that they are hidden by now: each takes a look.
_TOLD: Final = 200


@dataclass(frozen=True, slots=True)
class Heard:
    """A change as a purpose hears it; `place` is behind it."""

    place: Place
    profile_id: str
    kind: Kind
    at: datetime
    version: str | None
    others: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """Return it as it is sent."""
        return {
            "id": self.place.cursor(),
            "profile_id": self.profile_id,
            "kind": self.kind,
            "version": self.version,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "others": list(self.others),
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Some changes, the place behind them, and whether there is more by now; `anew` where everybody is being shown."""

    changes: Sequence[Heard]
    following: Place
    more: bool
    anew: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """The feed of a workspace, to be read."""

    database: Engine
    teller: Teller
    key: bytes

    def newest(self) -> int:
        """Return the place behind the newest row: a question that may be asked often."""
        with self.database.connect() as connection:
            return store.newest(connection)

    def begin(self) -> Place:
        """Return the place of whoever has heard nothing yet."""
        feed = _feed(self.database)
        with self.database.connect() as connection:
            return Place(feed, 0, store.newest(connection))

    def place(self, cursor: str | None) -> Place:
        """Return the place that a cursor names; raise `PlaceUnknown`, or `PlaceGone` where rows behind it are gone."""
        if cursor is None:
            return self.begin()
        place = Place.read(cursor)
        if place.feed != _feed(self.database):
            raise PlaceUnknown
        with self.database.connect() as connection:
            least = place.until if place.anew else place.sequence
            if least < store.shortened(connection) or max(least, place.sequence) > store.newest(connection):
                raise PlaceGone
        return place

    def page(self, purpose: Purpose, place: Place, limit: int) -> Page:
        """Return at most so many changes behind a place."""
        found: list[Heard] = []
        at, looked_at, told = place, 0, 0
        while looked_at < _LOOKED_AT and told < _TOLD:
            rows, shown = self._shown(purpose, at)
            heard, hidden = self._heard(purpose, at, shown)
            told += hidden
            for one in heard:
                if len(found) == limit:
                    return Page(found, found[-1].place, more=True, anew=place.anew)
                found.append(one)
            looked_at += len(rows)
            if len(rows) == _BATCH:
                at = at.behind(rows[-1].sequence)
                continue
            if not at.anew:
                at = at.behind(rows[-1].sequence) if rows else at
                return Page(found, at, more=False, anew=place.anew)
            at = at.behind(at.until)  # everybody was shown; what came since is heard as it came
            if found:
                break
        return Page(found, at, more=True, anew=place.anew)

    def _shown(self, purpose: Purpose, place: Place) -> tuple[list[Row], list[Row]]:
        """Return the next rows behind a place, and those of them that concern a purpose."""
        with self.database.connect() as connection:
            rows = store.after(connection, place.sequence, _BATCH, place.until if place.anew else None)
            shown = [row for row in rows if purpose in (row.state if place.anew else row.news)]
            if place.anew:
                ids = sorted({row.profile_id for row in shown})
                newest = store.last_rows(connection, ids, place.until)
                shown = [row for row in shown if newest[row.profile_id].sequence == row.sequence]
        return rows, shown

    def _heard(self, purpose: Purpose, place: Place, shown: Sequence[Row]) -> tuple[list[Heard], int]:
        """Return what a purpose hears of some rows, and of how many people was told on the way that they are hidden."""
        named = {row.profile_id for row in shown if purpose in row.state}
        if not place.anew:
            named |= {other for row in shown for other in row.news[purpose].others}
        visible, hidden = self._visible(purpose, named)
        heard = [
            heard
            for row in shown
            if (purpose not in row.state or row.profile_id in visible)
            and (heard := self._one(purpose, place, row, visible)) is not None
        ]
        return heard, hidden

    def _one(self, purpose: Purpose, place: Place, row: Row, visible: frozenset[str]) -> Heard | None:
        profile_id = sealed.opened(self.key, row.profile_id)
        if profile_id is None:
            return None
        behind = Place(place.feed, row.sequence, place.until) if place.anew else place.behind(row.sequence)
        if place.anew:
            return Heard(behind, profile_id, "created", row.at, row.state[purpose], ())
        news = row.news[purpose]
        others = tuple(one for one in news.others if one in visible)
        # Of somebody who was merged into one that may not be seen any more, it hears as of any other who is hidden.
        kind = "consent" if news.others and not others else news.kind
        return Heard(behind, profile_id, kind, row.at, news.version, others)

    def _visible(self, purpose: Purpose, ids: Iterable[str]) -> tuple[frozenset[str], int]:
        """Return whom a purpose may see at this moment, by what was told of them last, and how many were hidden.

        Whoever was closed to it a moment ago is told first: a change is passed over only where another comes that
        says why. No connection is held meanwhile: the teller takes one of its own, and may wait for it.
        """
        wanted = sorted(ids)
        if not wanted:
            return frozenset(), 0
        seen = self.teller.seen()
        hidden = [one for one in wanted if seen.tagged(ProfileId(one), purpose) is None]
        self.teller.tell(hidden)
        with self.database.connect() as connection:
            last = store.last(connection, wanted)
        return frozenset(one for one in wanted if one in last and purpose in last[one].state), len(hidden)


def _feed(database: Engine) -> bytes:
    """Return the mark of this feed, which is drawn once: another database's cursors are none of it."""
    with database.connect() as connection:
        held = store.mark(connection, store.FEED)
    if held is None:
        with writing(database) as other:
            held = store.mark(other, store.FEED)
            if held is None:
                held = secrets.token_hex(8)
                store.put_mark(other, store.FEED, held)
    return bytes.fromhex(held)
