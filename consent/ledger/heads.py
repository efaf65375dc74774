"""Signed tree heads: that the ledger held so many leaves at a moment, and which."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, Engine, RowMapping, select

from consent.errors import NotSealed
from consent.ledger.documents import HEAD, signed
from consent.ledger.leaf import VERSION, written
from consent.ledger.schema import LEDGER_HEAD
from infra.signing import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A tree head as it was signed; the ledger's name was drawn with its first head and never changes."""

    ledger: str
    size: int
    root: str
    at: datetime
    key_id: str
    signature: str
    entries_through: int
    notes_through: int

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """Return the head of a row."""
        return cls(**row)

    def document(self) -> dict[str, Any]:
        """Return the head as others read and check it."""
        told = {"ledger": self.ledger, "size": self.size, "root": self.root, "at": written(self.at)}
        return {"kind": HEAD, "v": VERSION, **told, "key_id": self.key_id, "signature": self.signature}


def signed_head(ledger: str, size: int, root: bytes, at: datetime, signer: Signer) -> Mapping[str, Any]:
    """Return a head's document with its signature."""
    return signed(HEAD, {"ledger": ledger, "size": size, "root": root.hex(), "at": written(at)}, signer)


def newest(connection: Connection) -> Head | None:
    """Return the newest head, None where nothing was sealed yet."""
    row = connection.execute(select(LEDGER_HEAD).order_by(LEDGER_HEAD.c.size.desc()).limit(1)).mappings().first()
    return None if row is None else Head.of(row)


def newest_head(database: Engine) -> Head:
    """Return the newest head; raise `NotSealed` where nothing was sealed yet."""
    with database.connect() as connection:
        head = newest(connection)
    if head is None:
        raise NotSealed
    return head


def heads(database: Engine, *, before: int | None = None, limit: int = 100) -> list[Head]:
    """Return heads, the newest first; `before` is a size that the caller has come to."""
    query = select(LEDGER_HEAD).order_by(LEDGER_HEAD.c.size.desc()).limit(limit)
    if before is not None:
        query = query.where(LEDGER_HEAD.c.size < before)
    with database.connect() as connection:
        return [Head.of(row) for row in connection.execute(query).mappings()]
