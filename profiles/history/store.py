"""Past views in the database: how a person stood from when on, and the answers that purposes saw, packed together."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from infra.database import UtcDateTime, in_parts
from profiles.changefeed.store import mark, put_mark
from profiles.history.rule import State, packed, unpacked

METADATA: Final = MetaData()
_LEVEL: Final = 3

PROFILE_HISTORY: Final = Table(
    "profile_history",
    METADATA,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("profile_id", String(160), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Index("profile_history_person", "profile_id", "sequence"),
    sqlite_autoincrement=True,
)
"""How one person stood from a moment until their next row: each purpose's view by version, records and number."""

PROFILE_BODY: Final = Table(
    "profile_body",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("profile_id", String(160), nullable=False),
    Column("bodies", LargeBinary, nullable=False),
    Index("profile_body_person", "profile_id"),
)
"""Answers that became new together, of several purposes: they say much the same, so they are packed as one."""

BEGINS: Final = "history"
_NOBODY: Final = packed(State())


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a person's history."""

    sequence: int
    profile_id: str
    since: datetime
    state: State


def last(connection: Connection, ids: Sequence[str]) -> dict[str, Row]:
    """Return the newest row of each of some people."""
    row, found = PROFILE_HISTORY.c, {}
    for some in in_parts(ids):
        newest = select(func.max(row.sequence)).where(row.profile_id.in_(some)).group_by(row.profile_id)
        for one in connection.execute(select(PROFILE_HISTORY).where(row.sequence.in_(newest))).mappings():
            found[one["profile_id"]] = _row(one)
    return found


def at(connection: Connection, profile_id: str, moment: datetime) -> Row | None:
    """Return the row of a person that held at a moment."""
    row = PROFILE_HISTORY.c
    asked = select(PROFILE_HISTORY).where(row.profile_id == profile_id, row.since <= moment)
    found = connection.execute(asked.order_by(row.sequence.desc()).limit(1)).mappings().first()
    return None if found is None else _row(found)


def of_people(connection: Connection, ids: Sequence[str]) -> Iterator[Row]:
    """Yield every row of some people, the oldest first for each few of them."""
    row = PROFILE_HISTORY.c
    for some in in_parts(ids):
        asked = select(PROFILE_HISTORY).where(row.profile_id.in_(some)).order_by(row.sequence)
        yield from map(_row, connection.execute(asked).mappings().all())


def everybody(connection: Connection, behind: int, limit: int) -> list[Row]:
    """Return rows behind a place, the oldest first."""
    row = PROFILE_HISTORY.c
    asked = select(PROFILE_HISTORY).where(row.sequence > behind).order_by(row.sequence).limit(limit)
    return [_row(one) for one in connection.execute(asked).mappings()]


def append(connection: Connection, rows: Iterable[tuple[str, datetime, State]]) -> None:
    """Add rows, in the caller's transaction, which holds the lock of writers."""
    told = [{"profile_id": one, "since": since, "state": packed(state)} for one, since, state in rows]
    if told:
        connection.execute(insert(PROFILE_HISTORY), told)


def rewrite(connection: Connection, sequence: int, told: State) -> None:
    """Have a row say something else."""
    mine = PROFILE_HISTORY.c.sequence == sequence
    connection.execute(update(PROFILE_HISTORY).where(mine).values(state=packed(told)))


def newest_number(connection: Connection) -> int:
    """Return the largest number that answers lie under."""
    return int(connection.execute(select(func.max(PROFILE_BODY.c.number))).scalar_one() or 0)


def put_bodies(connection: Connection, told: Iterable[tuple[int, str, Mapping[str, bytes]]]) -> None:
    """Put answers by purpose under a number and a person."""
    rows = [{"number": number, "profile_id": one, "bodies": _packed(bodies)} for number, one, bodies in told]
    if rows:
        connection.execute(insert(PROFILE_BODY), rows)


def bodies(connection: Connection, profile_id: str, number: int) -> dict[str, bytes]:
    """Return the answers by purpose that lie under a number, where they are the person's."""
    mine = (PROFILE_BODY.c.number == number) & (PROFILE_BODY.c.profile_id == profile_id)
    found = connection.execute(select(PROFILE_BODY.c.bodies).where(mine)).scalar_one_or_none()
    return {} if found is None else _unpacked(found)


def every_body(connection: Connection, behind: int, limit: int) -> list[tuple[int, dict[str, bytes]]]:
    """Return answers behind a number."""
    row = PROFILE_BODY.c
    asked = select(row.number, row.bodies).where(row.number > behind).order_by(row.number).limit(limit)
    return [(number, _unpacked(packed_)) for number, packed_ in connection.execute(asked)]


def tidy(connection: Connection, ids: Sequence[str]) -> None:
    """Take out of some people's answers what no row of theirs leads to."""
    wanted: dict[int, set[str]] = {}
    for row in of_people(connection, ids):
        for purpose, kept in row.state.views.items():
            if kept is not None:
                wanted.setdefault(kept.number, set()).add(purpose)
    column = PROFILE_BODY.c
    for some in in_parts(ids):
        there = connection.execute(select(column.number, column.bodies).where(column.profile_id.in_(some))).all()
        for number, packed_ in there:
            held = _unpacked(packed_)
            left = {purpose: body for purpose, body in held.items() if purpose in wanted.get(number, ())}
            if not left:
                connection.execute(delete(PROFILE_BODY).where(column.number == number))
            elif len(left) < len(held):
                connection.execute(update(PROFILE_BODY).where(column.number == number).values(bodies=_packed(left)))


def drop(connection: Connection, ids: Sequence[str]) -> int:
    """Take everything of some people out, and return how many rows that were."""
    count = 0
    for some in in_parts(ids):
        connection.execute(delete(PROFILE_BODY).where(PROFILE_BODY.c.profile_id.in_(some)))
        mine = PROFILE_HISTORY.c.profile_id.in_(some)
        count += connection.execute(delete(PROFILE_HISTORY).where(mine)).rowcount
    return count


def clear(connection: Connection) -> int:
    """Take everything of everybody out."""
    connection.execute(delete(PROFILE_BODY))
    return connection.execute(delete(PROFILE_HISTORY)).rowcount


def overtaken(connection: Connection, before: datetime, limit: int) -> list[tuple[int, str]]:
    """Return rows that held no longer at a moment and never since, each with its person, the oldest first.

    In any other order a row that was overtaken would hold again once the one that overtook it has gone before it.
    """
    row, later = PROFILE_HISTORY.c, PROFILE_HISTORY.alias("later")
    same = and_(later.c.profile_id == row.profile_id, later.c.sequence > row.sequence, later.c.since <= before)
    asked = select(row.sequence, row.profile_id).where(
        row.since <= before, or_(row.state == _NOBODY, exists(select(later.c.sequence).where(same)))
    )
    return [(number, one) for number, one in connection.execute(asked.order_by(row.sequence).limit(limit))]


def remove(connection: Connection, sequences: Sequence[int]) -> None:
    """Take rows out."""
    for some in in_parts(sequences):
        connection.execute(delete(PROFILE_HISTORY).where(PROFILE_HISTORY.c.sequence.in_(some)))


def begins(connection: Connection) -> datetime | None:
    """Return from when on all is kept, or None where not everybody has been kept yet."""
    told = mark(connection, BEGINS)
    return datetime.fromisoformat(told) if told else None


def begin(connection: Connection, moment: datetime | None) -> None:
    """Have all count as kept from a moment on, or as not kept."""
    put_mark(connection, BEGINS, "" if moment is None else moment.isoformat())


def _row(found: Mapping[Any, Any]) -> Row:
    return Row(found["sequence"], found["profile_id"], found["since"], unpacked(found["state"]))


def _packed(told: Mapping[str, bytes]) -> bytes:
    # An answer is JSON without a line break in it.
    lines = [purpose.encode() + b"\t" + body for purpose, body in sorted(told.items())]
    return zlib.compress(b"\n".join(lines), _LEVEL)


def _unpacked(packed_: bytes) -> dict[str, bytes]:
    lines = (line.partition(b"\t") for line in zlib.decompress(packed_).split(b"\n"))
    return {purpose.decode(): body for purpose, _, body in lines}
