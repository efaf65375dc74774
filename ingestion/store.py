"""The books of ingestion in the database: which files were taken in, and what became of every row."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
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


# Written last: a run whose books are closed is through with its files.
_CLOSED = sa.Table(
    "run_ingested",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("closed_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What the books keep of one source: its fresh files, the accounts of the others, its declaration's digest."""

    source: str
    fresh: tuple[SourceFile, ...]
    repeated: tuple[Account, ...]
    declaration: str


class Books:
    """What is written down of one run."""

    def __init__(self, engine: sa.Engine, run_id: str) -> None:
        self._engine, self._run_id = engine, run_id

    def closed(self) -> bool:
        """Say whether the run is through with its files."""
        query = sa.select(_CLOSED.c.run_id).where(_CLOSED.c.run_id == self._run_id)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def accounts(self) -> tuple[Account, ...]:
        """Return the run's accounts, file by file."""
        where = _ACCOUNT.c.run_id == self._run_id
        query = sa.select(_ACCOUNT).where(where).order_by(_ACCOUNT.c.source, _ACCOUNT.c.file)
        with self._engine.connect() as connection:
            return tuple(_account(row) for row in connection.execute(query).mappings())

    def notes(self) -> tuple[Note, ...]:
        """Return what befell values of the run's accepted rows, by source."""
        where = _NOTE.c.run_id == self._run_id
        query = sa.select(_NOTE).where(where).order_by(_NOTE.c.source, _NOTE.c.item, _NOTE.c.note)
        with self._engine.connect() as connection:
            return tuple(Note(row.source, row.item, row.note, row.rows) for row in connection.execute(query))

    def rows_taken_in(self, source: str, declaration: str, restrictions: str) -> dict[tuple[str, str], int]:
        """Return path and digest of the files that need not be read again, with their number of rows."""
        where = (
            (_INGESTED.c.source == source)
            & (_INGESTED.c.declaration == declaration)
            & _INGESTED.c.restrictions.in_(("", restrictions))
        )
        query = sa.select(_INGESTED.c.path, _INGESTED.c.sha256, _INGESTED.c.rows).where(where)
        with self._engine.connect() as connection:
            return {(path, sha256): rows for path, sha256, rows in connection.execute(query)}

    def plan(self, source: str, files: Iterable[SourceFile]) -> None:
        """Write down what the run is about to read; raise where a resumed run finds another file in its place."""
        now = {file.path: file.sha256 for file in files}
        where = (_PLANNED.c.run_id == self._run_id) & (_PLANNED.c.source == source)
        with writing(self._engine) as connection:
            query = sa.select(_PLANNED.c.path, _PLANNED.c.sha256).where(where)
            planned = {path: sha256 for path, sha256 in connection.execute(query)}  # noqa: C416 - rows are no pairs
            for path in sorted(set(planned) | set(now)):
                if planned and planned.get(path) != now.get(path):
                    raise SourceChangedMidway(source, path, self._run_id)
            if not planned and now:
                own = {"run_id": self._run_id, "source": source}
                connection.execute(_PLANNED.insert(), [{**own, "path": p, "sha256": s} for p, s in now.items()])

    def close(
        self,
        taken: Iterable[Taken],
        accounts: Iterable[Account],
        notes: Iterable[Note],
        *,
        restrictions: str,
        at: datetime,
    ) -> None:
        """Write down, in one transaction, all accounts and that the files are taken in. Once is enough."""
        found = {(account.source, account.file): account for account in accounts}
        with writing(self._engine) as connection:
            connection.execute(_CLOSED.insert().values(run_id=self._run_id, closed_at=at))
            for source in taken:
                fresh = [found[source.source, file.path] for file in source.fresh]
                for account in (*fresh, *source.repeated):
                    counts = {name: getattr(account, name) for name in COUNTS}
                    own = {"run_id": self._run_id, "source": account.source, "file": account.file}
                    connection.execute(_ACCOUNT.insert().values(**own, **counts))
                for file, account in zip(source.fresh, fresh, strict=True):
                    limits = restrictions if account.suppressed else ""
                    self._remember(connection, source, file, rows=account.read, restrictions=limits, ingested_at=at)
            for note in notes:
                connection.execute(_NOTE.insert().values(run_id=self._run_id, **asdict(note)))

    def _remember(self, connection: sa.Connection, source: Taken, file: SourceFile, **facts: object) -> None:
        mine = (_INGESTED.c.source == source.source) & (_INGESTED.c.path == file.path)
        connection.execute(_INGESTED.delete().where(mine))
        own = {"source": source.source, "path": file.path, "size": file.size, "sha256": file.sha256}
        row = {**own, "declaration": source.declaration, "run_id": self._run_id, **facts}
        connection.execute(_INGESTED.insert().values(row))


def _account(row: sa.RowMapping) -> Account:
    return Account(**{name: row[name] for name in ("source", "file", *COUNTS)})
