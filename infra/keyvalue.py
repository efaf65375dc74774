"""The serving store: bytes by key in LMDB, in generations of which readers see exactly one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

import lmdb

from infra.errors import Missing, Unavailable

# Address space, not disk: the file grows with its content.
_MAP_SIZE = 64 * 2**30
_MAX_READERS = 512
_POINTER = "current"


class KeyValue(Protocol):
    """What a reader of the serving store needs."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys as they were at one moment."""

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""


class LmdbReader:
    """A read-only view on one LMDB environment; every call sees the newest committed state."""

    def __init__(self, path: Path) -> None:
        try:
            self._env = lmdb.open(
                str(path), readonly=True, map_size=_MAP_SIZE, max_readers=_MAX_READERS, lock=True, readahead=False
            )
        except lmdb.Error as error:
            raise Unavailable(f"the serving store {path.name} cannot be opened ({type(error).__name__})") from error

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        value: bytes | None = self._env.begin().get(key)
        return value

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys as they were at one moment."""
        # A read transaction ends with its last reference; a `with` would cost as much as a look-up.
        read = self._env.begin().get
        return [read(key) for key in keys]

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        with self._env.begin() as transaction:
            cursor = transaction.cursor()
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                yield bytes(cursor.key()), bytes(cursor.value())
                found = cursor.next()

    def close(self) -> None:
        """Let go of the files."""
        self._env.close()


class LmdbWriter:
    """A writer that commits every few thousand puts; what is not committed does not exist."""

    _BATCH = 5_000

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(
            str(path), map_size=_MAP_SIZE, max_readers=_MAX_READERS, sync=durable, metasync=durable, readahead=False
        )
        self._transaction = self._env.begin(write=True)
        self._puts = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._transaction.put(key, value)
        self._puts += 1
        if self._puts % self._BATCH == 0:
            self._transaction.commit()
            self._transaction = self._env.begin(write=True)

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._transaction.delete(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._transaction.commit()
            self._env.sync(True)
        else:
            self._transaction.abort()
        self._env.close()


class Generations:
    """Whole serving stores side by side; a pointer file names the one that is served."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: tuple[str, LmdbReader] | None = None

    @contextmanager
    def building(self, name: str) -> Iterator[LmdbWriter]:
        """Build a generation from nothing; a half-built one of a killed run is thrown away first."""
        path = self.root / name
        shutil.rmtree(path, ignore_errors=True)
        with LmdbWriter(path, durable=False) as writer:
            yield writer

    def publish(self, name: str) -> None:
        """Make a built generation the served one, atomically, and keep one before it for rollback."""
        before = self.name()
        temporary = self.root / f".{_POINTER}.{name}"
        with temporary.open("w", encoding="ascii") as file:
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.root / _POINTER)
        fsync_folder(self.root)
        for path in self.root.iterdir():
            if path.is_dir() and path.name not in {name, before}:
                shutil.rmtree(path, ignore_errors=True)

    def name(self) -> str | None:
        """Return the name of the served generation, or None before the first."""
        try:
            return (self.root / _POINTER).read_text(encoding="ascii")
        except FileNotFoundError:
            return None

    def current(self) -> LmdbReader:
        """Return a reader of the served generation, reopened only when the pointer has moved."""
        name = self.name()
        if name is None:
            raise Missing("nothing has been published yet; `kindred run` does it")
        if self._open is None or self._open[0] != name:
            # The old reader is left to its last users; the garbage collector closes it.
            self._open = (name, LmdbReader(self.root / name))
        return self._open[1]


class Change:
    """A transaction in the making: it sees what it wrote, and nobody else does until it is done."""

    def __init__(self, transaction: lmdb.Transaction) -> None:
        self._transaction = transaction

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        value: bytes | None = self._transaction.get(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._transaction.put(key, value)

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._transaction.delete(key)


class LmdbStore:
    """An LMDB environment that one process reads and writes; each change is there whole or not at all.

    What is not `durable` may lose its newest changes, or itself, when the machine fails; a process may end at any time.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(
            str(path), map_size=_MAP_SIZE, max_readers=_MAX_READERS, sync=durable, metasync=durable, readahead=False
        )

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        value: bytes | None = self._env.begin().get(key)
        return value

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        with self._env.begin() as transaction:
            cursor = transaction.cursor()
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                yield bytes(cursor.key()), bytes(cursor.value())
                found = cursor.next()

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Change several keys in one transaction; an error leaves all as it was."""
        with self._env.begin(write=True) as transaction:
            yield Change(transaction)

    def revision(self) -> int:
        """Return a number that every change makes larger."""
        number: int = self._env.begin().id()
        return number

    def sync(self) -> None:
        """Have everything on disk."""
        self._env.sync(True)

    def close(self) -> None:
        """Let go of the files."""
        self._env.close()


def fsync_folder(path: Path) -> None:
    """Have a folder's entries on disk: a file that was renamed into it stays there after a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Overlay:
    """A small LMDB environment that several processes may write, one at a time, durably."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(str(path), map_size=2**30, max_readers=_MAX_READERS)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        with self._env.begin() as transaction:
            value = transaction.get(key)
            return None if value is None else bytes(value)

    def items(self, prefix: bytes = b"") -> list[tuple[bytes, bytes]]:
        """Return keys and values that begin with the prefix, in key order."""
        with self._env.begin() as transaction:
            cursor = transaction.cursor()
            rows = []
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                rows.append((bytes(cursor.key()), bytes(cursor.value())))
                found = cursor.next()
            return rows

    def revision(self) -> int:
        """Return a number that every committed write of any process makes larger; for readers that keep a copy."""
        number: int = self._env.begin().id()
        return number

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key; when this returns it is on disk."""
        self.put_all([(key, value)])

    def put_all(self, rows: list[tuple[bytes, bytes]]) -> None:
        """Set keys in one transaction; when this returns all are on disk."""
        with self._env.begin(write=True) as transaction:
            for key, value in rows:
                transaction.put(key, value)

    def delete(self, keys: list[bytes]) -> None:
        """Remove keys in one transaction."""
        with self._env.begin(write=True) as transaction:
            for key in keys:
                transaction.delete(key)

    def close(self) -> None:
        """Let go of the files."""
        self._env.close()
