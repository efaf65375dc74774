"""Erasure from past views: whoever is erased goes, with every view of anybody that rests on a record of theirs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Engine

from consent.erasure.ports import Places, Plan, Subject
from consent.residue.model import Place
from infra.database import writing
from infra.workspace import Workspace
from profiles.history import store
from profiles.history.copying import FOLDER, forget_copies
from profiles.history.store import PROFILE_BODY, PROFILE_HISTORY

_ROWS: Final = 1_000


class PastViews:
    """`Erasable` by what was seen. Views of others that rest on what is erased go whole: none is cut down."""

    name = "history"

    def __init__(self, database: Engine, workspace: Workspace) -> None:
        self._database, self._workspace = database, workspace

    def places(self) -> Places:
        """Return the tables; what is packed in them is searched as it was before it was packed."""
        root = self._workspace.state_path / "history"
        return Places(
            database=(PROFILE_HISTORY.name, PROFILE_BODY.name),
            state=(FOLDER,),
            scanned=(Place(store="history", kind="files", root=root),),
        )

    def plan(self, subject: Subject) -> Plan:
        """Return how many rows are the person's, or rest on what is theirs."""
        with self._database.connect() as connection:
            ids = frozenset(subject.ids)
            rows = sum(1 for row in _every(connection) if row.profile_id in ids or _names(row, ids))
        return Plan(store=self.name, rows={PROFILE_HISTORY.name: rows})

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        """Take out all of the person, and of others what rests on the person's records or names them."""
        ids, others, behind = frozenset(subject.ids), 0, 0
        with writing(self._database) as connection:
            count = store.drop(connection, subject.ids)
        while True:
            # Read under the lock: what another took out of a row meanwhile must not come back with it.
            with writing(self._database) as connection:
                rows = store.everybody(connection, behind, _ROWS)
                if not rows:
                    return {"rows": count, "of others": others}
                some = [row for row in rows if _names(row, ids)]
                for row in some:
                    store.rewrite(connection, row.sequence, row.state.without(ids, ids))
                store.tidy(connection, sorted({row.profile_id for row in some}))
            others, behind = others + len(some), rows[-1].sequence

    def purge(self, subject: Subject) -> None:  # noqa: ARG002 - every store's shape
        """Remove what a search that was cut off laid out; the database is written anew with all its tables."""
        forget_copies(self._workspace)

    def expire(self, subject: Subject) -> None:
        """Do nothing: nothing older is kept."""


def _names(row: store.Row, ids: frozenset[str]) -> bool:
    rest = (one.records for one in row.state.views.values() if one is not None)
    return not ids.isdisjoint(row.state.heirs) or any(not ids.isdisjoint(one) for one in rest)


def _every(connection: Connection) -> Iterator[store.Row]:
    behind = 0
    while rows := store.everybody(connection, behind, _ROWS):
        yield from rows
        behind = rows[-1].sequence
