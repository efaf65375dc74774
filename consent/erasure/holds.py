"""Legal holds: what a law or a court wants kept, under the tokens of those concerned, until a day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Engine, RowMapping, String, Table, delete, insert, select

from consent.store import METADATA
from infra.database import UtcDateTime, writing
from infra.ids import Token

LEGAL_HOLD: Final = Table(
    "legal_hold",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("token", String(80), primary_key=True),
    Column("ground", String(200), nullable=False),
    Column("article", String(60), nullable=False),
    Column("actor", String(120), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why somebody's data must be kept: the ground in words, the article, who says so, since when and until when."""

    id: str
    ground: str
    article: str
    actor: str
    made_at: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        """Return the hold as it is named in reports."""
        end = f"until {self.until:%Y-%m-%d}" if self.until else "until it is released"
        return f"{self.ground} ({self.article}), {end}"


def hold(database: Engine, tokens: Iterable[Token], one: Hold) -> None:
    """Keep the data of the bearers of the tokens from being erased."""
    facts = {name: getattr(one, name) for name in ("id", "ground", "article", "actor", "made_at", "until")}
    with writing(database) as connection:
        connection.execute(delete(LEGAL_HOLD).where(LEGAL_HOLD.c.id == one.id))
        connection.execute(insert(LEGAL_HOLD), [facts | {"token": token} for token in sorted(set(tokens))])


def release(database: Engine, hold_id: str) -> int:
    """End a hold; return under how many tokens it stood."""
    with writing(database) as connection:
        return connection.execute(delete(LEGAL_HOLD).where(LEGAL_HOLD.c.id == hold_id)).rowcount


def standing(database: Engine, tokens: Iterable[Token], at: datetime) -> tuple[str, ...]:
    """Return the holds that stand over any of the tokens at a moment, in words."""
    wanted = frozenset(tokens)
    with database.connect() as connection:
        rows = connection.execute(select(LEGAL_HOLD)).mappings().all()
    found = [row for row in rows if row["token"] in wanted and _stands(row, at)]
    return tuple(dict.fromkeys(str(_hold(row)) for row in found))


def tokens_held(database: Engine, at: datetime) -> tuple[frozenset[Token], tuple[str, ...]]:
    """Return the tokens of everybody whose data must be kept at a moment, and the holds that say so, in words."""
    with database.connect() as connection:
        rows = [row for row in connection.execute(select(LEGAL_HOLD)).mappings() if _stands(row, at)]
    told = sorted((str(row["id"]), f"{row['id']}: {_hold(row)}") for row in rows)
    return frozenset(Token(row["token"]) for row in rows), tuple(dict.fromkeys(words for _, words in told))


def _stands(row: RowMapping, at: datetime) -> bool:
    return row["until"] is None or row["until"] > at


def _hold(row: RowMapping) -> Hold:
    names = ("id", "ground", "article", "actor", "made_at", "until")
    return Hold(**{name: row[name] for name in names})
