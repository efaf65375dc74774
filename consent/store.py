"""The ledger in the database: append-only entries, the deletable index from token to sid, and the log of decisions."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, Select, Table, func, insert, select, union
from sqlalchemy.dialects import postgresql, sqlite

from consent.ledger import vault
from consent.ledger.leaf import entry_fields, leaf_of
from consent.ledger.schema import (
    CONSENT_DECISION,
    CONSENT_EVENT,
    CONSENT_FUNNEL,
    CONSENT_PROGRESS,
    IDENTIFIER_INDEX,
    METADATA,
)
from consent.model import ENDINGS, GIVEN, RESTRICTED, UNRESTRICTED, ConsentEntry, Decision
from infra.database import in_parts, writing
from infra.ids import Sid, Token

# The tables are declared with the ledger's; they are consent's face to others here.
__all__ = (
    "CONSENT_DECISION",
    "CONSENT_EVENT",
    "CONSENT_FUNNEL",
    "CONSENT_PROGRESS",
    "IDENTIFIER_INDEX",
    "METADATA",
)
_ENTRY_COLUMNS: Final = tuple(field.name for field in fields(ConsentEntry))
_TOLD: Final = tuple(column for column in _ENTRY_COLUMNS if column != "evidence")

Draw = Callable[[Token], Sid]


@dataclass(frozen=True, slots=True)
class Said:
    """An entry on its way to the ledger: its token still stands where the sid will."""

    token: Token
    entry: ConsentEntry


def secret_sid(token: Token) -> Sid:  # noqa: ARG001 - nothing of the token may show in the sid
    """Return a sid that nobody can compute again."""
    return Sid(secrets.token_hex(16))


def salted_sids(salt: str) -> Draw:
    """Return the drawing of sids under a run's salt: forgotten with the run, repeatable in a seeded workspace."""
    return lambda token: Sid(hashlib.sha256(f"{salt}|sid|{token}".encode()).hexdigest()[:32])


def append(database: Engine, said: Iterable[Said], draw: Draw) -> int:
    """Add entries in one transaction and return how many were new; an id that is there already adds nothing."""
    return len(append_new(database, said, draw))


def append_new(database: Engine, said: Iterable[Said], draw: Draw) -> set[str]:
    """Add entries in one transaction and return the ids that were new; of two with one id the first counts."""
    by_id: dict[str, Said] = {}
    for one in said:
        by_id.setdefault(one.entry.id, one)
    if not by_id:
        return set()
    keys, new = vault.keys_of(database), set[str]()
    with writing(database) as connection:
        sids = _sids(connection, {one.token for one in by_id.values()}, draw)
        for part in in_parts(list(by_id.values())):
            known = _known(connection, [one.entry.id for one in part])
            unknown = [one for one in part if one.entry.id not in known]
            # A subject's key is on disk before what lies under it is; one that nothing came to lie under does no harm.
            hidden = vault.hidden(keys, [(sids[one.token], one.entry.evidence) for one in unknown])
            rows = [_row(one.entry, sids[one.token], private) for one, private in zip(unknown, hidden, strict=True)]
            if rows:
                connection.execute(insert(CONSENT_EVENT), rows)
            new |= {one.entry.id for one in unknown}
    return new


def _known(connection: Connection, ids: list[str]) -> set[str]:
    return set(connection.execute(select(CONSENT_EVENT.c.id).where(CONSENT_EVENT.c.id.in_(ids))).scalars())


def _row(entry: ConsentEntry, sid: Sid, private: Mapping[str, Any]) -> dict[str, Any]:
    row = {column: getattr(entry, column) for column in _TOLD} | {"sid": sid, **private}
    return row | {"leaf": leaf_of(entry_fields(row), row["commitment"])}


def _sids(connection: Connection, tokens: set[Token], draw: Draw) -> dict[Token, Sid]:
    ordered = sorted(tokens)
    for part in in_parts([{"token": token, "sid": draw(token)} for token in ordered]):
        connection.execute(_insert_missing(connection, IDENTIFIER_INDEX, "token"), part)
    return _lookup(connection, ordered)


def _insert_missing(connection: Connection, table: Table, key: str) -> Any:
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return build(table).on_conflict_do_nothing(index_elements=[key])


def _lookup(connection: Connection, tokens: Iterable[Token]) -> dict[Token, Sid]:
    found = {}
    for part in in_parts(list(tokens)):
        query = select(IDENTIFIER_INDEX).where(IDENTIFIER_INDEX.c.token.in_(part))
        found.update({Token(row.token): Sid(row.sid) for row in connection.execute(query)})
    return found


def sids(database: Engine, tokens: Iterable[Token]) -> dict[Token, Sid]:
    """Return the sid of each token that the ledger has heard of."""
    with database.connect() as connection:
        return _lookup(connection, tokens)


def history(database: Engine, tokens: Iterable[Token]) -> tuple[ConsentEntry, ...]:
    """Return every entry about the tokens with its evidence, oldest first."""
    with database.connect() as connection:
        rows = _said(connection, _lookup(connection, tokens).values())
    return _told(database, rows)


def words_of(database: Engine, sids: Iterable[Sid]) -> tuple[ConsentEntry, ...]:
    """Return every entry under sids that still lead to an identifier, with its evidence, oldest first."""
    with database.connect() as connection:
        known: list[Sid] = []
        for part in in_parts(sorted(set(sids))):
            query = select(IDENTIFIER_INDEX.c.sid).where(IDENTIFIER_INDEX.c.sid.in_(part))
            known += [Sid(sid) for sid in connection.execute(query).scalars()]
        rows = _said(connection, known)
    return _told(database, rows)


def _said(connection: Connection, sids: Iterable[Sid]) -> list[RowMapping]:
    rows: list[RowMapping] = []
    for part in in_parts(sorted(set(sids))):
        query = select(CONSENT_EVENT).where(CONSENT_EVENT.c.sid.in_(part))
        rows += connection.execute(query).mappings()
    return rows


def _told(database: Engine, rows: list[RowMapping]) -> tuple[ConsentEntry, ...]:
    evidence = vault.evidence(database, [(row["sid"], row["private"]) for row in rows])
    entries = [replace(_entry(row), evidence=told or row["evidence"]) for row, told in zip(rows, evidence, strict=True)]
    return tuple(sorted(entries, key=lambda e: (e.occurred_at, e.received_at, e.id)))


def _entry(row: RowMapping) -> ConsentEntry:
    return ConsentEntry(**{column: row[column] for column in _ENTRY_COLUMNS})


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time after one moment up to another, and of the ledger after one entry."""

    after: datetime
    until: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A token under which a yes may have ended: all that was said under it, and the newest entry's number."""

    token: Token
    entries: tuple[ConsentEntry, ...]
    sequence: int


def ended(database: Engine, window: Window, lifetimes: Iterable[int]) -> Iterator[Ended]:
    """Yield the tokens under which a yes may have run out within a window, or was ended by a new word.

    It may name too many, for the policy says elsewhere which yes has which lifetime (in days); never too few.
    """
    with database.connect() as connection:
        found = connection.execute(select(union(*_endings(window, lifetimes)).subquery())).scalars().all()
        for part in in_parts(list(found)):
            query = (
                select(CONSENT_EVENT, IDENTIFIER_INDEX.c.token)
                .join(IDENTIFIER_INDEX, IDENTIFIER_INDEX.c.sid == CONSENT_EVENT.c.sid)
                .where(CONSENT_EVENT.c.sid.in_(part))
                .order_by(CONSENT_EVENT.c.sid, CONSENT_EVENT.c.sequence)
            )
            for token, group in groupby(connection.execute(query).mappings().all(), key=lambda row: row["token"]):
                rows = list(group)
                yield Ended(Token(token), tuple(_entry(row) for row in rows), rows[-1]["sequence"])


def _endings(window: Window, lifetimes: Iterable[int]) -> Iterator[Select[Any]]:
    """Yield the ways in which a yes ends, each as a query that one index answers."""
    said = CONSENT_EVENT.c
    given = select(said.sid).where(said.action == GIVEN)
    yield given.where(said.expires_at > window.after, said.expires_at <= window.until)
    yield select(said.sid).where(said.action.in_(ENDINGS), said.sequence > window.sequence)
    for lifetime in (timedelta(days=days) for days in lifetimes):
        # A word counts from when it was said, or from when it was heard where that is earlier.
        after, until = window.after - lifetime, window.until - lifetime
        yield given.where(said.occurred_at > after, said.occurred_at <= until)
        ahead = given.where(said.received_at < said.occurred_at)
        yield ahead.where(said.received_at > after, said.received_at <= until)


def restricted_tokens(database: Engine) -> frozenset[Token]:
    """Return the tokens under a restriction that nobody has lifted; ingestion suppresses their rows."""
    said = {RESTRICTED: {}, UNRESTRICTED: {}}  # type: dict[str, dict[Token, datetime]]
    query = (
        select(
            IDENTIFIER_INDEX.c.token, CONSENT_EVENT.c.action, CONSENT_EVENT.c.occurred_at, CONSENT_EVENT.c.received_at
        )
        .join(IDENTIFIER_INDEX, IDENTIFIER_INDEX.c.sid == CONSENT_EVENT.c.sid)
        .where(CONSENT_EVENT.c.action.in_([RESTRICTED, UNRESTRICTED]))
    )
    with database.connect() as connection:
        for token, action, occurred_at, received_at in connection.execute(query):
            at = min(occurred_at, received_at)
            said[action][token] = max(at, said[action].get(token, at))
    lifted = said[UNRESTRICTED]
    return frozenset(t for t, at in said[RESTRICTED].items() if t not in lifted or lifted[t] <= at)


def log_decision(
    database: Engine, identifier: str, decision: Decision, *, at: datetime, actor: str, profile_id: str | None = None
) -> None:
    """Write a decision down under its id, with the line and the entries that it rests on."""
    row = {
        "id": identifier,
        "at": at,
        "actor": actor,
        "purpose": decision.purpose,
        "allowed": decision.allowed,
        "reason": decision.reason,
        "policy_line": decision.policy_line,
        "policy_version": decision.policy_version,
        "entries": " ".join(decision.entries),
        "profile_id": profile_id,
    }
    with writing(database) as connection:
        connection.execute(_insert_missing(connection, CONSENT_DECISION, "id"), row)


def exported(database: Engine, size: int) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the whole ledger with the tokens that are still indexed, in lists of a bounded size."""
    query = (
        select(CONSENT_EVENT, IDENTIFIER_INDEX.c.token)
        .join(IDENTIFIER_INDEX, IDENTIFIER_INDEX.c.sid == CONSENT_EVENT.c.sid, isouter=True)
        .order_by(CONSENT_EVENT.c.sequence)
    )
    with database.connect() as connection:
        result = connection.execution_options(yield_per=size).execute(query)
        for rows in result.mappings().partitions():
            yield [dict(row) for row in rows]


def whole(database: Engine, size: int) -> Iterator[tuple[Token, ConsentEntry]]:
    """Yield every entry whose identifier is still indexed, with its token, holding lists of a bounded size."""
    for rows in exported(database, size):
        for row in rows:
            if row["token"] is not None:
                yield Token(row["token"]), ConsentEntry(**{column: row[column] for column in _ENTRY_COLUMNS})


def tokens_after(database: Engine, sequence: int, size: int) -> Iterator[list[Token]]:
    """Yield the tokens under which anything was said after an entry's number, in lists of a bounded size."""
    query = (
        select(IDENTIFIER_INDEX.c.token)
        .join(CONSENT_EVENT, IDENTIFIER_INDEX.c.sid == CONSENT_EVENT.c.sid)
        .where(CONSENT_EVENT.c.sequence > sequence)
        .distinct()
    )
    with database.connect() as connection:
        for rows in connection.execution_options(yield_per=size).execute(query).scalars().partitions():
            yield [Token(row) for row in rows]


# Asked for each piece of the event log, so it is put together once.
_NEWEST: Final = select(func.coalesce(func.max(CONSENT_EVENT.c.sequence), 0))


def last_sequence(database: Engine) -> int:
    """Return the sequence number of the newest entry, 0 for an empty ledger."""
    return _number(database, _NEWEST)


def sequence_of(database: Engine, identifier: str) -> int:
    """Return the sequence number of an entry, 0 where the ledger has none of that id."""
    return _number(database, select(CONSENT_EVENT.c.sequence).where(CONSENT_EVENT.c.id == identifier))


def sequences_of(database: Engine, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the sequence number of each entry that the ledger has, by its id."""
    found: dict[str, int] = {}
    with database.connect() as connection:
        for part in in_parts(list(identifiers)):
            query = select(CONSENT_EVENT.c.id, CONSENT_EVENT.c.sequence).where(CONSENT_EVENT.c.id.in_(part))
            found.update({row.id: row.sequence for row in connection.execute(query)})
    return found


def entries(database: Engine) -> int:
    """Return how many entries the ledger holds."""
    return _number(database, select(func.count()).select_from(CONSENT_EVENT))


def progress(database: Engine, name: str) -> int:
    """Return how far a named work has come, 0 before its first step."""
    return _number(database, select(CONSENT_PROGRESS.c.value).where(CONSENT_PROGRESS.c.name == name))


def _number(database: Engine, query: Select[Any]) -> int:
    with database.connect() as connection:
        return int(connection.execute(query).scalar_one_or_none() or 0)


def advance(database: Engine, reached: Mapping[str, int]) -> None:
    """Remember how far named works have come, all or none; it never goes back."""
    with writing(database) as connection:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        for name, value in reached.items():
            statement = insert(CONSENT_PROGRESS).values(name=name, value=value)
            update = {"value": value}
            newer = statement.excluded.value > CONSENT_PROGRESS.c.value
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=update, where=newer))
