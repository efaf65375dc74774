"""Entries from before there was a sealer: in sealing they get a leaf, and their evidence goes under keys."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from consent.ledger import vault
from consent.ledger.leaf import entry_fields, leaf_of
from consent.ledger.schema import CONSENT_EVENT, forbid_changes, permit_change
from consent.ledger.subject_keys import SubjectKeys


def complete(connection: Connection, keys: SubjectKeys | None, sequences: Sequence[int]) -> None:
    """Give entries that were written without one their leaf, in the caller's transaction.

    It is the one change that is ever made to an entry, and only before it is sealed; the triggers are away for as long
    as nobody else can write. Evidence that stood in the clear is raised as `KeysMissing` where it cannot be hidden.
    """
    query = select(CONSENT_EVENT).where(CONSENT_EVENT.c.sequence.in_(sequences), CONSENT_EVENT.c.leaf.is_(None))
    rows = connection.execute(query).mappings().all()
    if not rows:
        return
    hidden = vault.hidden(keys, [(row["sid"], row["evidence"]) for row in rows])
    changes: list[dict[str, Any]] = [
        {"row": row["sequence"], "evidence": None, **private, "leaf": leaf_of(entry_fields(row), private["commitment"])}
        for row, private in zip(rows, hidden, strict=True)
    ]
    changed = update(CONSENT_EVENT).where(CONSENT_EVENT.c.sequence == bindparam("row"))
    columns = ("evidence", "commitment", "private", "leaf")
    permit_change(connection, CONSENT_EVENT.name)
    connection.execute(changed.values({column: bindparam(column) for column in columns}), changes)
    forbid_changes(connection, CONSENT_EVENT.name)
