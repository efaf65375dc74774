"""Retention of the log of decisions: what was decided stays, about whom goes."""

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, func, select, update

from consent.retention.model import Kept
from consent.store import CONSENT_DECISION
from infra.database import writing

STORE: Final = Kept(table=CONSENT_DECISION.name, moments=("occurred",))


def past(database: Engine, before: datetime, *, act: bool) -> tuple[int, int]:
    """Return how many decisions about somebody are older than a moment, and of how many; forget whom, to `act`."""
    named = CONSENT_DECISION.c.profile_id.is_not(None)
    old = named & (CONSENT_DECISION.c.at < before)
    with writing(database) as connection:
        count = select(func.count()).select_from(CONSENT_DECISION)
        found = connection.execute(count.where(old)).scalar_one(), connection.execute(count.where(named)).scalar_one()
        if act:
            connection.execute(update(CONSENT_DECISION).where(old).values(profile_id=None))
    return found
