"""The requests of whoever holds an identifier: what they may follow themselves while it is open."""

from sqlalchemy import select

from consent.requests.desk import Desk, get
from consent.requests.model import Request
from consent.requests.store import PRIVACY_REQUEST as REQUEST
from consent.requests.store import PRIVACY_REQUEST_IDENTIFIER as IDENTIFIER
from infra.ids import Token


def of_person(desk: Desk, token: Token) -> tuple[Request, ...]:
    """Return the open requests that the identifier was proved for, the newest first.

    What has ended has forgotten whose it was.
    """
    query = (
        select(REQUEST.c.id)
        .join(IDENTIFIER, IDENTIFIER.c.request_id == REQUEST.c.id)
        .where(IDENTIFIER.c.mark == desk.mark(token), IDENTIFIER.c.verified_at.is_not(None))
        .order_by(REQUEST.c.opened_at.desc(), REQUEST.c.id)
        .distinct()
    )
    with desk.database.connect() as connection:
        found = list(connection.execute(query.add_columns(REQUEST.c.opened_at)).scalars())
    return tuple(one for request_id in found if (one := get(desk, request_id)).open)
