"""Judging a request: accepted, refused on a ground, extended in time, withdrawn by whoever asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, RowMapping, select, update

from consent.requests.deadlines import LAWS, due
from consent.requests.desk import Desk, get, locked, move, settled, write
from consent.requests.errors import Contradiction, NeedsAnother, NoGround, NotExtendable, NotNow, Unreadable, Unverified
from consent.requests.grounds import GROUNDS, grounds_for
from consent.requests.model import ENDS, Request, Right, following
from consent.requests.store import PRIVACY_REQUEST as REQUEST
from consent.requests.store import PRIVACY_REQUEST_IDENTIFIER as IDENTIFIER
from consent.requests.store import PRIVACY_REQUEST_STEP as STEP
from infra.database import writing

Reason = Literal["complexity", "number_of_requests"]
# What an erasure would spoil if it came first.
_SPOILED: Final[Mapping[Right, frozenset[str]]] = {"erasure": frozenset({"access", "portability", "rectification"})}
_UNANSWERED: Final = ("verifying", "accepted", "planned", "waiting_subject", "failed")


def approve(desk: Desk, request_id: str, *, at: datetime, actor: str, anyway: bool = False) -> Request:
    """Accept a request and return it. Identifiers that nobody proved are left out of it for good.

    Where the policy asks for four eyes, and for agents and guardians, the approving officer is neither who opened it
    nor who attested the identity. `anyway` accepts an erasure although a request that it spoils is open.
    """
    with writing(desk.database) as connection:
        row = locked(connection, request_id)
        if row["status"] == "accepted":
            return get(desk, request_id)
        possible = following(row["right"], row["status"], row["resumes"])
        if row["status"] == "verifying" and not _verified(connection, request_id):
            raise Unverified
        if "accepted" not in possible or row["status"] != "verifying":
            raise NotNow(row["status"], "accepted", possible)
        if _four_eyes(desk, row) and actor in _involved(connection, row):
            raise NeedsAnother
        if not anyway and (other := _spoiled(connection, row)):
            raise Contradiction(other["id"], other["right"])
        _accept(connection, row, at=at, actor=actor)
    return settled(desk, request_id)


def accept_if_clear(desk: Desk, request_id: str, at: datetime) -> Request:
    """Accept a request whose person is verified if nothing is left to judge; the same asked twice is one request."""
    with writing(desk.database) as connection:
        row = locked(connection, request_id)
        if row["status"] == "verifying" and row["verified_at"] is not None:
            if (same := _same(connection, row)) is not None:
                facts = {"ground": "duplicate", "of": same}
                write(connection, row, "refused", at=at, actor="desk", facts=facts, ground="duplicate")
            elif not _four_eyes(desk, row) and _spoiled(connection, row) is None:
                _accept(connection, row, at=at, actor="desk")
    return settled(desk, request_id)


def refuse(desk: Desk, request_id: str, ground: str, *, at: datetime, actor: str) -> Request:
    """Refuse a request on a ground that exists for its right, and return it; never once it is frozen."""
    with writing(desk.database) as connection:
        row = locked(connection, request_id)
        if ground not in grounds_for(row["right"]):
            raise NoGround(row["right"], grounds_for(row["right"]))
        if row["status"] == "refused" and row["ground"] == ground:
            return get(desk, request_id)
        possible = following(row["right"], row["status"], row["resumes"])
        if "refused" not in possible:
            raise NotNow(row["status"], "refused", possible)
        found = GROUNDS[ground]
        facts = {"ground": ground, "article": found.article, "reason": found.reason}
        write(connection, row, "refused", at=at, actor=actor, facts=facts, ground=ground)
    return settled(desk, request_id)


def extend(desk: Desk, request_id: str, reason: str, *, at: datetime, actor: str) -> Request:
    """Lengthen the time as far as the law lets it, once, and return the request; only while the first term runs.

    The person has to be told within it (GDPR 12(3), 11 CCR 7021(b)): whoever extends tells them.
    """
    if reason not in get_args(Reason):
        raise Unreadable("the law extends for no such reason", f"use one of: {', '.join(get_args(Reason))}")
    with writing(desk.database) as connection:
        row = locked(connection, request_id)
        if row["extended_at"] is not None:
            raise NotExtendable("it was extended before, and there is one extension")
        if row["status"] in ENDS:
            raise NotExtendable("it has ended")
        if at >= row["due_at"]:
            raise NotExtendable("the first term has run out, within which the person must be told")
        calendar = desk.config.calendar(row["jurisdiction"] or desk.place, desk.zone)
        until = due(LAWS[row["regulation"]], row["right"], row["received_at"], calendar).extended_by
        if until is None:
            raise NotExtendable(f"{row['regulation']} gives no more time for {row['right']}")
        changes: dict[str, Any] = {"due_at": until, "extended_at": at}
        facts = {"reason": reason, "due_at": until}
        write(connection, row, row["status"], at=at, actor=actor, facts=facts, step="extended", **changes)
    return settled(desk, request_id)


def cancel(desk: Desk, request_id: str, *, at: datetime, actor: str) -> Request:
    """Take a request back and return it: an erasure only before it is frozen."""
    return move(desk, request_id, "cancelled", at=at, actor=actor)


def _accept(connection: Connection, row: RowMapping, *, at: datetime, actor: str) -> None:
    # What nobody proved is no part of it: forgotten, so that nothing can be done with it later.
    unproved = (IDENTIFIER.c.request_id == row["id"], IDENTIFIER.c.verified_at.is_(None))
    connection.execute(update(IDENTIFIER).where(*unproved).values(mark=None, sealed=None, proof=None))
    verified_at = row["verified_at"] or at
    write(connection, row, "accepted", at=at, actor=actor, approved_by=actor, verified_at=verified_at)


def _four_eyes(desk: Desk, row: RowMapping) -> bool:
    return row["right"] in desk.config.four_eyes or row["asked_by"] != "subject"


def _involved(connection: Connection, row: RowMapping) -> set[str]:
    query = select(STEP.c.actor).where(STEP.c.request_id == row["id"], STEP.c.step == "attested")
    return {row["opened_by"], *connection.execute(query).scalars()}


def _verified(connection: Connection, request_id: str) -> bool:
    query = select(IDENTIFIER.c.position).where(
        IDENTIFIER.c.request_id == request_id, IDENTIFIER.c.verified_at.is_not(None)
    )
    return connection.execute(query).first() is not None


def _others(connection: Connection, row: RowMapping) -> list[RowMapping]:
    """Return the open requests whose person was proved to hold one of this request's proved identifiers."""
    mine = select(IDENTIFIER.c.mark).where(
        IDENTIFIER.c.request_id == row["id"], IDENTIFIER.c.verified_at.is_not(None), IDENTIFIER.c.mark.is_not(None)
    )
    query = (
        select(REQUEST)
        .join(IDENTIFIER, IDENTIFIER.c.request_id == REQUEST.c.id)
        .where(IDENTIFIER.c.mark.in_(mine), IDENTIFIER.c.verified_at.is_not(None), REQUEST.c.id != row["id"])
        .where(REQUEST.c.verified_at.is_not(None), REQUEST.c.status.not_in(ENDS))
        .order_by(REQUEST.c.received_at, REQUEST.c.id)
        .distinct()
    )
    return list(connection.execute(query).mappings().all())


def _spoiled(connection: Connection, row: RowMapping) -> RowMapping | None:
    spoiled = _SPOILED.get(row["right"], frozenset())
    waiting = (one for one in _others(connection, row) if one["right"] in spoiled and one["status"] in _UNANSWERED)
    return next(waiting, None)


def _same(connection: Connection, row: RowMapping) -> str | None:
    """Return an older open request for the same right about the same proved identifiers and details."""
    mine = _marks(connection, row["id"])
    for other in _others(connection, row):
        alike = (other["right"], other["details"]) == (row["right"], row["details"])
        if alike and row["sealed"] is not None and _plain(other, row) and mine <= _marks(connection, other["id"]):
            return str(other["id"])
    return None


def _plain(one: RowMapping, other: RowMapping) -> bool:
    # Two corrections differ in what is sealed, which nobody compares here.
    return "rectification" not in {one["right"], other["right"]}


def _marks(connection: Connection, request_id: str) -> set[str]:
    query = select(IDENTIFIER.c.mark).where(
        IDENTIFIER.c.request_id == request_id, IDENTIFIER.c.verified_at.is_not(None)
    )
    return {mark for mark in connection.execute(query).scalars() if mark is not None}
