"""Requests in the database, alike on SQLite and PostgreSQL: where each stands, and every step it took.

No value and no token of a person lies here in the clear: what they told us is sealed, and a mark (keyed, of requests
alone) finds requests of the same identifier; both are deleted when the request ends.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from infra.database import UtcDateTime

METADATA: Final = MetaData()
_COUNTED: Final = BigInteger().with_variant(Integer, "sqlite")

PRIVACY_REQUEST: Final = Table(
    "privacy_request",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("right", String(20), nullable=False),
    Column("status", String(30), nullable=False),
    Column("resumes", String(30)),
    Column("regulation", String(20), nullable=False),
    Column("jurisdiction", String(12)),
    Column("channel", String(20), nullable=False),
    Column("asked_by", String(20), nullable=False),
    Column("opened_by", String(120), nullable=False),
    Column("approved_by", String(120)),
    Column("external_id", String(64)),
    Column("received_at", UtcDateTime, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("confirm_by", UtcDateTime),
    Column("extended_at", UtcDateTime),
    Column("verified_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("ground", String(30)),
    Column("details", Text, nullable=False),
    Column("sealed", LargeBinary),
    # The last step that the ledger has; the others are told to it first of all.
    Column("noted", Integer, nullable=False, default=0),
    UniqueConstraint("opened_by", "external_id"),
    Index("privacy_request_status", "status"),
)

PRIVACY_REQUEST_IDENTIFIER: Final = Table(
    "privacy_request_identifier",
    METADATA,
    Column("request_id", String(32), ForeignKey("privacy_request.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String(60), nullable=False),
    Column("mark", String(64)),
    Column("sealed", LargeBinary),
    Column("verified_at", UtcDateTime),
    # Of the newest proof that was sent out: its digest, and how often somebody tried.
    Column("proof", String(64)),
    Column("sent", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Index("privacy_request_identifier_mark", "mark"),
)

PRIVACY_REQUEST_STEP: Final = Table(
    "privacy_request_step",
    METADATA,
    Column("request_id", String(32), ForeignKey("privacy_request.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("step", String(40), nullable=False),
    Column("store", String(120)),
    Column("status", String(30), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("facts", Text, nullable=False),
)

PRIVACY_OUTBOX: Final = Table(
    "privacy_outbox",
    METADATA,
    Column("number", _COUNTED, primary_key=True, autoincrement=True),
    Column("request_id", String(32), ForeignKey("privacy_request.id"), nullable=False),
    # One message for each status and address, however often it is put in.
    Column("about", String(60), nullable=False),
    Column("url", Text, nullable=False),
    Column("body", LargeBinary),
    Column("sealed", Integer, nullable=False, default=0),
    Column("made_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime),
    Column("tries", Integer, nullable=False, default=0),
    Column("delivered_at", UtcDateTime),
    Column("outcome", String(40)),
    UniqueConstraint("request_id", "about", "url"),
    Index("privacy_outbox_next_at", "next_at"),
)

_SQLITE: Final = (
    "CREATE TRIGGER privacy_request_step_no_{verb} BEFORE {verb} ON privacy_request_step "
    "BEGIN SELECT RAISE(ABORT, 'privacy_request_step is append-only'); END"
)
_KEPT: Final = (
    "CREATE OR REPLACE FUNCTION privacy_request_step_kept() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'privacy_request_step is append-only'; END $$"
)
_POSTGRES: Final = (
    "CREATE TRIGGER privacy_request_step_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON privacy_request_step "
    "FOR EACH STATEMENT EXECUTE FUNCTION privacy_request_step_kept()"
)


@event.listens_for(PRIVACY_REQUEST_STEP, "after_create")
def _forbid_changes(_table: Table, connection: Connection, **_: Any) -> None:
    """Keep every step as it was written, whichever program opens the database."""
    sqlite = connection.dialect.name == "sqlite"
    for statement in [_SQLITE.format(verb=verb) for verb in ("UPDATE", "DELETE")] if sqlite else (_KEPT, _POSTGRES):
        connection.exec_driver_sql(statement)


# For the registry of erasure: why none of these tables holds a person.
WITHOUT: Final = {
    PRIVACY_REQUEST.name: "kinds, dates and grounds; what people told us is sealed, and its key goes with the request",
    PRIVACY_REQUEST_IDENTIFIER.name: "kinds; marks and sealed values until the request ends, none afterwards",
    PRIVACY_REQUEST_STEP.name: "which step was taken when, and by which officer or key",
    PRIVACY_OUTBOX.name: "addresses of controllers and statuses; proofs are sealed under the request's key",
}
