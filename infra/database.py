"""The relational store: SQLite in write-ahead mode by default, the same tables on PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, TypeDecorator, create_engine, event

from infra.workspace import Workspace


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; refuses naive values going in and hands aware ones out, on every backend."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment as the backend stores it."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a naive datetime has no place in the database; pass one with a time zone"
            raise ValueError(msg)
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment with its zone."""
        return None if value is None else value.replace(tzinfo=UTC)


def open_database(where: Workspace | str, *schemas: MetaData) -> Engine:
    """Return an engine on the workspace's database (or on a URL) with the schemas' tables in place."""
    if isinstance(where, Workspace):
        where.database_path.parent.mkdir(parents=True, exist_ok=True)
        where = f"sqlite:///{where.database_path}"
    engine = create_engine(where, connect_args={"timeout": 30} if where.startswith("sqlite") else {})
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    for schema in schemas:
        schema.create_all(engine)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: an acknowledged consent must outlive a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that holds the write lock from its first statement on.

    SQLite would otherwise take it at the first write and fail there when another process came between.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
