"""The database tables of consent. What was said, and what was sealed, the database itself refuses to change."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from infra.database import UtcDateTime

METADATA: Final = MetaData()

# BIGINT on PostgreSQL; SQLite counts up only INTEGER keys.
_SEQUENCE: Final = BigInteger().with_variant(Integer, "sqlite")

# Partial indexes: most words have no end of their own, and few come from a clock that runs ahead.
_ENDS, _AHEAD = text("expires_at IS NOT NULL"), text("received_at < occurred_at")

# `sequence` is the row's own number, in the order in which rows were written: overlay, sweep and mirror count by it.
# The number under which an entry is sealed stands in `ledger_leaf`.
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
    Column("evidence", Text),  # always empty: evidence stood here before it was kept under its subject's own key
    Column("commitment", LargeBinary),  # SHA-256 of salt and payload
    Column("private", LargeBinary),  # salt and payload, under the subject's own key
    Column("leaf", LargeBinary),  # as it is promised; entries from before there was a sealer get theirs in sealing
    Index("consent_event_sid", "sid"),
    Index("consent_event_action", "action"),
    # For the sweep, which asks every second what has run out: an action first, then a stretch of time.
    Index("consent_event_occurred_at", "action", "occurred_at"),
    Index("consent_event_expires_at", "action", "expires_at", sqlite_where=_ENDS, postgresql_where=_ENDS),
    Index("consent_event_received_at", "action", "received_at", sqlite_where=_AHEAD, postgresql_where=_AHEAD),
    sqlite_autoincrement=True,
)

LEDGER_NOTE: Final = Table(
    "ledger_note",
    METADATA,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(60), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("facts", Text, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# Which entry stands at which place of the tree, counted from 0. The leaves' hashes stand in the tiles.
LEDGER_LEAF: Final = Table(
    "ledger_leaf",
    METADATA,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    UniqueConstraint("id", "kind"),
)

LEDGER_HEAD: Final = Table(
    "ledger_head",
    METADATA,
    Column("size", _SEQUENCE, primary_key=True, autoincrement=False),
    Column("ledger", String(32), nullable=False),
    Column("root", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("signature", String(88), nullable=False),
    # How far sealing had come in the rows of entries and notes.
    Column("entries_through", BigInteger, nullable=False),
    Column("notes_through", BigInteger, nullable=False),
)

# Follows from the leaves and may be built anew from them; so it alone may change.
LEDGER_TILE: Final = Table(
    "ledger_tile",
    METADATA,
    Column("id", _SEQUENCE, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
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

# When a row of an append-only table is there already.
_THERE: Final = {
    "consent_event": "id = NEW.id OR sequence = NEW.sequence",
    "ledger_note": "id = NEW.id OR sequence = NEW.sequence",
    "ledger_leaf": "sequence = NEW.sequence OR (id = NEW.id AND kind = NEW.kind)",
    "ledger_head": "size = NEW.size",
}


def _forbid_changes(table: Table, connection: Connection, **_: object) -> None:
    """Make a table append-only for every program that opens the database, ours included."""
    forbid_changes(connection, table.name)


def forbid_changes(connection: Connection, name: str) -> None:
    """Put the triggers on a table of the ledger that refuse whatever changes a row, in their place if they are not."""
    statements = _on_sqlite(name) if connection.dialect.name == "sqlite" else _on_postgresql(name)
    for statement in statements:
        connection.exec_driver_sql(statement)


def permit_change(connection: Connection, name: str) -> None:
    """Take the trigger away that refuses an update, until `forbid_changes` puts it back in the same transaction."""
    on_sqlite = connection.dialect.name == "sqlite"
    trigger = f"{name}_no_update" if on_sqlite else f"{name}_no_change ON {name}"
    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}")


def _on_sqlite(name: str) -> Iterator[str]:
    for verb in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
        )
    # REPLACE deletes without asking the trigger of DELETE. A row that is there already is passed over, not replaced.
    yield (
        f"CREATE TRIGGER IF NOT EXISTS {name}_no_replace BEFORE INSERT ON {name} "
        f"WHEN EXISTS (SELECT 1 FROM {name} WHERE {_THERE[name]}) BEGIN SELECT RAISE(IGNORE); END"
    )


def _on_postgresql(name: str) -> Iterator[str]:
    yield (
        f"CREATE OR REPLACE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$"
    )
    for what, when in (("change", "UPDATE OR DELETE"), ("truncate", "TRUNCATE")):
        each = "ROW" if what == "change" else "STATEMENT"
        yield (
            f"CREATE OR REPLACE TRIGGER {name}_no_{what} BEFORE {when} ON {name} "
            f"FOR EACH {each} EXECUTE FUNCTION {name}_refuse()"
        )


for _table in (CONSENT_EVENT, LEDGER_NOTE, LEDGER_LEAF, LEDGER_HEAD):
    event.listen(_table, "after_create", _forbid_changes)
