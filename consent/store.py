"""The ledger in the database: append-only entries, the deletable index from token to sid, and the log of decisions."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    select,
    text,
    union,
)
from sqlalchemy.dialects import postgresql, sqlite

from consent.model import ENDINGS, GIVEN, RESTRICTED, UNRESTRICTED, ConsentEntry, Decision
from infra.database import UtcDateTime, writing
from infra.ids import Sid, Token

METADATA: Final = MetaData()
_BATCH: Final = 400  # values in one IN list or insert: below SQLite's limit of variables

# BIGINT on PostgreSQL; SQLite counts up only INTEGER keys.
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

# Partial indexes: most words have no end of their own, and few come from a clock that runs ahead.
_ENDS, _AHEAD = text("expires_at IS NOT NULL"), text("received_at < occurred_at")

CONSENT_EVENT: Final = Table(
    "consent_event",
    METADATA,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("sid", String(64), nullable=False),
    Column("identifier_kind", String(60), nullable=False),
    Column("controller", String(120), nullable=False),
    Column("purpose", String(60), nullable=False),
    Column("channel", String(60)),
    Column("recipient", String(120)),
    Column("basis", String(60)),
    Column("action", String(30), nullable=False),
    Column("jurisdiction", String(12)),
    Column("notice_id", String(120)),
    Column("notice_version", String(60)),
    Column("notice_hash", String(64)),
    Column("notice_language", String(35)),
    Column("mechanism", String(30), nullable=False),
    Column("asserted_by", String(120), nullable=False),
    Column("age_band", String(10)),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("effective_from", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("supersedes", String(64)),
    Column("evidence", Text),
    Index("consent_event_sid", "sid"),
    Index("consent_event_action", "action"),
    # For the sweep, which asks every second what has run out: an action first, then a stretch of time.
    Index("consent_event_occurred_at", "action", "occurred_at"),
    Index("consent_event_expires_at", "action", "expires_at", sqlite_where=_ENDS, postgresql_where=_ENDS),
    Index("consent_event_received_at", "action", "received_at", sqlite_where=_AHEAD, postgresql_where=_AHEAD),
    sqlite_autoincrement=True,
)

IDENTIFIER_INDEX: Final = Table(
    "identifier_index",
    METADATA,
    Column("token", String(80), primary_key=True),
    Column("sid", String(64), nullable=False, unique=True),
)

CONSENT_DECISION: Final = Table(
    "consent_decision",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("purpose", String(60), nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("reason", String(30), nullable=False),
    Column("policy_line", String(120), nullable=False),
    Column("policy_version", String(64), nullable=False),
    Column("entries", Text, nullable=False),
    Column("profile_id", String(64)),
)

CONSENT_FUNNEL: Final = Table(
    "consent_funnel",
    METADATA,
    Column("run_id", String(64), nullable=False),
    Column("stage", String(30), nullable=False),
    Column("purpose", String(60), nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("reason", String(30), nullable=False),
    Column("policy_line", String(120), nullable=False),
    Column("subjects", BigInteger, nullable=False),
    UniqueConstraint("run_id", "stage", "purpose", "allowed", "reason", "policy_line"),
)

CONSENT_PROGRESS: Final = Table(
    "consent_progress",
    METADATA,
    Column("name", String(60), primary_key=True),
    Column("value", BigInteger, nullable=False),
)


@event.listens_for(CONSENT_EVENT, "after_create")
def _forbid_changes(_table: Table, connection: Connection, **_: object) -> None:
    """Make the ledger append-only for every program that opens the file, ours included."""
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER consent_event_no_{verb.lower()} BEFORE {verb} ON consent_event "
                "BEGIN SELECT RAISE(ABORT, 'consent_event is append-only'); END"
            )


_ENTRY_COLUMNS: Final = tuple(field.name for field in fields(ConsentEntry))

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
    said = list(said)
    if not said:
        return 0
    with writing(database) as connection:
        sids = _sids(connection, {s.token for s in said}, draw)
        new = 0
        for part in _parts(said):
            rows = [{column: getattr(s.entry, column) for column in _ENTRY_COLUMNS} for s in part]
            rows = [dict(row, sid=sids[s.token]) for row, s in zip(rows, part, strict=True)]
            new += connection.execute(_insert_missing(connection, CONSENT_EVENT, "id"), rows).rowcount
        return new


def _sids(connection: Connection, tokens: set[Token], draw: Draw) -> dict[Token, Sid]:
    ordered = sorted(tokens)
    for part in _parts([{"token": token, "sid": draw(token)} for token in ordered]):
        connection.execute(_insert_missing(connection, IDENTIFIER_INDEX, "token"), part)
    return _lookup(connection, ordered)


def _insert_missing(connection: Connection, table: Table, key: str) -> Any:
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return build(table).on_conflict_do_nothing(index_elements=[key])


def _lookup(connection: Connection, tokens: Iterable[Token]) -> dict[Token, Sid]:
    found = {}
    for part in _parts(list(tokens)):
        query = select(IDENTIFIER_INDEX).where(IDENTIFIER_INDEX.c.token.in_(part))
        found.update({Token(row.token): Sid(row.sid) for row in connection.execute(query)})
    return found


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


def sids(database: Engine, tokens: Iterable[Token]) -> dict[Token, Sid]:
    """Return the sid of each token that the ledger has heard of."""
    with database.connect() as connection:
        return _lookup(connection, tokens)


def history(database: Engine, tokens: Iterable[Token]) -> tuple[ConsentEntry, ...]:
    """Return every entry about the tokens, oldest first."""
    with database.connect() as connection:
        entries: list[ConsentEntry] = []
        for part in _parts(sorted(set(_lookup(connection, tokens).values()))):
            query = select(CONSENT_EVENT).where(CONSENT_EVENT.c.sid.in_(part))
            entries += [_entry(row) for row in connection.execute(query).mappings()]
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
        for part in _parts(list(found)):
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


def last_sequence(database: Engine) -> int:
    """Return the sequence number of the newest entry, 0 for an empty ledger."""
    return _number(database, select(func.coalesce(func.max(CONSENT_EVENT.c.sequence), 0)))


def sequence_of(database: Engine, identifier: str) -> int:
    """Return the sequence number of an entry, 0 where the ledger has none of that id."""
    return _number(database, select(CONSENT_EVENT.c.sequence).where(CONSENT_EVENT.c.id == identifier))


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
