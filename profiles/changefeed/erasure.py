"""Erasure from the change feed: who follows it must still hear that somebody is gone, and nobody else of whom."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Engine, delete, update

from consent.erasure.ports import Notice, Places, Plan, Subject
from consent.overlay import DenyOverlay
from infra.database import writing
from infra.workspace import Workspace
from profiles.changefeed import store
from profiles.changefeed.followers import told
from profiles.changefeed.rule import News
from profiles.changefeed.sealed import sealed
from profiles.changefeed.store import CHANGE_FOLLOWER, CHANGE_MARK, CHANGE_NOTICE, PROFILE_CHANGE, Row
from profiles.changefeed.teller import Teller

_WITHOUT: Final[Mapping[str, str]] = {
    CHANGE_MARK.name: "what the feed knows of itself",
    CHANGE_FOLLOWER.name: "who follows the feed, and how far they have come",
    CHANGE_NOTICE.name: "which rows of the feed its followers were told and have acknowledged",
}
_STATE: Final = "changes"  # the lock of whoever sends it
_STAYS: Final = (
    "that ids of theirs are to be let go of, sealed under the workspace's key, for who follows the feed; until it is "
    "shortened"
)


class ChangesTold:
    """`Erasable` by the feed. What was told of the person goes; that they are gone stays, under sealed ids."""

    name = "changes"

    def __init__(self, database: Engine, workspace: Workspace, teller: Callable[[DenyOverlay], Teller]) -> None:
        self._database, self._workspace, self._teller = database, workspace, teller

    def places(self) -> Places:
        """Return the feed's tables; the database is searched with its other tables."""
        return Places(database=(PROFILE_CHANGE.name, *_WITHOUT), state=(_STATE,), without=_WITHOUT)

    def plan(self, subject: Subject) -> Plan:
        """Return how many changes of the person the feed has."""
        rows = len(self._rows(subject))
        return Plan(store=self.name, rows={PROFILE_CHANGE.name: rows}, stays={"ids": _STAYS} if rows else {})

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Tell that the person is erased, where nobody has, and leave of them only what is to be forgotten."""
        overlay = DenyOverlay.open(self._workspace.serving_path)
        try:
            self._teller(overlay).tell(subject.profile_ids)
        finally:
            overlay.close()
        rows, ids, key = self._rows(subject), frozenset(subject.ids), self._workspace.token_key()
        with writing(self._database) as connection:
            for row in rows:
                mine, kept = PROFILE_CHANGE.c.sequence == row.sequence, _forgotten(row, ids)
                if not kept:
                    connection.execute(delete(PROFILE_CHANGE).where(mine))
                    continue
                said = {"profile_id": sealed(key, row.profile_id), "purposes": store.packed(kept, {})}
                connection.execute(update(PROFILE_CHANGE).where(mine).values(**said))
            for row in store.naming(connection):
                named = {one for news in row.news.values() for one in news.others}
                if not ids.isdisjoint(named):
                    said = {"purposes": store.packed(_unnamed(row, ids), row.state)}
                    mine = PROFILE_CHANGE.c.sequence == row.sequence
                    connection.execute(update(PROFILE_CHANGE).where(mine).values(**said))
        return {"changes": len(rows)}

    def purge(self, subject: Subject) -> None:
        """Do nothing: the database is written anew with all its tables."""

    def expire(self, subject: Subject) -> None:
        """Do nothing: what is to be forgotten goes when the feed is shortened."""

    def notify(self, subject: Subject) -> tuple[Notice, ...]:
        """Return who follows the feed, for a purpose that knew the person, and whether they say that it is done."""
        key = self._workspace.token_key()
        return tuple(
            Notice(
                recipient=one.recipient,
                notified_at=one.told_at or one.waits_since,
                acknowledged_at=one.acknowledged_at,
                outcome="deleted" if one.acknowledged_at else "told" if one.told_at else "has not asked yet",
            )
            for one in told(self._database, [sealed(key, one) for one in subject.ids])
        )

    def _rows(self, subject: Subject) -> list[Row]:
        with self._database.connect() as connection:
            return list(store.of_people(connection, subject.ids))


def _forgotten(row: Row, ids: frozenset[str]) -> dict[str, News]:
    """Return of a change only what lets somebody go."""
    return {purpose: one for purpose, one in _unnamed(row, ids).items() if one.version is None}


def _unnamed(row: Row, ids: frozenset[str]) -> dict[str, News]:
    """Return the news of a change without the ids of somebody; whom nobody answers for any more is to be let go of."""
    return {purpose: _without(one, ids) for purpose, one in row.news.items()}


def _without(one: News, ids: frozenset[str]) -> News:
    others = tuple(other for other in one.others if other not in ids)
    return News("consent" if one.others and not others else one.kind, one.version, others)
