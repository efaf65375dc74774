"""Accounts gain the number of rows that were older than they may be kept."""

from alembic import op
from sqlalchemy import BigInteger, Column, inspect

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; before there were periods, no row was older than one."""
    place = inspect(op.get_bind())
    if "run_account" not in place.get_table_names():
        return
    if "expired" not in {column["name"] for column in place.get_columns("run_account")}:
        op.add_column("run_account", Column("expired", BigInteger, nullable=False, server_default="0"))
