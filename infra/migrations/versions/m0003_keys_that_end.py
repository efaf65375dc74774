"""Keys gain an end, a second secret while one follows another, the day of their last use, and limits of their own."""

from alembic import op
from sqlalchemy import Column, DateTime, Integer, String, inspect

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; a key of before has no end, one secret and the server's limits."""
    place = inspect(op.get_bind())
    if "api_key" not in place.get_table_names():
        return
    held = {column["name"] for column in place.get_columns("api_key")}
    for column in (
        Column("expires_at", DateTime),
        Column("rotated_at", DateTime),
        Column("former_hash", String(64)),
        Column("former_until", DateTime),
        Column("last_used_at", DateTime),
        Column("people_per_day", Integer),
        Column("rate", Integer),
    ):
        if column.name not in held:
            op.add_column("api_key", column)
