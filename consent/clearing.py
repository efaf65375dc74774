"""Refusals that were borrowed from somebody who turned out to be another, and who let go of them.

A merge lends a person every refusal of the other. When the two come apart the grants are gone at once and the refusals
stay, until an officer says that they were never this person's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Engine, String, Table, select

from consent.store import METADATA
from infra.database import UtcDateTime, writing
from infra.ids import RecordKey, Sid

CONSENT_CLEARING: Final = Table(
    "consent_clearing",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("record_key", String(64), nullable=False),
    Column("sid", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("reason", String(400), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Clearing:
    """A record that answers no longer for what was said under a sid up to a moment."""

    record_key: RecordKey
    sid: Sid
    at: datetime


def clear(database: Engine, clearings: Iterable[tuple[str, Clearing]], *, actor: str, reason: str) -> int:
    """Write clearings down, each under an id, and return how many; the next build obeys them."""
    rows = [
        {"id": name, "record_key": one.record_key, "sid": one.sid, "at": one.at, "actor": actor, "reason": reason}
        for name, one in clearings
    ]
    if rows:
        with writing(database) as connection:
            connection.execute(CONSENT_CLEARING.insert(), rows)
    return len(rows)


def clearings(database: Engine) -> list[Clearing]:
    """Return every clearing, the oldest first."""
    query = select(CONSENT_CLEARING).order_by(CONSENT_CLEARING.c.at, CONSENT_CLEARING.c.id)
    with database.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [Clearing(RecordKey(row["record_key"]), Sid(row["sid"]), row["at"]) for row in rows]
