"""SQLite: every page, free or not, of the database, its write-ahead log and its journal, and values across pages."""

import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from consent.residue.source import Content, Decoder, Piece, Source, Unreadable
from consent.residue.sqlite_pages import LEAF_TABLE, Shape, leads, local_size

_MAGIC: Final = b"SQLite format 3\0"
_WAL_MAGICS: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_JOURNAL_MAGIC: Final = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_SECTOR: Final = 512
_WAL_HEADER, _FRAME_HEADER = 32, 24
# Bytes on either side of a seam that are looked at: more than the escapes of any value take.
_SIDE: Final = 512
_SEAMS: Final = 256 * 2**10
# A log that nobody checkpoints holds a page many times over; each copy is searched, seams lead to the newest of them.
_COPIES: Final = 4


class _Copy(NamedTuple):
    """One copy of a page: which page, in which file, where."""

    number: int
    source: Source
    at: int


class _Pages(NamedTuple):
    """The pages of a database file, in order and by number."""

    source: Source
    shape: Shape

    @property
    def last(self) -> int:
        return self.source.size // self.shape.size

    def of(self, number: int) -> list[_Copy]:
        at = (number - 1) * self.shape.size
        return [_Copy(number, self.source, at)] if 0 < number <= self.last else []


def _database(source: Source) -> Iterator[Content]:
    shape = _shape(source)
    if not shape.valid:
        raise Unreadable("not a SQLite database, though it begins as one")
    pages = _Pages(source, shape)
    numbers = range(1, pages.last + 1)
    return _seams((copy for number in numbers for copy in pages.of(number)), pages.of, pages.last, shape)


def _log(source: Source) -> Iterator[Content]:
    header = source.read(0, _WAL_HEADER)
    size = int.from_bytes(header[8:12], "big")
    frames = range(_WAL_HEADER, source.size - _FRAME_HEADER - size + 1, _FRAME_HEADER + size) if size else range(0)
    own = [_Copy(int.from_bytes(source.read(at, 4), "big"), source, at + _FRAME_HEADER) for at in frames]
    return _beside(source, "-wal", size, own)


def _journal(source: Source) -> Iterator[Content]:
    header = source.read(0, 28)
    size, sector = int.from_bytes(header[24:28], "big"), int.from_bytes(header[20:24], "big")
    if not any(header[8:]):  # a journal that was kept: its end is told by zeros over its head
        database = _opened_beside(source, "-journal")
        size, sector = database.shape.size if database else 0, _SECTOR
    records = range(sector, source.size - size - 8 + 1, size + 8) if size else range(0)
    own = [_Copy(int.from_bytes(source.read(at, 4), "big"), source, at + 4) for at in records]
    return _beside(source, "-journal", size, own)


def _beside(source: Source, ending: str, size: int, own: list[_Copy]) -> Iterator[Content]:
    """Yield the seams of pages that a log holds, with each other and with those of the database that it belongs to."""
    database = _opened_beside(source, ending)
    database = database if database is not None and database.shape.size == size else None
    shape = database.shape if database else Shape(size, size)
    if not shape.valid:
        raise Unreadable("not a log of SQLite, though it begins as one")
    by_number: dict[int, list[_Copy]] = defaultdict(list)
    for copy in own:
        by_number[copy.number].append(copy)

    def copies(number: int) -> list[_Copy]:
        return [*(database.of(number) if database else ()), *by_number.get(number, ())[-_COPIES:]]

    count = max(database.last if database else 0, max(by_number, default=0))
    return _seams(iter(own), copies, count, shape)


def _opened_beside(source: Source, ending: str) -> _Pages | None:
    path = source.path and source.path.with_name(source.path.name.removesuffix(ending))
    if path is None or not path.is_file():
        return None

    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    database = Source(path.name, path.stat().st_size, read, source.overlap)
    return _Pages(database, shape) if (shape := _shape(database)).valid else None


def _shape(source: Source) -> Shape:
    return Shape.of(source.read(0, 100).ljust(100, b"\0"))


def _seams(begin: Iterator[_Copy], copies: Callable[[int], list[_Copy]], count: int, shape: Shape) -> Iterator[Content]:
    """Yield the end of what stands in each page together with the beginning of what it leads to."""
    joined: list[bytes] = []
    held = 0
    for copy in begin:
        page = copy.source.read(copy.at, shape.size)
        if len(page) < shape.size or not any(page):
            continue
        for end, follower in dict.fromkeys(leads(page, shape, copy.number, count)):
            before = page[max(0, end - _SIDE) : end]
            for other in copies(follower):
                joined += (before, other.source.read(other.at + 4, _SIDE), b"\0")
                held += 2 * _SIDE
        if held > _SEAMS:
            yield Piece("across pages", b"".join(joined))
            joined, held = [], 0
    yield Piece("across pages", b"".join(joined))


def _canaries(value: str) -> Mapping[str, bytes]:
    """Return a database whose one long row was deleted, and the log of one that was written: the value across pages."""
    size, length = 1024, 20_000
    head = 4  # of the row: its own length and that of the text
    inside = local_size(length + head, LEAF_TABLE, size) - head
    second = inside + size - 4  # where the first page of overflow ends
    text = "x" * (second - len(value) // 2) + value
    text += "x" * (length - len(text))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "canary.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"pragma page_size = {size}")
            database.execute("pragma secure_delete = off")
            database.execute("create table t (v text)")
            database.execute("insert into t values (?)", (text,))
            database.commit()
            database.execute("delete from t")
            database.commit()
        found = {"canary.db": path.read_bytes()}
        with closing(sqlite3.connect(path)) as database:
            database.execute("insert into t values (?)", (text,))
            database.commit()
            database.execute("update t set v = ''")  # its journal keeps what was
            found["canary.db-journal"] = path.with_name("canary.db-journal").read_bytes()
            database.rollback()
        with closing(sqlite3.connect(path)) as database:
            database.execute("pragma journal_mode = wal")
            database.execute("insert into t values (?)", (text,))
            database.commit()
            found["canary.db-wal"] = path.with_name("canary.db-wal").read_bytes()
        return found


SQLITE: Final = Decoder(
    "sqlite",
    lambda source: source.head.startswith(_MAGIC),
    _database,
    lambda value: {"canary.db": _canaries(value)["canary.db"]},
)
SQLITE_LOG: Final = Decoder(
    "sqlite log",
    lambda source: source.head.startswith(_WAL_MAGICS) and source.name.endswith("-wal"),
    _log,
    lambda value: {"canary.db-wal": _canaries(value)["canary.db-wal"]},
)
SQLITE_JOURNAL: Final = Decoder(
    "sqlite journal",
    lambda source: source.name.endswith("-journal") and source.head.startswith((_JOURNAL_MAGIC, bytes(8))),
    _journal,
    lambda value: {"canary.db-journal": _canaries(value)["canary.db-journal"]},
)
