"""Fixes in the database: who made which rules when and why; and who looked at rejected people's values.

They stand here and not in files because rules may repeat people's values: this store overwrites what it deletes, a
workspace's files are copied and kept in version control.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from infra.database import UtcDateTime, writing
from infra.errors import Missing
from ingestion.quarantine.patch import Fix
from ingestion.quarantine.rules import FixRules

METADATA = sa.MetaData()

FIX = sa.Table(
    "quarantine_fix",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("rules", sa.JSON, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
)
REVEALED = sa.Table(
    "quarantine_revealed",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("wanted", sa.JSON, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
)


class UnknownFix(Missing):
    """A fix that was asked for by an id that none has."""

    def __init__(self, fix: str) -> None:
        super().__init__(
            f"there is no fix {fix}; `kindred quarantine fixes` lists them, `kindred quarantine fix` saves one"
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """Who, why and when."""

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SavedFix:
    """A fix with the one who made it."""

    id: str
    rules: Mapping[str, Any]
    signed: Signed


def save(database: sa.Engine, rules: FixRules, signed: Signed) -> Fix:
    """Keep a fix and return it; one with the same rules is kept as it was signed first."""
    fix = rules.fix()
    with writing(database) as connection:
        if connection.execute(sa.select(FIX.c.id).where(FIX.c.id == fix.id)).first() is None:
            row = {"id": fix.id, "source": rules.source, "rules": rules.canonical()}
            by = {"actor": signed.actor, "reason": signed.reason, "made_at": signed.at}
            connection.execute(FIX.insert().values(**row, **by))
    return fix


def load(database: sa.Engine, fix: str) -> FixRules:
    """Return the rules of a fix that was saved."""
    with database.connect() as connection:
        found = connection.execute(sa.select(FIX.c.rules).where(FIX.c.id == fix)).scalar()
    if found is None:
        raise UnknownFix(fix)
    return FixRules.model_validate(found)


def saved(database: sa.Engine) -> tuple[SavedFix, ...]:
    """Return all fixes, the oldest first."""
    with database.connect() as connection:
        rows = connection.execute(sa.select(FIX).order_by(FIX.c.made_at, FIX.c.id))
        return tuple(SavedFix(r.id, r.rules, Signed(r.actor, r.reason, r.made_at)) for r in rows)


def note_revealed(database: sa.Engine, actor: str, wanted: Mapping[str, Any], rows: int, at: datetime) -> None:
    """Write down that somebody looked at the values of rejected rows: whose question, and how many rows it showed."""
    with writing(database) as connection:
        connection.execute(REVEALED.insert().values(at=at, actor=actor, wanted=dict(wanted), rows=rows))


def revealed(database: sa.Engine) -> tuple[tuple[datetime, str, Mapping[str, Any], int], ...]:
    """Return who looked at what, the oldest first."""
    with database.connect() as connection:
        rows = connection.execute(sa.select(REVEALED).order_by(REVEALED.c.id))
        return tuple((row.at, row.actor, row.wanted, row.rows) for row in rows)
