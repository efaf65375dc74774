"""The rows that the HTTP side keeps in the database: credentials (hashed) and the audit of reads."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

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
    Column("expires_at", UtcDateTime),
    Column("rotated_at", UtcDateTime),
    Column("former_hash", String(64)),
    Column("former_until", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("people_per_day", Integer),
    Column("rate", Integer),
)
"""A rotated key has two secrets until the former one ends; `last_used_at` is the day's beginning, no finer."""

# A table of its own: keys of before this one existed need no new column.
WRITE_KEY = Table(
    "write_key",
    METADATA,
    Column("id", String(16), ForeignKey("api_key.id"), primary_key=True),
    Column("source", String(64), nullable=False),
)

# From when on older links to the preference centre open nothing: under a keyed mark, which is no token of any table.
LINKS_CLOSED = Table(
    "links_closed",
    METADATA,
    Column("mark", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
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

# What each row of the audit said when its batch was closed, as a digest. The batch's digest is a note in the sealed
# ledger; an erasure takes the salt and the ids of a row and leaves its digest, so that the batch can still be checked.
READ_SEAL = Table(
    "read_seal",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("batch", Integer, nullable=False, index=True),
    Column("salt", LargeBinary),
    Column("digest", LargeBinary, nullable=False),
)
"""The row of `read_audit` with the same id belongs to the batch named by its first row's id."""
