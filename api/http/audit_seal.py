"""The audit of reads, closed in batches whose digests are notes in the sealed ledger: nobody can change it unseen."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Engine, RowMapping, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from api.http.store import READ_AUDIT, READ_SEAL
from consent.ledger.schema import LEDGER_NOTE
from consent.ledger.sealer import append_note
from infra.clock import Clock
from infra.database import writing
from infra.errors import KindredError

LOG = logging.getLogger("kindred.http")
KIND: Final = "read_audit"
_PAUSE: Final = 5.0
# Rows of another server may still be on their way to the database.
_SETTLED: Final = timedelta(seconds=5)
_SALT: Final = 16
_MOST: Final = 20_000
_FACTS: Final = ("id", "at", "key_id", "purpose", "decision", "reads", "profile_ids")

Draw = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Fault:
    """A row or a batch of the audit that is not what was sealed."""

    place: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look over the audit found: batches, rows, those erased, those that await their batch, and faults."""

    batches: int
    rows: int
    erased: int
    waiting: int
    faults: tuple[Fault, ...]


def close(database: Engine, at: datetime, draw: Draw = secrets.token_bytes) -> int:
    """Close a batch of the rows that have settled, note its digest in the ledger, and return how many rows it has.

    Cut off between the two it is noted by the next call; of two servers one closes a row.
    """
    for batch in _unnoted(database):
        _note(database, batch, at)
    try:
        with writing(database) as connection:
            rows = _settled(connection, at)
            sealed = [_sealed(row, rows[0]["id"], draw(_SALT)) for row in rows]
            if sealed:
                connection.execute(insert(READ_SEAL), sealed)
    except IntegrityError:  # the other one was faster
        return 0
    if sealed:
        _note(database, sealed[0]["batch"], at)
    return len(sealed)


def _settled(connection: Connection, at: datetime) -> list[RowMapping]:
    last = select(func.coalesce(func.max(READ_SEAL.c.id), 0)).scalar_subquery()
    query = select(READ_AUDIT).where(READ_AUDIT.c.id > last).order_by(READ_AUDIT.c.id).limit(_MOST)
    found = connection.execute(query).mappings().all()
    # A row that is too young ends the batch, whatever stands behind it: ids must follow each other.
    young = next((place for place, row in enumerate(found) if row["at"] > at - _SETTLED), len(found))
    return list(found[:young])


def _sealed(row: RowMapping, batch: int, salt: bytes) -> dict[str, Any]:
    return {"id": row["id"], "batch": batch, "salt": salt, "digest": digest(row, salt)}


def digest(row: RowMapping, salt: bytes) -> bytes:
    """Return the salted SHA-256 of what a row says; without the salt nobody can try out whom it named."""
    told = [row[name].isoformat() if name == "at" else row[name] for name in _FACTS]
    return hashlib.sha256(salt + orjson.dumps(told)).digest()


def _unnoted(database: Engine) -> list[int]:
    noted = select(LEDGER_NOTE.c.id).where(LEDGER_NOTE.c.kind == KIND)
    newest = select(func.max(READ_SEAL.c.batch))
    with database.connect() as connection:
        batch = connection.execute(newest).scalar_one_or_none()
        if batch is None or connection.execute(noted.where(LEDGER_NOTE.c.id == _name(batch))).first():
            return []
        return [int(batch)]


def _name(batch: int) -> str:
    return f"{KIND}:{batch}"


def _note(database: Engine, batch: int, at: datetime) -> None:
    query = select(READ_SEAL).where(READ_SEAL.c.batch == batch).order_by(READ_SEAL.c.id)
    with database.connect() as connection:
        rows = connection.execute(query).mappings().all()
    append_note(database, KIND, _facts(batch, rows), at, note_id=_name(batch))


def _facts(batch: int, rows: Any) -> dict[str, Any]:
    whole = hashlib.sha256(b"".join(row["digest"] for row in rows)).hexdigest()
    return {"first": batch, "last": rows[-1]["id"], "rows": len(rows), "sha256": whole}


def check(database: Engine) -> Checked:
    """Compare every row with what was sealed, every batch with its note; erased rows keep their digest alone."""
    joined = (
        select(READ_AUDIT, READ_SEAL.c.id.label("sealed"), READ_SEAL.c.batch, READ_SEAL.c.salt, READ_SEAL.c.digest)
        .select_from(READ_SEAL)
        .outerjoin(READ_AUDIT, READ_AUDIT.c.id == READ_SEAL.c.id)
        .order_by(READ_SEAL.c.id)
    )
    with database.connect() as connection:
        notes = {
            row.id: orjson.loads(row.facts)
            for row in connection.execute(select(LEDGER_NOTE).where(LEDGER_NOTE.c.kind == KIND))
        }
        last = select(func.coalesce(func.max(READ_SEAL.c.id), 0)).scalar_subquery()
        waiting = connection.execute(select(func.count()).where(READ_AUDIT.c.id > last)).scalar_one()
        between = _unsealed_between(connection)
        faults, counts, seen = [*between], [0, 0, 0], set()
        rows = connection.execution_options(yield_per=_MOST).execute(joined).mappings()
        for batch, group in groupby(rows, key=lambda row: row["batch"]):
            held = list(group)
            seen.add(_name(batch))
            faults += _faults(batch, held, notes.get(_name(batch)))
            counts = [counts[0] + 1, counts[1] + len(held), counts[2] + sum(row["salt"] is None for row in held)]
    faults += [Fault(name, "its note is in the ledger and its rows are gone") for name in sorted(notes.keys() - seen)]
    return Checked(counts[0], counts[1], counts[2], int(waiting), tuple(faults))


def _unsealed_between(connection: Connection) -> list[Fault]:
    """Return rows that were put in among those that were closed: nobody but a forger writes there."""
    closed = select(func.coalesce(func.max(READ_SEAL.c.id), 0)).scalar_subquery()
    query = (
        select(READ_AUDIT.c.id)
        .outerjoin(READ_SEAL, READ_SEAL.c.id == READ_AUDIT.c.id)
        .where(READ_SEAL.c.id.is_(None), READ_AUDIT.c.id <= closed)
    )
    return [
        Fault(f"row {number}", "it was put in after its batch was closed") for (number,) in connection.execute(query)
    ]


def _faults(batch: int, rows: list[RowMapping], note: Any) -> Iterator[Fault]:
    for row in rows:
        if row["id"] is None:
            yield Fault(f"row {row['sealed']}", "it is gone")
        elif row["salt"] is not None and digest(row, row["salt"]) != row["digest"]:
            yield Fault(f"row {row['id']}", "it does not say what was sealed")
    if note is None:
        yield Fault(_name(batch), "the ledger has no note of it")
    elif note != _facts(batch, [{**row, "id": row["sealed"]} for row in rows]):
        yield Fault(_name(batch), "its rows are not those that the ledger notes")


class Closing:
    """Closes what has settled while a server runs; what could not be closed is closed the next time."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    async def run(self, clock: Clock, pause: float = _PAUSE) -> None:
        """Close for ever, in a thread."""
        while True:
            await asyncio.sleep(pause)
            await asyncio.to_thread(self._tried, clock)

    def _tried(self, clock: Clock) -> None:
        try:
            while close(self._database, clock()) == _MOST:
                pass
        except (SQLAlchemyError, KindredError) as error:
            LOG.warning("the audit awaits its seal: %s", type(error).__name__)
