"""What a purpose saw at a moment: found as it was kept, and shown as it was or not at all."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, Engine

from infra.clock import Clock
from infra.ids import ProfileId, Purpose
from profiles import render
from profiles.changefeed.teller import Teller
from profiles.history import store
from profiles.history.errors import MomentAhead, MomentNotKept, PastWithheld
from profiles.history.keeping import Keeper
from profiles.history.rule import Kept, may_show


@dataclass(frozen=True, slots=True)
class Then:
    """A view that was there at a moment: under which id, what it rests on, and its answer where that is still kept."""

    profile_id: ProfileId
    kept: Kept | None
    body: bytes | None

    def shown(self, usable: Collection[str], moment: datetime, remasked: Callable[[bytes], bytes]) -> bytes:
        """Return the answer as of the moment to a purpose that may use these records now.

        Raise `PastWithheld` where it rests on any other.
        """
        if self.body is None or not may_show(self.kept, usable):
            raise PastWithheld
        view = orjson.loads(remasked(self.body))
        return orjson.dumps({**view, "as_of": render.moment(moment)}, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Past:
    """The past views of a workspace, to be read."""

    database: Engine
    keeper: Keeper
    clock: Clock
    teller: Teller | None = None

    def check(self, moment: datetime) -> None:
        """Raise `MomentAhead` or `MomentNotKept` for a moment of which nothing can be told of anybody."""
        now = self.clock()
        if moment > now:
            raise MomentAhead
        with self.database.connect() as connection:
            begins = store.begins(connection) if self.keeper.keep else None
        if begins is None:
            raise MomentNotKept(None)
        begins = max(begins, now - self.keeper.keep)
        if moment < begins:
            raise MomentNotKept(begins)

    def then(self, ids: Iterable[ProfileId], purpose: Purpose, moment: datetime) -> Then | None:
        """Return what a purpose saw at a moment under the first of the ids, or None where it saw nobody.

        A publication whose telling is under way has been kept of all the ids before anything is looked up: nobody sees
        half of it.
        """
        names = tuple(dict.fromkeys(ids))
        self._caught_up(names, moment)
        with self.database.connect() as connection:
            return _then(connection, names[0], purpose, moment)

    def _caught_up(self, ids: Iterable[ProfileId], moment: datetime) -> None:
        if self.teller is None or not self.teller.behind():
            return
        name = self.teller.generations.name()
        if name is not None and moment >= (since := self.teller.served_since(name)):
            self.teller.tell(ids, since)


def _then(connection: Connection, profile_id: ProfileId, purpose: Purpose, moment: datetime) -> Then | None:
    row = store.at(connection, profile_id, moment)
    if row is not None and purpose not in row.state.views and row.state.heirs:
        ends = list(_ends(connection, row, moment, {profile_id}).values())
        row = ends[0] if len(ends) == 1 else None
    if row is None or purpose not in row.state.views:
        return None
    kept = row.state.views[purpose]
    body = None if kept is None else _body(connection, row.profile_id, purpose, kept)
    return Then(ProfileId(row.profile_id), kept, body)


def _ends(connection: Connection, row: store.Row, moment: datetime, met: set[str]) -> dict[str, store.Row | None]:
    """Return who answered for a given-up id, each with how they stood, as a read does (`profiles.serving.heirs_of`)."""
    found: dict[str, store.Row | None] = {}
    for heir in row.state.heirs:
        if heir not in met:
            met.add(heir)
            theirs = store.at(connection, heir, moment)
            farther = {} if theirs is None or theirs.state.views else _ends(connection, theirs, moment, met)
            found |= farther or {heir: theirs}
    return found


def _body(connection: Connection, profile_id: str, purpose: str, kept: Kept) -> bytes | None:
    """Return an answer, where what lies under its number is still of its version."""
    body = store.bodies(connection, profile_id, kept.number).get(purpose)
    return body if body is not None and kept.version.encode() in body else None
