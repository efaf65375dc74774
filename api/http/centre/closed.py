"""Links that somebody closed: of an identifier all at once, for whoever got hold of one is not known."""

from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from api.http.centre.link import Bearer, Gate
from api.http.store import LINKS_CLOSED
from infra.database import writing
from infra.ids import Token


def close_links(database: Engine, gate: Gate, token: Token, at: datetime) -> None:
    """Close every link to an identifier's page that was signed until now, and every visit that one opened."""
    mark = gate.mark(token)
    with writing(database) as connection:
        connection.execute(delete(LINKS_CLOSED).where(LINKS_CLOSED.c.mark == mark))
        connection.execute(insert(LINKS_CLOSED).values(mark=mark, at=at))


def is_closed(database: Engine, gate: Gate, bearer: Bearer) -> bool:
    """Say whether the link that somebody came by has been closed since it was signed."""
    query = select(LINKS_CLOSED.c.at).where(LINKS_CLOSED.c.mark == gate.mark(bearer.token))
    with database.connect() as connection:
        at = connection.execute(query).scalar_one_or_none()
    return at is not None and bearer.made_at <= at.timestamp()
