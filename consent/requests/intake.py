"""Opening a request: taken down in one transaction, without looking whether anybody is known.

The same is done and answered for every identifier, so nobody learns from a request who is among the data.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from consent.requests.deadlines import LAWS, due, law_of, strictest
from consent.requests.desk import Desk, get, row_of, settled, write
from consent.requests.errors import NoSuchRequest, Unreadable
from consent.requests.judge import accept_if_clear
from consent.requests.model import ASKERS, RIGHTS, Request, Wish
from consent.requests.store import PRIVACY_REQUEST as REQUEST
from consent.requests.store import PRIVACY_REQUEST_IDENTIFIER as IDENTIFIER
from infra.database import writing

_PLACE: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_AHEAD: Final = timedelta(minutes=5)
_MOST: Final = 50


def open_request(desk: Desk, wish: Wish, at: datetime) -> Request:
    """Take a request down and return it; a caller's own id (`external_id`) opens one request, however often it comes.

    Who vouches for the person (`vouched`) spares them the proof; everybody else is asked for one.
    """
    _check(wish, at)
    law = _law(desk, wish)
    calendar = desk.config.calendar(wish.jurisdiction or desk.place, desk.zone)
    terms = due(LAWS[law], wish.right, wish.received_at, calendar)
    request_id = desk.mint()
    desk.vault.make(request_id, at)
    sealed = [
        desk.vault.seal(request_id, json.dumps([one.token, one.value]).encode(), f"identifier|{position}")
        for position, one in enumerate(wish.identifiers)
    ]
    told = desk.vault.seal(request_id, json.dumps(dict(wish.sealed)).encode(), "told")
    try:
        with writing(desk.database) as connection:
            marks = [desk.mark(one.token) for one in wish.identifiers]
            connection.execute(
                insert(REQUEST).values(
                    id=request_id,
                    right=wish.right,
                    status="received",
                    regulation=law,
                    jurisdiction=wish.jurisdiction,
                    channel=wish.channel,
                    asked_by=wish.asked_by,
                    opened_by=wish.actor,
                    external_id=wish.external_id,
                    received_at=wish.received_at,
                    opened_at=at,
                    due_at=terms.answer_by,
                    confirm_by=terms.confirm_by,
                    details=json.dumps(dict(wish.details), sort_keys=True),
                    sealed=told,
                )
            )
            connection.execute(
                insert(IDENTIFIER),
                [
                    {
                        "request_id": request_id,
                        "position": position,
                        "kind": one.kind,
                        "mark": mark,
                        "sealed": box,
                        "verified_at": at if wish.vouched else None,
                    }
                    for position, (one, mark, box) in enumerate(zip(wish.identifiers, marks, sealed, strict=True))
                ],
            )
            row = row_of(connection, request_id)
            facts = {"confirmed": terms.confirm_by is None or at < terms.confirm_by, "due_at": terms.answer_by}
            write(connection, row, "received", at=at, actor=wish.actor, facts=facts)
            verified: dict[str, Any] = {"verified_at": at} if wish.vouched else {}
            vouched = {"vouched": wish.vouched} if wish.vouched else {}
            write(connection, row, "verifying", at=at, actor=wish.actor, facts=vouched, **verified)
    except IntegrityError:
        # The caller's own id is there already: what was just sealed opens nothing and is destroyed.
        desk.vault.shred([request_id])
        return _before(desk, wish)
    request = settled(desk, request_id)
    return accept_if_clear(desk, request.id, at) if wish.vouched and request.status == "verifying" else request


def receipt(request: Request) -> dict[str, str | None]:
    """Return what whoever asks is told: the same for everybody, known or not, and nothing of where it stands."""
    return {
        "id": request.id,
        "right": request.right,
        "regulation": request.regulation,
        "received_at": request.received_at.isoformat(),
        "due_at": request.due_at.isoformat(),
        "external_id": request.external_id,
    }


def _check(wish: Wish, at: datetime) -> None:
    if wish.right not in RIGHTS:
        raise Unreadable("the right is not known", f"use one of: {', '.join(RIGHTS)}")
    if wish.asked_by not in ASKERS:
        raise Unreadable("who asks is not known", f"use one of: {', '.join(ASKERS)}")
    if not wish.identifiers or len(wish.identifiers) > _MOST:
        raise Unreadable("a request names whom it is about", f"give 1 to {_MOST} identifiers")
    if wish.jurisdiction is not None and not _PLACE.fullmatch(wish.jurisdiction):
        raise Unreadable("the jurisdiction cannot be read", "write a country or subdivision such as DE or US-CA")
    if wish.regulation is not None and wish.regulation not in LAWS:
        raise Unreadable("the regulation is not known", f"use one of: {', '.join(LAWS)}")
    if wish.received_at > at + _AHEAD:
        raise Unreadable("it cannot have been received in the future", "give the moment when it came")


def _law(desk: Desk, wish: Wish) -> str:
    found = wish.regulation or law_of(wish.jurisdiction or desk.place)
    if found is not None:
        return found
    calendar = desk.config.calendar(None, desk.zone)
    return strictest(LAWS.items(), wish.right, wish.received_at, calendar)


def hurried(desk: Desk, request_id: str, at: datetime) -> bool:
    """Say whether more was asked under one of its identifiers within a day than is usual, this request included.

    It is no reason to refuse: whoever floods somebody's address would take their rights. It is one to send no more
    there until an officer has looked.
    """
    mine = select(IDENTIFIER.c.mark).where(IDENTIFIER.c.request_id == request_id)
    asked = func.count(func.distinct(REQUEST.c.id))
    query = (
        select(asked)
        .join(IDENTIFIER, IDENTIFIER.c.request_id == REQUEST.c.id)
        .where(IDENTIFIER.c.mark.in_(mine), REQUEST.c.opened_at > at - timedelta(days=1))
        .group_by(IDENTIFIER.c.mark)
    )
    with desk.database.connect() as connection:
        return max(connection.execute(query).scalars(), default=0) > desk.config.a_day


def _before(desk: Desk, wish: Wish) -> Request:
    with desk.database.connect() as connection:
        query = select(REQUEST.c.id).where(REQUEST.c.opened_by == wish.actor, REQUEST.c.external_id == wish.external_id)
        found = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise NoSuchRequest
    return get(desk, found)
