"""The books of ingestion in the database: which files were taken in, and what became of every row."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from infra.database import UtcDateTime, writing
from ingestion.errors import SourceChangedMidway
from ingestion.flow import Flow
from ingestion.model import COUNTS, Account, Note, SourceFile

METADATA = sa.MetaData()

# A file counts as taken in as long as its bytes, its source's declaration and, where rows were suppressed or older than
# they may be kept, the list of restricted people and the periods are what they were.
INGESTED = sa.Table(
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
PLANNED = sa.Table(
    "run_file",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
)
ACCOUNT = sa.Table(
    "run_account",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    *(sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in COUNTS),
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

# What a run saw of a source beside the fates of its rows: what the tables gained (as JSON), and the newest moments.
FLOW = sa.Table(
    "run_flow",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("surveyed", sa.BigInteger, nullable=False),
    sa.Column("read", sa.BigInteger, nullable=False),
    sa.Column("written", sa.JSON, nullable=False),
    sa.Column("arrived_at", UtcDateTime),
    sa.Column("told_at", UtcDateTime),
)

# How far each connector has read, as JSON that it alone understands; `intent` is what a load is about to read.
CURSOR = sa.Table(
    "source_cursor",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("cursor", sa.Text),
    sa.Column("intent", sa.Text),
    sa.Column("moment", sa.BigInteger, nullable=False),
    sa.Column("columns", sa.Text),
)
# What each load of a source brought, and what a sample showed of its columns (JSON; numbers and moments, no texts).
LOAD = sa.Table(
    "source_load",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("stopped", sa.Boolean, nullable=False),
    sa.Column("profile", sa.Text, nullable=False),
)
# Which columns a source's loads have had, of which kinds, in which runs, and what would take in the undeclared ones.
COLUMN = sa.Table(
    "source_column",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("first_run", sa.BigInteger, nullable=False),
    sa.Column("last_run", sa.BigInteger, nullable=False),
    sa.Column("filled", sa.BigInteger, nullable=False),
    sa.Column("known", sa.Boolean, nullable=False),
    sa.Column("proposal", sa.Text, nullable=False),
)
# Written last: a run whose books are closed is through with its files.
CLOSED = sa.Table(
    "run_ingested",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("closed_at", UtcDateTime, nullable=False),
)
_NOTHING = ("", "")


def _nothing_more(_connection: sa.Connection) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Taken:
    """What the books keep of one source: its fresh files, the accounts of the others, its declaration's digest."""

    source: str
    fresh: tuple[SourceFile, ...]
    repeated: tuple[Account, ...]
    declaration: str


def taken_paths(engine: sa.Engine, source: str, besides: Collection[str] = ()) -> frozenset[str]:
    """Return the paths of a source that any run has taken in, whatever the source was declared to mean then.

    What only the runs `besides` have taken in is not among them.
    """
    asked = sa.select(INGESTED.c.path).where(INGESTED.c.source == source)
    if besides:
        others = sa.select(ACCOUNT.c.file).where(ACCOUNT.c.source == source, ACCOUNT.c.run_id.not_in(besides))
        asked = asked.where(INGESTED.c.path.in_(others))
    with engine.connect() as connection:
        return frozenset(connection.execute(asked).scalars())


@dataclass(frozen=True, slots=True)
class Readings:
    """When runs read a file of these very bytes, the first time first, and how many rows it had."""

    path: str
    sha256: str
    moments: tuple[datetime, ...]
    rows: int


def readings(engine: sa.Engine, source: str) -> tuple[Readings, ...]:
    """Return what runs that ended read of a source, also what is gone since."""
    same = (PLANNED.c.run_id == ACCOUNT.c.run_id) & (PLANNED.c.source == ACCOUNT.c.source)
    joined = PLANNED.join(CLOSED, PLANNED.c.run_id == CLOSED.c.run_id).join(
        ACCOUNT, same & (PLANNED.c.path == ACCOUNT.c.file)
    )
    query = sa.select(PLANNED.c.path, PLANNED.c.sha256, CLOSED.c.closed_at, ACCOUNT.c.read).select_from(joined)
    found: dict[tuple[str, str], tuple[list[datetime], int]] = {}
    with engine.connect() as connection:
        for path, sha256, at, rows in connection.execute(query.where(PLANNED.c.source == source)):
            moments, known = found.setdefault((path, sha256), ([], rows))
            moments.append(at)
            found[path, sha256] = moments, max(known, rows)
    return tuple(Readings(*key, tuple(sorted(moments)), rows) for key, (moments, rows) in sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest of a source in the lake: when a row last came, and the newest moment that one tells of itself."""

    arrived_at: datetime | None = None
    told_at: datetime | None = None


def newest(connection: sa.Connection) -> dict[str, Newest]:
    """Return the newest moments by source: the one word on how fresh it is, for whoever asks."""
    found = (sa.func.max(FLOW.c.arrived_at), sa.func.max(FLOW.c.told_at))
    query = sa.select(FLOW.c.source, *(sa.type_coerce(one, FLOW.c.arrived_at.type) for one in found))
    rows = connection.execute(query.group_by(FLOW.c.source))
    return {source: Newest(arrived, told) for source, arrived, told in rows}


class Books:
    """What is written down of one run."""

    def __init__(self, engine: sa.Engine, run_id: str) -> None:
        self._engine, self._run_id = engine, run_id

    def closed(self) -> bool:
        """Say whether the run is through with its files."""
        query = sa.select(CLOSED.c.run_id).where(CLOSED.c.run_id == self._run_id)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def accounts(self) -> tuple[Account, ...]:
        """Return the run's accounts, file by file."""
        where = ACCOUNT.c.run_id == self._run_id
        query = sa.select(ACCOUNT).where(where).order_by(ACCOUNT.c.source, ACCOUNT.c.file)
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
            (INGESTED.c.source == source)
            & (INGESTED.c.declaration == declaration)
            & INGESTED.c.restrictions.in_(("", restrictions))
        )
        query = sa.select(INGESTED.c.path, INGESTED.c.sha256, INGESTED.c.rows).where(where)
        with self._engine.connect() as connection:
            return {(path, sha256): rows for path, sha256, rows in connection.execute(query)}

    def plan(self, source: str, files: Iterable[SourceFile], *, grows: bool = False) -> tuple[SourceFile, ...]:
        """Write down what the run is about to read, and return it; a resumed run reads just that again.

        What came since waits for the next run where the source `grows` by itself; elsewhere it is as much of a
        surprise as a file that changed or went, and raises.
        """
        now = {file.path: file for file in files}
        where = (PLANNED.c.run_id == self._run_id) & (PLANNED.c.source == source)
        with writing(self._engine) as connection:
            rows = connection.execute(sa.select(PLANNED.c.path, PLANNED.c.sha256).where(where))
            planned = {path: sha256 for path, sha256 in rows}  # noqa: C416 - rows are no pairs
            if not planned:
                own = {"run_id": self._run_id, "source": source}
                # A plan of nothing is a plan, too: what has been written since knows of nothing more.
                lines = [_NOTHING, *((path, file.sha256) for path, file in now.items())]
                connection.execute(PLANNED.insert(), [{**own, "path": p, "sha256": s} for p, s in lines])
                return tuple(now.values())
        found = {path: file.sha256 for path, file in now.items() if path in planned or not grows}
        for path in sorted({*planned, *found} - {_NOTHING[0]}):
            if planned.get(path) != found.get(path):
                raise SourceChangedMidway(source, path, self._run_id)
        return tuple(now[path] for path in found)

    def close(
        self,
        taken: Iterable[Taken],
        accounts: Iterable[Account],
        notes: Iterable[Note],
        *,
        restrictions: str,
        at: datetime,
        flows: Iterable[Flow] = (),
        beside: Callable[[sa.Connection], None] = _nothing_more,
    ) -> None:
        """Write down, in one transaction, all accounts and that the files are taken in. Once is enough.

        What else is known of the loads is written `beside`, in the same transaction.
        """
        found = {(account.source, account.file): account for account in accounts}
        with writing(self._engine) as connection:
            connection.execute(CLOSED.insert().values(run_id=self._run_id, closed_at=at))
            for source in taken:
                fresh = [found[source.source, file.path] for file in source.fresh]
                for account in (*fresh, *source.repeated):
                    counts = {name: getattr(account, name) for name in COUNTS}
                    own = {"run_id": self._run_id, "source": account.source, "file": account.file}
                    connection.execute(ACCOUNT.insert().values(**own, **counts))
                for file, account in zip(source.fresh, fresh, strict=True):
                    limits = restrictions if account.suppressed or account.expired else ""
                    self._remember(connection, source, file, rows=account.read, restrictions=limits, ingested_at=at)
            for note in notes:
                connection.execute(_NOTE.insert().values(run_id=self._run_id, **asdict(note)))
            for flow in flows:
                connection.execute(FLOW.insert().values(run_id=self._run_id, **asdict(flow)))
            beside(connection)

    def flows(self) -> dict[str, Flow]:
        """Return by source what the run saw of its rows and what the tables gained; of sources with anything fresh."""
        query = sa.select(FLOW).where(FLOW.c.run_id == self._run_id).order_by(FLOW.c.source)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return {row["source"]: Flow(**{name: row[name] for name in row if name != "run_id"}) for row in rows}

    def forget(self, source: str, paths: Iterable[str]) -> None:
        """Strike files out that are gone for good and whose names never come again."""
        gone = [{"gone": path} for path in paths]
        if gone:
            mine = (INGESTED.c.source == source) & (INGESTED.c.path == sa.bindparam("gone"))
            with writing(self._engine) as connection:
                connection.execute(INGESTED.delete().where(mine), gone)

    def _remember(self, connection: sa.Connection, source: Taken, file: SourceFile, **facts: object) -> None:
        mine = (INGESTED.c.source == source.source) & (INGESTED.c.path == file.path)
        connection.execute(INGESTED.delete().where(mine))
        own = {"source": source.source, "path": file.path, "size": file.size, "sha256": file.sha256}
        row = {**own, "declaration": source.declaration, "run_id": self._run_id, **facts}
        connection.execute(INGESTED.insert().values(row))


def _account(row: sa.RowMapping) -> Account:
    return Account(**{name: row[name] for name in ("source", "file", *COUNTS)})
