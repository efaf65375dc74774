"""Retention of the audit of reads: who read when for what stays, whom goes, with the salt of the row's seal."""

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, func, select, update

from api.http.store import READ_AUDIT, READ_SEAL
from consent.retention.model import Kept
from infra.database import writing

STORE: Final = Kept(table=READ_AUDIT.name, moments=("occurred",))


def past(database: Engine, before: datetime, *, act: bool) -> tuple[int, int]:
    """Return how many reads of somebody are older than a moment, and of how many; forget whom, where it is to `act`."""
    named = READ_AUDIT.c.profile_ids != ""
    old = named & (READ_AUDIT.c.at < before)
    with writing(database) as connection:
        count = select(func.count()).select_from(READ_AUDIT)
        found = connection.execute(count.where(old)).scalar_one(), connection.execute(count.where(named)).scalar_one()
        if act:
            ids = select(READ_AUDIT.c.id).where(old)
            connection.execute(update(READ_SEAL).where(READ_SEAL.c.id.in_(ids)).values(salt=None))
            connection.execute(update(READ_AUDIT).where(old).values(profile_ids=""))
    return found
