"""The change feed in the database: one row for each change of a person, in the order in which they were told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from infra.database import UtcDateTime, in_parts, writing
from profiles.changefeed.rule import Change, Kind, Last, News

METADATA: Final = MetaData()

PROFILE_CHANGE: Final = Table(
    "profile_change",
    METADATA,
    # Never given out twice: a place in the feed stays what it was when rows behind it are gone.
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("profile_id", String(160), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("purposes", Text, nullable=False),
    Index("profile_change_person", "profile_id", "sequence"),
    sqlite_autoincrement=True,
)
"""One change of one person. `purposes` names each purpose that may see them now (its version) or hears of this."""

CHANGE_MARK: Final = Table(
    "change_mark",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)
"""What the feed knows of itself: which feed it is, which generation was told whole, since when one is served, up to
where it was shortened; and from when on past views are kept."""

CHANGE_FOLLOWER: Final = Table(
    "change_follower",
    METADATA,
    Column("recipient", String(240), primary_key=True),
    Column("purpose", String(64), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("until", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
"""How far somebody who follows the feed has come: an application's key as it asked, a webhook, a topic."""

CHANGE_NOTICE: Final = Table(
    "change_notice",
    METADATA,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("recipient", String(240), primary_key=True),
    Column("purpose", String(64), primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
    Column("acknowledged_at", UtcDateTime),
)
"""Who heard of an erasure, and when they said that they have done the same."""

FEED: Final = "feed"
GENERATION: Final = "generation"
SERVED: Final = "served"
SHORTENED: Final = "shortened"


@dataclass(frozen=True, slots=True)
class Row:
    """A change as it lies in the feed."""

    sequence: int
    profile_id: str
    kind: Kind
    at: datetime
    news: Mapping[str, News]
    state: Mapping[str, str]


def append(connection: Connection, changes: Iterable[tuple[Change, datetime]]) -> int:
    """Add changes in their order, each with its moment, and return how many.

    It is the caller's transaction, which holds the lock of writers.
    """
    rows = [
        {"profile_id": one.profile_id, "kind": one.kind, "at": at, "purposes": packed(one.news, one.state)}
        for one, at in changes
    ]
    if rows:
        connection.execute(insert(PROFILE_CHANGE), rows)
    return len(rows)


def packed(news: Mapping[str, News], state: Mapping[str, str]) -> str:
    """Return what each purpose hears, and the version of each that may see the person, as one text."""
    told: dict[str, dict[str, Any]] = {purpose: {"v": version} for purpose, version in state.items()}
    for purpose, one in news.items():
        told[purpose] = {"v": one.version, "k": one.kind, **({"o": one.others} if one.others else {})}
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


def unpacked(text: str) -> tuple[dict[str, News], dict[str, str]]:
    """Return what `packed` put together."""
    told: dict[str, dict[str, Any]] = orjson.loads(text)
    news = {p: News(one["k"], one["v"], tuple(one.get("o", ()))) for p, one in told.items() if "k" in one}
    return news, {p: one["v"] for p, one in told.items() if one["v"] is not None}


def last(connection: Connection, ids: Sequence[str]) -> dict[str, Last]:
    """Return what was told last of each of some people; nothing of whom nothing was."""
    found = {}
    for row in _last_rows(connection, ids, None):
        found[row.profile_id] = Last(row.kind, row.state, row.at)
    return found


def last_rows(connection: Connection, ids: Sequence[str], through: int | None = None) -> dict[str, Row]:
    """Return the last row of each of some people, up to a place in the feed where one is named."""
    return {row.profile_id: row for row in _last_rows(connection, ids, through)}


def _last_rows(connection: Connection, ids: Sequence[str], through: int | None) -> Iterator[Row]:
    row = PROFILE_CHANGE.c
    for some in in_parts(ids):
        newest = select(func.max(row.sequence)).where(row.profile_id.in_(some))
        newest = newest.group_by(row.profile_id)
        if through is not None:
            newest = newest.where(row.sequence <= through)
        yield from map(_row, connection.execute(select(PROFILE_CHANGE).where(row.sequence.in_(newest))).mappings())


def after(connection: Connection, sequence: int, limit: int, through: int | None = None) -> list[Row]:
    """Return the rows behind a place, the oldest first."""
    row = PROFILE_CHANGE.c
    asked = select(PROFILE_CHANGE).where(row.sequence > sequence).order_by(row.sequence).limit(limit)
    if through is not None:
        asked = asked.where(row.sequence <= through)
    return [_row(found) for found in connection.execute(asked).mappings()]


def of_people(connection: Connection, ids: Sequence[str]) -> Iterator[Row]:
    """Yield every row of some people, in the feed's order for each few of them."""
    row = PROFILE_CHANGE.c
    for some in in_parts(ids):
        asked = select(PROFILE_CHANGE).where(row.profile_id.in_(some)).order_by(row.sequence)
        yield from map(_row, connection.execute(asked).mappings().all())


def naming(connection: Connection) -> Iterator[Row]:
    """Yield the rows that name others, which are few."""
    asked = select(PROFILE_CHANGE).where(PROFILE_CHANGE.c.purposes.like('%"o":%')).order_by(PROFILE_CHANGE.c.sequence)
    yield from map(_row, connection.execute(asked).mappings().all())


def newest(connection: Connection) -> int:
    """Return the place behind the newest row; behind the last that was taken out where none is left."""
    found = connection.execute(select(func.max(PROFILE_CHANGE.c.sequence))).scalar_one()
    return max(int(found or 0), shortened(connection))


def people(engine: Engine) -> Iterator[str]:
    """Yield the ids of everybody of whom anything stands in the feed, in their order, a thousand at a time.

    No connection is held between two thousands: whoever asks has something to write meanwhile.
    """
    row, behind = PROFILE_CHANGE.c.profile_id, ""
    while True:
        asked = select(row).where(row > behind).distinct().order_by(row).limit(1_000)
        with engine.connect() as connection:
            ids = list(connection.execute(asked).scalars())
        if not ids:
            return
        yield from ids
        behind = ids[-1]


def mark(connection: Connection, name: str) -> str | None:
    """Return what the feed knows of itself under a name."""
    asked = select(CHANGE_MARK.c.value).where(CHANGE_MARK.c.name == name)
    value: str | None = connection.execute(asked).scalar_one_or_none()
    return value


def put_mark(connection: Connection, name: str, value: str) -> None:
    """Have the feed know something of itself."""
    same = CHANGE_MARK.c.name == name
    if not connection.execute(update(CHANGE_MARK).where(same).values(value=value)).rowcount:
        connection.execute(insert(CHANGE_MARK).values(name=name, value=value))


def shortened(connection: Connection) -> int:
    """Return the place up to which rows may be missing."""
    return int(mark(connection, SHORTENED) or 0)


def shorten(engine: Engine, before: datetime) -> int:
    """Take out what is older than a moment, and return how many rows that were.

    What was told last of somebody who may be seen stays, however old it is, so that who begins anew finds everybody.
    A follower whose place is gone with it, such as a key that was revoked, is one no more: if they come again, they
    begin anew.
    """
    row = PROFILE_CHANGE.c
    later = PROFILE_CHANGE.alias("later")
    with writing(engine) as connection:
        end = connection.execute(select(func.max(row.sequence)).where(row.at < before)).scalar_one()
        if end is None or end <= shortened(connection):
            return 0
        put_mark(connection, SHORTENED, str(end))
        overtaken = select(later.c.sequence).where(
            later.c.profile_id == row.profile_id, later.c.sequence > row.sequence, later.c.sequence <= end
        )
        gone = connection.execute(delete(PROFILE_CHANGE).where(row.sequence <= end, overtaken.exists())).rowcount
        left = delete(PROFILE_CHANGE).where(row.sequence <= end, row.purposes.not_like('%"v":"%'))
        connection.execute(delete(CHANGE_NOTICE).where(CHANGE_NOTICE.c.sequence <= end))
        follower = CHANGE_FOLLOWER.c
        behind = (follower.sequence < end) & (follower.until < end)
        connection.execute(delete(CHANGE_FOLLOWER).where(behind, follower.at < before))
        return gone + connection.execute(left).rowcount


def _row(found: Mapping[Any, Any]) -> Row:
    news, state = unpacked(found["purposes"])
    return Row(found["sequence"], found["profile_id"], found["kind"], found["at"], news, state)
