"""The relational store: SQLite in write-ahead mode by default, the same tables on PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    inspect,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from infra.migrations import steps
from infra.workspace import Workspace

T = TypeVar("T")
_AT_ONCE: Final = 400  # values in one list or insert: below SQLite's limit of variables
_PATIENCE: Final = 30.0
_TURNS: Final[WeakKeyDictionary[Engine, Lock]] = WeakKeyDictionary()
_WRITERS: Final = 0x6B696E64726564  # the number of our lock in PostgreSQL


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
    """Return an engine on the workspace's database (or on a URL) with the schemas' tables in place.

    A database of an older release is brought up to date first. A workspace's engine carries its workspace among its
    execution options, for what lies beside the database.
    """
    if not isinstance(where, Workspace):
        engine = connect(where)
    else:
        where.state_path.mkdir(parents=True, exist_ok=True)
        engine = connect(where.database_url)
        engine.update_execution_options(workspace=where)
    bring_up_to_date(engine, schemas)
    return engine


def connect(url: str) -> Engine:
    """Return an engine on a URL, prepared as every database of ours is."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)  # the server may have been restarted since
    engine = create_engine(url, connect_args={"timeout": 30})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def bring_up_to_date(engine: Engine, schemas: Iterable[MetaData]) -> None:
    """Put in place what tables lack, as one transaction: killed in the middle, it is done again at the next opening."""
    schemas = tuple(schemas)
    wanted = {name for schema in schemas for name in schema.tables}
    with engine.connect() as connection:
        held = set(inspect(connection).get_table_names())
        if wanted <= held and steps.is_newest(connection, held):
            return
    with writing(engine) as connection:
        # Looked at again: another process may have done it meanwhile.
        steps.migrate(connection, set(inspect(connection).get_table_names()))
        for schema in schemas:
            schema.create_all(connection)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: an acknowledged consent must outlive a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that holds the write lock from its first statement on.

    SQLite would otherwise take it at the first write and fail there when another process came between. PostgreSQL has
    no such lock of its own; with ours, rows are numbered in the order in which others come to see them, there too.
    Who waits for another thread of this process waits without a connection: who has the lock may need a second one.
    """
    with _turn(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    lock = _TURNS.setdefault(engine, Lock())
    if not lock.acquire(timeout=_PATIENCE):
        raise PoolTimeout(f"other threads of this process have written for {_PATIENCE} seconds")
    try:
        yield
    finally:
        lock.release()


def in_parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield values in their order, so many together as one statement takes."""
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def empty_log(engine: Engine, patience: int) -> bool:
    """Take SQLite's write-ahead log in and empty it; say whether that was possible within so many milliseconds."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience}")
        busy: int = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    return not busy


def scrub(engine: Engine) -> None:
    """Leave no deleted row in the database's bytes: its log is taken in and emptied, and its file written anew.

    PostgreSQL does so itself in time (VACUUM); there this asks for it at once.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            connection.exec_driver_sql("VACUUM FULL")
