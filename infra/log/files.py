"""The few things that the spool asks of a file system, as a port, so that tests can lose power and fill disks."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from infra.locks import taken


class Files(Protocol):
    """A file system that may fail with `OSError` at any call; what was not fsynced may be lost."""

    def make(self, folder: Path) -> None:
        """Make a folder, with those above it, unless it is there; its name lasts when the one above is fsynced."""

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, in no order; none if it is absent."""

    def size(self, path: Path) -> int:
        """Return a file's length."""

    def lines(self, path: Path) -> Iterator[bytes]:
        """Yield a file cut after each newline."""

    def create(self, path: Path) -> int:
        """Make a new file for appending and return its handle; an existing one is an error."""

    def write(self, handle: int, data: bytes) -> None:
        """Append all of it."""

    def fsync(self, handle: int) -> None:
        """Return when what was written is durable."""

    def close(self, handle: int) -> None:
        """Give the handle back."""

    def cut(self, path: Path, length: int) -> None:
        """Cut a file to a length, durably, by a handle of its own."""

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name."""

    def remove(self, path: Path) -> None:
        """Delete a file, if it is there."""

    def fsync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are durable."""

    def free(self, folder: Path) -> int:
        """Return how many bytes this user may still write to the disk of a folder."""

    def lock(self, path: Path) -> int | None:
        """Return a handle that holds the lock until it is closed or its process ends, or None if another holds it."""

    def sign(self, handle: int, text: bytes) -> None:
        """Make this the whole content of a lock's file."""


class SystemFiles:
    """The machine's own file system."""

    def make(self, folder: Path) -> None:
        """Make the folder for its owner alone."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        """Return what the folder lists."""
        try:
            return os.listdir(folder)  # noqa: PTH208 - names are all that is wanted, of very many files
        except FileNotFoundError:
            return []

    def size(self, path: Path) -> int:
        """Return the length that the file has now."""
        return path.stat().st_size

    def lines(self, path: Path) -> Iterator[bytes]:
        """Yield the file's lines, one in memory at a time."""
        with path.open("rb", buffering=1 << 20) as file:
            yield from file

    def create(self, path: Path) -> int:
        """Make the file for its owner alone: events are personal."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)

    def write(self, handle: int, data: bytes) -> None:
        """Write until nothing is left: a system may take less than it was given, as before a disk is full."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]

    def fsync(self, handle: int) -> None:
        """Fsync the data and the length, not the times."""
        os.fdatasync(handle)

    def close(self, handle: int) -> None:
        """Close the descriptor."""
        os.close(handle)

    def cut(self, path: Path, length: int) -> None:
        """Open it anew, for a handle whose fsync failed may forget that it did."""
        handle = os.open(path, os.O_WRONLY)
        try:
            os.ftruncate(handle, length)
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Rename within a file system."""
        old.rename(new)

    def remove(self, path: Path) -> None:
        """Unlink it."""
        path.unlink(missing_ok=True)

    def fsync_folder(self, folder: Path) -> None:
        """Fsync the folder itself, which makes creations, renames and removals last."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def free(self, folder: Path) -> int:
        """Return what is free to users who are not root."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def lock(self, path: Path) -> int | None:
        """Take a `flock`: it ends with the process, however that ends."""
        return taken(path)

    def sign(self, handle: int, text: bytes) -> None:
        """Write from the beginning, then cut: who reads between sees one name or no name."""
        os.pwrite(handle, text, 0)
        os.ftruncate(handle, len(text))


SYSTEM = SystemFiles()
