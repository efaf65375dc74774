"""Entries of the ledger gain their private part, the commitment to it, and their leaf."""

from alembic import op
from sqlalchemy import Column, LargeBinary, inspect

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Add the columns; what was said before has none of them, and is sealed by what it says."""
    place = inspect(op.get_bind())
    if "consent_event" not in place.get_table_names():
        return
    held = {column["name"] for column in place.get_columns("consent_event")}
    for name in ("commitment", "private", "leaf"):
        if name not in held:
            op.add_column("consent_event", Column(name, LargeBinary))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER IF NOT EXISTS consent_event_no_replace BEFORE INSERT ON consent_event "
            "WHEN EXISTS (SELECT 1 FROM consent_event WHERE id = NEW.id OR sequence = NEW.sequence) "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
