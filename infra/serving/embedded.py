"""The embedded serving store: LMDB files beside each other, many reader processes, one writer, no server."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb

from infra.keyvalue import MAP_SIZE, Torn, environment, fsync_folder, lengthen
from infra.serving.generation import GenerationReader, GenerationWriter
from infra.serving.store import (
    UNDO,
    NothingBefore,
    NothingPublished,
    StoreFull,
    Undo,
    own,
)
from infra.serving.sums import Altered, checked, summed

_POINTER: Final = "current"
# How much longer the file of a live generation is than its content, so that a short file always means a torn one.
_AHEAD: Final = 4 * 2**20


class Generations:
    """Whole serving stores side by side; a pointer file names the one that is served, another the one before it."""

    def __init__(self, root: Path, *, map_size: int = MAP_SIZE) -> None:
        self.root, self._map_size = root, map_size
        self._open: tuple[tuple[int, int], GenerationReader] | None = None

    def name(self) -> str | None:
        """Return the name of the served generation, or None before the first."""
        return self._pointed()[0]

    def before(self) -> str | None:
        """Return the name of the generation that a rollback would serve, or None."""
        before = self._pointed()[1]
        return before if before is not None and (self.root / before).is_dir() else None

    def _pointed(self) -> tuple[str | None, str | None]:
        """Return the served generation and the one that is kept to go back to."""
        try:
            said = (self.root / _POINTER).read_text(encoding="ascii").split("\n")
        except FileNotFoundError:
            return None, None
        return said[0] or None, (said[1] or None) if len(said) > 1 else None

    def mark(self) -> tuple[int, int] | None:
        """Return what differs whenever the pointer was moved; dearer than a look-up, cheaper than reading it."""
        try:
            found = (self.root / _POINTER).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def current(self) -> GenerationReader:
        """Return a reader of the served generation, reopened only when the pointer has moved.

        By its name alone it would not be known: one that was rolled back may have been made again.
        """
        mark = self.mark()
        if mark is None or (opened := self._open) is None or opened[0] != mark:
            name = self.name()
            if mark is None or name is None:
                raise NothingPublished
            # The old reader is left to its last users; the garbage collector closes it.
            opened = self._open = (mark, self.reader(name))
        return opened[1]

    def reader(self, name: str) -> GenerationReader:
        """Return a reader of a generation by its name, served or not."""
        return GenerationReader(self.root / name, map_size=self._map_size)

    def kept(self) -> tuple[str, ...]:
        """Return the names of all generations there are, the served one last."""
        served = self.name()
        return tuple(sorted((path.name for path in self._folders()), key=lambda name: (name == served, name)))

    def _folders(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))

    @contextmanager
    def building(self, name: str, base: str | None = None) -> Iterator[GenerationWriter]:
        """Build a generation from nothing, or from an earlier one as it was published.

        A half-built one of a killed run is thrown away first; what an error ends is never served.
        """
        path = self.root / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        with _told(name):
            if base is not None:
                shared = environment(self.root / base, map_size=self._map_size)
                shared.env.copy(str(path), compact=True)
            with GenerationWriter(path, durable=False, map_size=self._map_size) as writer:
                if base is not None:
                    _undo(writer)
                yield writer
        fsync_folder(path)

    def publish(self, name: str) -> None:
        """Make a built generation the served one, atomically, and keep the one before it for rollback."""
        served = self.name()
        if name == served:
            return
        self._point(name, served)
        for path in self._folders():
            if path.name not in {name, served}:
                shutil.rmtree(path, ignore_errors=True)

    def rollback(self) -> str:
        """Make the generation before the served one the served one again, and return its name."""
        before = self.before()
        if before is None:
            raise NothingBefore
        next(self.reader(before).items(b""), None)  # one that is torn, or in another layout, is not gone back to
        self._point(before, None)
        return before

    def _point(self, name: str, before: str | None) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f".{_POINTER}.{name}"
        with temporary.open("w", encoding="ascii") as file:
            file.write(name if before is None else f"{name}\n{before}")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.root / _POINTER)
        fsync_folder(self.root)

    def live(self, name: str | None = None) -> "LiveGeneration":
        """Return the writer of the served generation, or of a built one that is about to be."""
        mark, wanted = self.mark(), name or self.name()
        if wanted is None:
            raise NothingPublished
        return LiveGeneration(self, wanted, mark, map_size=self._map_size)

    def remove_older(self) -> int:
        """Remove every generation but the served one, and return how many that were."""
        served = self.name()
        older = [path for path in self._folders() if path.name != served]
        for path in older:
            shutil.rmtree(path)
        if served is not None and older:
            self._point(served, None)
        return len(older)


class LiveGeneration:
    """The one writer of a generation that is read meanwhile; what it changes can be undone, key by key."""

    def __init__(self, of: Generations, name: str, mark: tuple[int, int] | None, *, map_size: int) -> None:
        self.name, self._of, self._mark, self._path = name, of, mark, of.root / name
        self._shared = environment(self._path, writable=True, map_size=map_size)
        lengthen(self._shared.env, self._path, _AHEAD)

    @contextmanager
    def change(self) -> Iterator["LiveChange"]:
        """Change several keys at once: readers see all of it or nothing, and an error leaves all as it was."""
        env = self._shared.env
        # The slots of readers that were killed hold back pages that could be used again; to look costs little.
        env.reader_check()
        with _told(self.name), env.begin(write=True) as transaction:
            yield LiveChange(transaction)
        lengthen(env, self._path, _AHEAD)

    def moved(self) -> bool:
        """Say whether another generation is served by now; cheap enough to be asked before each change."""
        mark = self._of.mark()
        if mark == self._mark:
            return False
        if self._of.name() == self.name:  # the pointer was written, or this generation is served by now
            self._mark = mark
            return False
        return True

    def close(self) -> None:
        """Let go of the files; they are closed with their last user."""
        del self._shared


class LiveChange:
    """A change of a live generation; with the first change of a key goes what was published under it."""

    def __init__(self, transaction: lmdb.Transaction) -> None:
        self._transaction = transaction

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        stored: bytes | None = self._transaction.get(key)
        return None if stored is None else checked(key, stored)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        was = self.get(key)
        if was != value:
            self._keep(key, was)
            self._transaction.put(key, summed(key, value))

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        was = self.get(key)
        if was is not None:
            self._keep(key, was)
            self._transaction.delete(key)

    def _keep(self, key: bytes, was: bytes | None) -> None:
        kept, value = Undo(own(key), was).kept()
        self._transaction.put(kept, summed(kept, value), overwrite=False)


def _undo(writer: GenerationWriter) -> None:
    """Bring a copy back to what was published."""
    while taken := [row for row, _ in zip(writer.items(UNDO), range(1_000), strict=False)]:
        for kept, value in taken:
            undo = Undo.read(kept, value)
            if undo.was is None:
                writer.delete(undo.key)
            else:
                writer.put(undo.key, undo.was)
            writer.delete(kept)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except lmdb.MapFullError as error:
        raise StoreFull(
            f"the generation {name} takes no more; what was served before is served still, and nothing is lost: "
            "make room on its disk, and run the same again"
        ) from error
    except lmdb.DiskError as error:
        raise StoreFull(
            f"the disk of the generation {name} takes no more: make room, and run the same again"
        ) from error
    except (lmdb.Error, Altered) as error:
        raise Torn(name, type(error).__name__) from error
