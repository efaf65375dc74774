"""Retention of the choices that were made for people."""

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, delete, func, select

from activation.store import DECISION_EVENT
from consent.retention.model import Kept
from infra.database import writing

STORE: Final = Kept(table=DECISION_EVENT.name, moments=("occurred",))


def past(database: Engine, before: datetime, *, act: bool) -> tuple[int, int]:
    """Return how many choices are older than a moment, and of how many; take them out, where it is to `act`."""
    old = DECISION_EVENT.c.at < before
    with writing(database) as connection:
        count = select(func.count()).select_from(DECISION_EVENT)
        found = connection.execute(count.where(old)).scalar_one(), connection.execute(count).scalar_one()
        if act:
            connection.execute(delete(DECISION_EVENT).where(old))
    return found
