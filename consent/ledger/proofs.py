"""Proofs from the stored tiles: that an entry is in the ledger, and that nothing of an earlier ledger was changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, select

from consent.errors import NotSealed, UnknownEntry
from consent.ledger import heads, merkle
from consent.ledger.heads import Head
from consent.ledger.leaf import CONSENT, NOTE, entry_fields, note_fields
from consent.ledger.schema import CONSENT_EVENT, IDENTIFIER_INDEX, LEDGER_HEAD, LEDGER_LEAF, LEDGER_NOTE
from consent.ledger.stored import stored
from consent.ledger.tiles import around
from infra.errors import Malformed


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry at its place in the tree, with the proof that leads to a signed head."""

    sequence: int
    fields: Mapping[str, Any]
    commitment: bytes | None
    private: bytes | None
    path: tuple[bytes, ...]
    head: Head

    def document(self) -> dict[str, Any]:
        """Return leaf, proof and head as others check them."""
        commitment = None if self.commitment is None else self.commitment.hex()
        return {
            "leaf": {"sequence": self.sequence, "fields": dict(self.fields), "commitment": commitment},
            "proof": [one.hex() for one in self.path],
            "head": self.head.document(),
        }


def proven(database: Engine, entry_id: str) -> Proven:
    """Return an entry or a note with its proof; raise `UnknownEntry`, or `NotSealed` where it awaits the sealer.

    An entry whose identifier was unlinked for good is unknown: nobody can ask for it any more.
    """
    with database.connect() as connection:
        row, is_note = _row(connection, entry_id)
        at = select(LEDGER_LEAF.c.sequence).where(LEDGER_LEAF.c.id == entry_id)
        at = at.where(LEDGER_LEAF.c.kind == (NOTE if is_note else CONSENT))
        place = connection.execute(at).scalar_one_or_none()
        head = heads.newest(connection)
        if place is None or head is None or place >= head.size:
            raise NotSealed
        path = merkle.inclusion(place, head.size, stored(connection, around(place, head.size), head.size).node)
    if is_note:
        return Proven(place, note_fields(row), None, None, path, head)
    return Proven(place, entry_fields(row), row["commitment"], row["private"], path, head)


def _row(connection: Connection, entry_id: str) -> tuple[RowMapping, bool]:
    linked = select(CONSENT_EVENT).join(IDENTIFIER_INDEX, IDENTIFIER_INDEX.c.sid == CONSENT_EVENT.c.sid)
    row = connection.execute(linked.where(CONSENT_EVENT.c.id == entry_id)).mappings().first()
    if row is not None:
        return row, False
    row = connection.execute(select(LEDGER_NOTE).where(LEDGER_NOTE.c.id == entry_id)).mappings().first()
    if row is None:
        raise UnknownEntry
    return row, True


def consistency(database: Engine, first: int, second: int | None = None) -> dict[str, Any]:
    """Return the proof that the ledger of one head's size is the beginning of another's, the newest by default."""
    with database.connect() as connection:
        newer = heads.newest(connection) if second is None else _head(connection, second)
        if newer is None:
            raise NotSealed
        older = _head(connection, first)
        if older.size > newer.size:
            raise Malformed("the first size is greater than the second; name the older head first")
        near = stored(connection, around(older.size - 1, newer.size), newer.size)
        path = merkle.consistency(older.size, newer.size, near.node)
    return {"first": older.document(), "second": newer.document(), "proof": [one.hex() for one in path]}


def _head(connection: Connection, size: int) -> Head:
    row = connection.execute(select(LEDGER_HEAD).where(LEDGER_HEAD.c.size == size)).mappings().first()
    if row is None:
        raise Malformed("no head was signed at this size; `GET /v1/consent/heads` lists those that were")
    return Head.of(row)
