"""The history of a source's loads and columns, in the books of ingestion."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ingestion.drift.compare import Drawn
from ingestion.drift.evolution import Recorded
from ingestion.drift.profile import of_plain
from ingestion.store import COLUMN, LOAD, Newest, newest

# Loads that are remembered: enough for any bound, few enough for a source that is followed all day.
_KEPT: Final = 60


@dataclass(frozen=True, slots=True)
class Load:
    """One load of a source: its rows, and what a sample showed. A `stopped` one was not taken in."""

    source: str
    run_id: str
    number: int
    at: datetime
    rows: int
    stopped: bool
    drawn: Drawn
    moved: tuple[dict[str, object], ...] = ()
    breaches: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a source before a run: its loads, the newest first, its columns, and how fresh it is.

    `newest` is the newest moment that any row told, `arrived` is when one last came.
    """

    loads: tuple[Load, ...]
    columns: tuple[Recorded, ...]
    newest: datetime | None = None
    arrived: datetime | None = None

    @property
    def taken(self) -> tuple[Load, ...]:
        """The loads that were taken in."""
        return tuple(load for load in self.loads if not load.stopped)


def history(engine: sa.Engine, source: str, profiles: int = _KEPT) -> History:
    """Return what is known of a source's loads and columns; so many of the newest loads with their profiles."""
    loads = sa.select(LOAD).where(LOAD.c.source == source).order_by(LOAD.c.number.desc())
    columns = sa.select(COLUMN).where(COLUMN.c.source == source).order_by(COLUMN.c.first_run, COLUMN.c.place)
    with engine.connect() as connection:
        fresh = newest(connection).get(source, Newest())
        return History(
            tuple(_load(row, whole=place < profiles) for place, row in enumerate(connection.execute(loads))),
            tuple(
                Recorded(r.name, r.kind, r.first_run, r.last_run, r.filled, r.known, r.proposal)
                for r in connection.execute(columns)
            ),
            fresh.told_at,
            fresh.arrived_at,
        )


def write(connection: sa.Connection, load: Load, columns: Sequence[Recorded]) -> None:
    """Write a load and its columns down in a transaction that somebody else commits, and forget loads of long ago."""
    mine = LOAD.c.source == load.source
    drawn = {name: profile.plain() for name, profile in load.drawn.columns.items()}
    kept = {"sampled": load.drawn.sampled, "columns": drawn, "moved": load.moved, "breaches": load.breaches}
    names = ("source", "run_id", "number", "at", "rows", "stopped")
    row = {name: getattr(load, name) for name in names} | {"profile": json.dumps(kept, ensure_ascii=False)}
    connection.execute(LOAD.insert().values(row))
    for place, one in enumerate(columns):
        own = (COLUMN.c.source == load.source) & (COLUMN.c.name == one.name)
        connection.execute(COLUMN.delete().where(own & (COLUMN.c.kind == one.kind)))
        values = {name: value for name, value in asdict(one).items() if name != "values"} | {"filled": one.values}
        connection.execute(COLUMN.insert().values(source=load.source, place=place, **values))
        if one.known:
            connection.execute(COLUMN.update().where(own).values(known=True, proposal=one.proposal))
    for stopped in (False, True):
        old = sa.select(LOAD.c.number).where(mine & (LOAD.c.stopped == stopped))
        limit = connection.execute(old.order_by(LOAD.c.number.desc()).offset(_KEPT).limit(1)).scalar()
        if limit is not None:
            connection.execute(LOAD.delete().where(mine & (LOAD.c.stopped == stopped) & (LOAD.c.number <= limit)))


def _load(row: sa.Row[tuple[object, ...]], *, whole: bool) -> Load:
    nothing: dict[str, Any] = {"sampled": 0, "columns": {}, "moved": (), "breaches": ()}
    kept: dict[str, Any] = json.loads(row.profile) if whole else nothing
    columns = {name: of_plain(plain) for name, plain in kept["columns"].items()}
    return Load(
        *(row.source, row.run_id, row.number, row.at, row.rows, row.stopped),
        Drawn(kept["sampled"], row.at, columns),
        tuple(kept["moved"]),
        tuple(kept["breaches"]),
    )
