"""The rows that the HTTP side keeps in the database: credentials (hashed) and the audit of reads."""

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text

from infra.database import UtcDateTime

METADATA = MetaData()

API_KEY = Table(
    "api_key",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("scopes", String, nullable=False),
    Column("purposes", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

READ_AUDIT = Table(
    "read_audit",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("decision", String(16), nullable=False),
    Column("reads", Integer, nullable=False),
    Column("profile_ids", Text, nullable=False),
    Index("read_audit_at", "at"),
)
"""One row for what one key read for one purpose within a quarter of a second: the ids, parted by blanks."""
