"""Who follows the feed, how far they have come, and which erasures they were told of and say that they have done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, insert, select, update

from infra.database import writing
from infra.ids import Purpose
from profiles.changefeed import store
from profiles.changefeed.pages import Heard
from profiles.changefeed.places import Place
from profiles.changefeed.store import CHANGE_FOLLOWER, CHANGE_NOTICE

_SELDOM: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What one follower knows of an erasure: since when, and since when they have done the same; or neither yet."""

    recipient: str
    waits_since: datetime
    told_at: datetime | None
    acknowledged_at: datetime | None


def reached(database: Engine, recipient: str, purpose: Purpose) -> tuple[int, int] | None:
    """Return the place that a follower has come to, as the two numbers of it, or None before the first."""
    mine = (CHANGE_FOLLOWER.c.recipient == recipient) & (CHANGE_FOLLOWER.c.purpose == purpose)
    with database.connect() as connection:
        row = connection.execute(select(CHANGE_FOLLOWER.c.sequence, CHANGE_FOLLOWER.c.until).where(mine)).first()
    return None if row is None else (row.sequence, row.until)


def note(
    database: Engine, recipient: str, purpose: Purpose, place: Place, heard: Iterable[Heard], at: datetime, *,
    acknowledged: bool = False,
) -> None:  # fmt: skip
    """Write down how far a follower has come, and which erasures they heard of on the way.

    With `acknowledged` they have done what they heard.
    """
    erased = [one.place.sequence for one in heard if one.kind == "erased"]
    with writing(database) as connection:
        mine = (CHANGE_FOLLOWER.c.recipient == recipient) & (CHANGE_FOLLOWER.c.purpose == purpose)
        come = {"sequence": place.sequence, "until": place.until, "at": at}
        if not connection.execute(update(CHANGE_FOLLOWER).where(mine).values(**come)).rowcount:
            connection.execute(insert(CHANGE_FOLLOWER).values(recipient=recipient, purpose=purpose, **come))
        known = set(_notices(connection, recipient, purpose, erased))
        fresh = [
            {"sequence": one, "recipient": recipient, "purpose": purpose, "told_at": at, "acknowledged_at": None}
            for one in dict.fromkeys(erased)
            if one not in known
        ]
        if fresh:
            connection.execute(insert(CHANGE_NOTICE), fresh)
        if acknowledged and erased:
            _acknowledge(connection, recipient, purpose, max(erased), at)


def listened(database: Engine, recipient: str, purpose: Purpose, place: Place, at: datetime) -> None:
    """Write down how far a follower has come who heard nothing on the way, once an hour at most.

    Whoever the feed does not reach back to is a follower no more, however quiet it was about their purpose. Who never
    heard anything is none yet.
    """
    follower = CHANGE_FOLLOWER.c
    mine = (follower.recipient == recipient) & (follower.purpose == purpose)
    with database.connect() as connection:
        row = connection.execute(select(follower.sequence, follower.until, follower.at).where(mine)).first()
    if row is not None and (row.sequence, row.until) != (place.sequence, place.until) and at - row.at >= _SELDOM:
        note(database, recipient, purpose, place, (), at)


def acknowledge(database: Engine, recipient: str, purpose: Purpose, through: Place, at: datetime) -> int:
    """Write down that a follower has done all that they heard up to a place; return how many erasures that were."""
    with writing(database) as connection:
        return _acknowledge(connection, recipient, purpose, through.sequence, at)


def _acknowledge(connection: Connection, recipient: str, purpose: Purpose, through: int, at: datetime) -> int:
    row = CHANGE_NOTICE.c
    mine = (row.recipient == recipient) & (row.purpose == purpose) & (row.sequence <= through)
    open_ = update(CHANGE_NOTICE).where(mine, row.acknowledged_at.is_(None))
    return connection.execute(open_.values(acknowledged_at=at)).rowcount


def _notices(connection: Connection, recipient: str, purpose: Purpose, sequences: Sequence[int]) -> Iterable[int]:
    row = CHANGE_NOTICE.c
    mine = (row.recipient == recipient) & (row.purpose == purpose) & row.sequence.in_(sequences)
    return connection.execute(select(row.sequence).where(mine)).scalars()


def told(database: Engine, names: Iterable[str]) -> tuple[Told, ...]:
    """Return what each follower knows of the erasures of some people, by the ids that stand in the feed.

    Of several erasures that concern a follower the one that they know least of counts.
    """
    found: dict[str, Told] = {}
    with database.connect() as connection:
        of_all = select(CHANGE_FOLLOWER.c.recipient, CHANGE_FOLLOWER.c.purpose)
        followers = [(one.recipient, one.purpose) for one in connection.execute(of_all)]
        for row in store.of_people(connection, sorted(set(names))):
            purposes = {purpose for purpose, news in row.news.items() if news.kind == "erased"}
            notices = _of_row(connection, row.sequence)
            # Who was told of it stays named, even where they follow no more.
            for recipient, purpose in {*followers, *notices}:
                if purpose in purposes:
                    _keep(found, Told(recipient, row.at, *notices.get((recipient, purpose), (None, None))))
    return tuple(found[name] for name in sorted(found))


def _of_row(connection: Connection, sequence: int) -> Mapping[tuple[str, str], tuple[datetime | None, datetime | None]]:
    asked = select(CHANGE_NOTICE).where(CHANGE_NOTICE.c.sequence == sequence)
    rows = connection.execute(asked).mappings()
    return {(row["recipient"], row["purpose"]): (row["told_at"], row["acknowledged_at"]) for row in rows}


def _keep(found: dict[str, Told], one: Told) -> None:
    before = found.get(one.recipient)
    if before is None or (one.told_at is None, one.acknowledged_at is None) > (
        before.told_at is None,
        before.acknowledged_at is None,
    ):
        found[one.recipient] = one
