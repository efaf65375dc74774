"""How far each connector has read, in the database: what is landed, and what a load intends that is under way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from infra.database import writing
from ingestion.store import CURSOR


@dataclass(frozen=True, slots=True)
class Reached:
    """What is known of a source's loads; `moment` is the newest that names a file of its."""

    cursor: Any = None
    intent: Any = None
    moment: int = 0


class Cursors:
    """The cursors of all sources."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def read(self, source: str) -> Reached:
        """Return how far a source has come."""
        row = self._row(source)
        return Reached(_told(row.cursor), _told(row.intent), row.moment) if row else Reached()

    def intend(self, source: str, intent: Any, moment: int) -> None:
        """Write down what is about to be read."""
        self._keep(source, intent=json.dumps(intent), moment=moment)

    def commit(self, source: str, moment: int) -> None:
        """Make what was intended the cursor."""
        row = self._row(source)
        if row and row.intent is not None:
            self._keep(source, cursor=row.intent, intent=None, moment=max(moment, row.moment))

    def columns(self, source: str) -> list[str] | None:
        """Return the columns that a source is known to have, None before the first load."""
        row = self._row(source)
        return _told(row.columns) if row else None

    def remember(self, source: str, columns: Sequence[str]) -> None:
        """Write down the columns."""
        self._keep(source, columns=json.dumps(list(columns)))

    def _row(self, source: str) -> sa.Row[Any] | None:
        with self._engine.connect() as connection:
            return connection.execute(sa.select(CURSOR).where(CURSOR.c.source == source)).first()

    def _keep(self, source: str, **facts: Any) -> None:
        with writing(self._engine) as connection:
            changed = connection.execute(CURSOR.update().where(CURSOR.c.source == source).values(**facts))
            if not changed.rowcount:
                connection.execute(CURSOR.insert().values(source=source, **{"moment": 0, **facts}))


def _told(text: str | None) -> Any:
    return None if text is None else json.loads(text)
