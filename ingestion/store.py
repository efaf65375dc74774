"""The books of ingestion in the database: which files were taken in, and what became of every row."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from infra.database import UtcDateTime, writing
from ingestion.errors import SourceChangedMidway
from ingestion.model import COUNTS, Account, Note, SourceFile

METADATA = sa.MetaData()

# A file counts as taken in as long as its bytes, its source's declaration and, where rows were suppressed, the list
# of restricted people are what they were.
_INGESTED = sa.Table(
    "ingested_file",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("declaration", sa.Text, nullable=False),
    sa.Column("restrictions", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("ingested_at", UtcDateTime, nullable=False),
)
_PLANNED = sa.Table(
    "run_file",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
)
_ACCOUNT = sa.Table(
    "run_account",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
)
_NOTE = sa.Table(
    "run_note",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("note", sa.Text, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
)


class Books:
    """What is written down of one source in one run."""

    def __init__(self, engine: sa.Engine, run_id: str, source: str) -> None:
        self._engine, self._run_id, self._source = engine, run_id, source

    def accounts(self) -> tuple[Account, ...]:
        """Return this run's accounts of the source; there are some once the run is through with it."""
        where = (_ACCOUNT.c.run_id == self._run_id) & (_ACCOUNT.c.source == self._source)
        query = sa.select(_ACCOUNT).where(where).order_by(_ACCOUNT.c.file)
        with self._engine.connect() as connection:
            return tuple(_account(row._mapping) for row in connection.execute(query))  # noqa: SLF001 - the documented name

    def rows_taken_in(self, declaration: str, restrictions: str) -> dict[tuple[str, str], int]:
        """Return path and digest of the files that need not be read again, with their number of rows."""
        where = (
            (_INGESTED.c.source == self._source)
            & (_INGESTED.c.declaration == declaration)
            & _INGESTED.c.restrictions.in_(("", restrictions))
        )
        query = sa.select(_INGESTED.c.path, _INGESTED.c.sha256, _INGESTED.c.rows).where(where)
        with self._engine.connect() as connection:
            return {(path, sha256): rows for path, sha256, rows in connection.execute(query)}

    def plan(self, files: Iterable[SourceFile]) -> None:
        """Write down what this run is about to read; raise where a resumed run finds another file in its place."""
        now = {file.path: file.sha256 for file in files}
        where = (_PLANNED.c.run_id == self._run_id) & (_PLANNED.c.source == self._source)
        with writing(self._engine) as connection:
            query = sa.select(_PLANNED.c.path, _PLANNED.c.sha256).where(where)
            planned = {path: sha256 for path, sha256 in connection.execute(query)}  # noqa: C416 - rows are no pairs
            for path in sorted(set(planned) | set(now)):
                if planned and planned.get(path) != now.get(path):
                    raise SourceChangedMidway(self._source, path, self._run_id)
            if not planned and now:
                own = {"run_id": self._run_id, "source": self._source}
                connection.execute(_PLANNED.insert(), [{**own, "path": p, "sha256": s} for p, s in now.items()])

    def close(
        self,
        files: Mapping[str, SourceFile],
        accounts: Iterable[Account],
        notes: Iterable[Note],
        *,
        declaration: str,
        restrictions: str,
        at: datetime,
    ) -> None:
        """Write down, in one transaction, the accounts and that the files are taken in. Doing it again is harmless."""
        own = {"run_id": self._run_id, "source": self._source}
        with writing(self._engine) as connection:
            if connection.execute(sa.select(_ACCOUNT.c.file).where(*_same(_ACCOUNT, own))).first():
                return
            for account in accounts:
                counts = {name: getattr(account, name) for name in COUNTS}
                connection.execute(_ACCOUNT.insert().values(**own, file=account.file, **counts))
                if account.file in files:
                    self._remember(connection, files[account.file], account, declaration, restrictions, at)
            for note in notes:
                connection.execute(_NOTE.insert().values(**own, item=note.item, note=note.note, rows=note.rows))

    def _remember(
        self,
        connection: sa.Connection,
        file: SourceFile,
        account: Account,
        declaration: str,
        restrictions: str,
        at: datetime,
    ) -> None:
        own = {"source": self._source, "path": file.path}
        connection.execute(_INGESTED.delete().where(*_same(_INGESTED, own)))
        facts = {"size": file.size, "sha256": file.sha256, "rows": account.read, "declaration": declaration}
        facts["restrictions"] = restrictions if account.suppressed else ""
        connection.execute(_INGESTED.insert().values(**own, **facts, run_id=self._run_id, ingested_at=at))


def _same(table: sa.Table, own: Mapping[str, object]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in own.items()]


def _account(row: sa.RowMapping) -> Account:
    return Account(**{name: row[name] for name in ("source", "file", *COUNTS)})


def notes_of(engine: sa.Engine, run_id: str) -> tuple[Note, ...]:
    """Return what befell values of a run's accepted rows, by source."""
    query = sa.select(_NOTE).where(_NOTE.c.run_id == run_id).order_by(_NOTE.c.source, _NOTE.c.item, _NOTE.c.note)
    with engine.connect() as connection:
        return tuple(Note(row.source, row.item, row.note, row.rows) for row in connection.execute(query))


def accounts_of(engine: sa.Engine, run_id: str) -> tuple[Account, ...]:
    """Return a run's accounts, file by file."""
    query = sa.select(_ACCOUNT).where(_ACCOUNT.c.run_id == run_id).order_by(_ACCOUNT.c.source, _ACCOUNT.c.file)
    with engine.connect() as connection:
        return tuple(_account(row._mapping) for row in connection.execute(query))  # noqa: SLF001 - the documented name
