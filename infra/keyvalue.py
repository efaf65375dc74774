"""Bytes by key in LMDB: what reads and writes one environment, and the protocols of what is read and changed by key."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, Self
from weakref import WeakValueDictionary

import lmdb

from infra.errors import Unavailable

# Address space, not disk: the file grows with its content.
MAP_SIZE: Final = 64 * 2**30
_MAX_READERS = 512
_DATA = "data.mdb"


class KeyValue(Protocol):
    """What a reader of the serving store needs."""

    name: str
    """The generation that it reads; where there are none, any name that stays."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys as they were at one moment."""

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""

    def snapshot(self) -> "KeyValue":
        """Return the store as it is at this moment, for one answer made of several reads; nobody keeps it longer."""


class Change(Protocol):
    """A transaction in the making: it sees what it wrote, and nobody else does until it is done."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""


class Torn(Unavailable):
    """A store whose file is no store, or is shorter than it says that it is."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the serving store {name} cannot be read ({why}); `kindred publish` publishes it again")


class Environment:
    """An LMDB environment of this process. A file may be opened but once in a process, so its users share this."""

    def __init__(self, path: Path, *, writable: bool, map_size: int) -> None:
        self.path, self._map_size = path, map_size
        self.env, self.writable = self._opened(writable=writable), writable

    def _opened(self, *, writable: bool) -> lmdb.Environment:
        try:
            # Without `metasync` a loss of power may take the newest change, and leaves the store whole.
            env = lmdb.open(
                str(self.path), create=False, readonly=not writable, map_size=self._map_size, readahead=False,
                max_readers=_MAX_READERS, metasync=False,
            )  # fmt: skip
        except lmdb.Error as error:
            raise Torn(self.path.name, type(error).__name__) from error
        held, size = _held(env), (self.path / _DATA).stat().st_size
        if size < held:
            env.close()
            raise Torn(self.path.name, f"{size} bytes of {held} are left")
        return env

    def __del__(self) -> None:
        # Closed with its last user, though somebody still hold a transaction that has ended: it can be opened anew.
        if hasattr(self, "env"):
            self.env.close()

    def to_write(self) -> None:
        """Open the file for writing; a transaction that a reader holds in this very moment ends in an error."""
        if not self.writable:
            self.env.close()
            self.env, self.writable = self._opened(writable=True), True


_ENVIRONMENTS: WeakValueDictionary[tuple[int, int], Environment] = WeakValueDictionary()
_OPENING: Final = threading.Lock()


def environment(path: Path, *, writable: bool = False, map_size: int = MAP_SIZE) -> Environment:
    """Return this process's environment of a folder; raise `Torn` for a file that cannot be what it says."""
    try:
        file = (path / _DATA).stat()
    except OSError as error:
        raise Torn(path.name, error.strerror or type(error).__name__) from error
    if not file.st_size:  # LMDB would make a new store of it
        raise Torn(path.name, "its file is empty")
    with _OPENING:
        found = _ENVIRONMENTS.get((file.st_dev, file.st_ino))
        if found is None:
            found = Environment(path, writable=writable, map_size=map_size)
            _ENVIRONMENTS[file.st_dev, file.st_ino] = found
        if writable:
            found.to_write()
        return found


def lengthen(env: lmdb.Environment, path: Path, ahead: int = 0) -> None:
    """Have the file as long as what it holds, and a bit longer: one that is shorter is known as torn.

    LMDB leaves out the file's last pages where the transaction that took them gave them up again. What is added is
    a hole, which takes no room on the disk.
    """
    held = _held(env)
    if (path / _DATA).stat().st_size < held + ahead // 4:
        os.truncate(path / _DATA, held + ahead)


def _held(env: lmdb.Environment) -> int:
    return int((env.info()["last_pgno"] + 1) * env.stat()["psize"])


class LmdbReader:
    """A read-only view on one LMDB environment; every call sees the newest committed state."""

    def __init__(self, path: Path, *, map_size: int = MAP_SIZE) -> None:
        self.name, self.shared = path.name, environment(path, map_size=map_size)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self.values(key)[0]

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys as they were at one moment."""
        try:
            # A read transaction ends with its last reference; a `with` would cost as much as a look-up.
            read = self.shared.env.begin().get
            return [read(key) for key in keys]
        except lmdb.Error as error:
            raise self.torn(error) from error

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        return self.snapshot().items(prefix)

    def snapshot(self) -> "LmdbSnapshot":
        """Return the store as it is at this moment, for one answer made of several reads; nobody keeps it longer."""
        try:
            return LmdbSnapshot(self.name, self.shared.env.begin(), self.torn)
        except lmdb.Error as error:
            raise self.torn(error) from error

    def torn(self, error: Exception) -> Torn:
        """Return what an error of LMDB's, or of what was read there, means here."""
        return Torn(self.name, type(error).__name__)

    def close(self) -> None:
        """Let go of the files; they are closed with their last user."""
        del self.shared


class LmdbSnapshot:
    """An LMDB environment at one moment: a read transaction, which ends with its last reference."""

    __slots__ = ("_torn", "_transaction", "name")

    def __init__(self, name: str, transaction: lmdb.Transaction, torn: Callable[[Exception], Torn]) -> None:
        self.name, self._transaction, self._torn = name, transaction, torn

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        try:
            value: bytes | None = self._transaction.get(key)
        except lmdb.Error as error:
            raise self._torn(error) from error
        return value

    def values(self, *keys: bytes) -> list[bytes | None]:
        """Return the values of several keys."""
        try:
            read = self._transaction.get
            return [read(key) for key in keys]
        except lmdb.Error as error:
            raise self._torn(error) from error

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        try:
            yield from rows(self._transaction, prefix)
        except lmdb.Error as error:
            raise self._torn(error) from error

    def snapshot(self) -> "LmdbSnapshot":
        """Return itself: it does not move."""
        return self


def rows(transaction: lmdb.Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a transaction that begin with the prefix, in key order."""
    cursor = transaction.cursor()
    found = cursor.set_range(prefix)
    while found and cursor.key().startswith(prefix):
        yield bytes(cursor.key()), bytes(cursor.value())
        found = cursor.next()


class LmdbWriter:
    """A writer that commits every few thousand puts; what is not committed does not exist."""

    _BATCH = 5_000

    def __init__(self, path: Path, *, durable: bool = True, map_size: int = MAP_SIZE) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._env = lmdb.open(
            str(path), map_size=map_size, max_readers=_MAX_READERS, sync=durable, metasync=durable, readahead=False
        )
        self._transaction = self._env.begin(write=True)
        self._writes = 0

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key as it is written by now, or None."""
        value: bytes | None = self._transaction.get(key)
        return value

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order; nothing is written meanwhile."""
        return rows(self._transaction, prefix)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._transaction.put(key, value)
        self._written()

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._transaction.delete(key)
        self._written()

    def _written(self) -> None:
        self._writes += 1
        if self._writes % self._BATCH == 0:
            self._transaction.commit()
            self._transaction = self._env.begin(write=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._transaction.commit()
                lengthen(self._env, self._path)
                self._env.sync(True)
            else:
                self._transaction.abort()
        finally:
            self._env.close()


class LmdbChange:
    """A change of an `LmdbStore`."""

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
            str(path), map_size=MAP_SIZE, max_readers=_MAX_READERS, sync=durable, metasync=durable, readahead=False
        )

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        value: bytes | None = self._env.begin().get(key)
        return value

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values that begin with the prefix, in key order."""
        with self._env.begin() as transaction:
            yield from rows(transaction, prefix)

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Change several keys in one transaction; an error leaves all as it was."""
        with self._env.begin(write=True) as transaction:
            yield LmdbChange(transaction)

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
            return list(rows(transaction, prefix))

    def revision(self) -> int:
        """Return a number that every committed write of any process makes larger; for readers that keep a copy."""
        number: int = self._env.begin().id()
        return number

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key; when this returns it is on disk."""
        self.put_all([(key, value)])

    def put_all(self, entries: list[tuple[bytes, bytes]]) -> None:
        """Set keys in one transaction; when this returns all are on disk."""
        with self._env.begin(write=True) as transaction:
            for key, value in entries:
                transaction.put(key, value)

    def delete(self, keys: list[bytes]) -> None:
        """Remove keys in one transaction."""
        with self._env.begin(write=True) as transaction:
            for key in keys:
                transaction.delete(key)

    def close(self) -> None:
        """Let go of the files."""
        self._env.close()
