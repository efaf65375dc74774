"""The sealer: gives every new entry its number without a gap, puts it into the tree, and signs the new head.

One works at a time, for it holds the database's write lock; a batch is one transaction, so one that dies has done
nothing, and the next begins where the last head ends.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Column, Connection, Engine, Table, func, insert, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import NullType

from consent.errors import TreeBroken
from consent.ledger import heads, merkle, older, vault
from consent.ledger.heads import Head
from consent.ledger.leaf import CONSENT, NOTE, leaf_of, note_fields, spelled
from consent.ledger.schema import CONSENT_EVENT, LEDGER_HEAD, LEDGER_NOTE
from consent.ledger.stored import store, stored
from consent.ledger.subject_keys import SubjectKeys
from consent.ledger.tiles import edge
from infra.clock import Clock
from infra.database import writing
from infra.errors import Malformed
from infra.ids import content_digest
from infra.signing import Signer, canonical

BATCH: Final = 8_000
_MINIMAL: Final = Head(
    ledger="",
    size=0,
    root="",
    at=datetime.min.replace(tzinfo=UTC),
    key_id="",
    signature="",
    entries_through=0,
    notes_through=0,
)
Waiting = tuple[Any, str, str, bytes]


def _drawn() -> str:
    return secrets.token_hex(8)


def append_note(database: Engine, kind: str, facts: dict[str, Any], at: datetime, *, note_id: str | None = None) -> str:
    """Put an entry about no person into the ledger and return its id; the same note under one id is one entry.

    Facts go into the sealed ledger for ever and into its exports: no person's data may be in them.
    """
    if spelled(facts) != canonical(facts):
        raise Malformed("a note holds text, whole numbers, lists and mappings; write other numbers as text")
    told = spelled(facts).decode()
    identifier = note_id or content_digest(["note", kind, told, at.isoformat()])
    row = {"id": identifier, "kind": kind, "at": at, "facts": told}
    row["leaf"] = leaf_of(note_fields(row), None)
    with writing(database) as connection:
        build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(build(LEDGER_NOTE).on_conflict_do_nothing(index_elements=["id"]), row)
        held = connection.execute(select(LEDGER_NOTE).where(LEDGER_NOTE.c.id == identifier)).mappings().one()
    if (held["kind"], held["facts"]) != (kind, told):
        raise Malformed("a note of this id says something else already; give it an id of its own")
    return identifier


def unsealed(database: Engine) -> int:
    """Return how many entries await their number."""
    with database.connect() as connection:
        last = heads.newest(connection) or _MINIMAL
        return sum(
            connection.execute(select(func.count()).select_from(table).where(table.c.sequence > through)).scalar_one()
            for table, through in ((CONSENT_EVENT, last.entries_through), (LEDGER_NOTE, last.notes_through))
        )


def seal(database: Engine, signer: Signer, clock: Clock, *, batch: int = BATCH) -> int:
    """Seal everything that waits and return how many leaves that made."""
    sealed = 0
    while leaves := seal_batch(database, signer, clock(), batch=batch):
        sealed += leaves
    return sealed


def seal_batch(
    database: Engine, signer: Signer, now: datetime, *, batch: int = BATCH, draw: Callable[[], str] = _drawn
) -> int:
    """Seal the oldest entries that wait as one batch and return how many leaves that made."""
    if not _any_waiting(database):
        return 0
    keys = vault.keys_of(database)
    with writing(database) as connection:
        last = heads.newest(connection) or _MINIMAL
        entries = _entries(connection, keys, last.entries_through, batch)
        notes = _after(connection, LEDGER_NOTE, LEDGER_NOTE.c.at, last.notes_through, batch)
        # By when it was heard, then by id: nobody can choose their place among what came together.
        waiting = sorted([*_of(entries, CONSENT), *_of(notes, NOTE)], key=itemgetter(0, 1))
        if not waiting:
            return 0
        leaves = [leaf for *_, leaf in waiting]
        _number(connection, last.size, waiting)
        root = _grow(connection, last, leaves)
        ledger, at = last.ledger or draw(), max(now, last.at) if last.ledger else now
        size = last.size + len(leaves)
        told = heads.signed_head(ledger, size, root, at, signer)
        row = {name: told[name] for name in ("ledger", "size", "root", "key_id", "signature")}
        row |= {
            "at": at,
            "entries_through": entries[-1][0] if entries else last.entries_through,
            "notes_through": notes[-1][0] if notes else last.notes_through,
        }
        connection.execute(insert(LEDGER_HEAD), row)
    return len(leaves)


def _any_waiting(database: Engine) -> bool:
    with database.connect() as connection:
        last = heads.newest(connection) or _MINIMAL
        ends = [connection.execute(select(func.max(t.c.sequence))).scalar() or 0 for t in (CONSENT_EVENT, LEDGER_NOTE)]
        return ends[0] > last.entries_through or ends[1] > last.notes_through


def _entries(connection: Connection, keys: SubjectKeys | None, through: int, batch: int) -> Sequence[Any]:
    rows = _after(connection, CONSENT_EVENT, CONSENT_EVENT.c.received_at, through, batch)
    if old := [row.sequence for row in rows if row.leaf is None]:
        older.complete(connection, keys, old)
        return _after(connection, CONSENT_EVENT, CONSENT_EVENT.c.received_at, through, batch)
    return rows


def _after(connection: Connection, table: Table, at: Column[datetime], through: int, batch: int) -> Sequence[Any]:
    # The moment as the database has it: it is only compared, and reading it anew would take longer than all the rest.
    columns = (table.c.sequence, type_coerce(at, NullType()).label("at"), table.c.id, table.c.leaf)
    query = select(*columns).where(table.c.sequence > through).order_by(table.c.sequence).limit(batch)
    return connection.execute(query).all()


def _of(rows: Sequence[Any], kind: str) -> list[Waiting]:
    return [(at, identifier, kind, leaf) for _, at, identifier, leaf in rows]


def _number(connection: Connection, size: int, waiting: Sequence[Waiting]) -> None:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    statement = f"INSERT INTO ledger_leaf (sequence, id, kind) VALUES ({mark}, {mark}, {mark})"
    rows = [(number, identifier, kind) for number, (_, identifier, kind, _) in enumerate(waiting, size)]
    connection.exec_driver_sql(statement, rows)


def _grow(connection: Connection, last: Head, leaves: Sequence[bytes]) -> bytes:
    """Write the tiles that new leaves touch and return the new root.

    What was sealed is looked at first: nobody signs a head on top of a tree that no longer leads to the one before.
    """
    tiles = stored(connection, edge(last.size), last.size)
    if last.size and merkle.root(last.size, tiles.node).hex() != last.root:
        raise TreeBroken("it does not lead to its newest head")
    tiles.extend(leaves)
    store(connection, tiles)
    return merkle.root(tiles.size, tiles.node)
