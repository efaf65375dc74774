"""A file system in memory that can be cruel: it loses what was not fsynced, tears writes, fills up, fails and dawdles.

It is as bad as POSIX allows. A name lasts only when its folder was fsynced. What a failed fsync was to make durable is
forgotten silently: the next fsync of the file says yes, and a loss of power may still take it.
"""

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# One change of a file: bytes appended at a place, or None for a cut to that length.
Change = tuple[int, bytes | None]


@dataclass
class Inode:
    """A file: what is seen, what would survive, and what may or may not."""

    seen: bytearray = field(default_factory=bytearray)
    lasting: bytes = b""
    dirty: list[Change] = field(default_factory=list)
    dropped: list[Change] = field(default_factory=list)  # by an fsync that failed

    def after_power_loss(self, chance: random.Random) -> bytes:
        """Return what of it is found: what lasts, with any of the rest, in any part, each write torn anywhere."""
        content = bytearray(self.lasting)
        for at, data in self.dropped + self.dirty:
            if chance.random() < 0.5:
                continue
            if data is None:
                del content[at:]
                continue
            part = data[: chance.randint(0, len(data))]
            if part:
                content.extend(bytes(max(0, at - len(content))))  # a hole where an earlier write is absent
                content[at : at + len(part)] = part
        return bytes(content)


class SimFs:
    """A `Files` for tests; `trip` is called before each operation with its name and may raise `OSError`."""

    def __init__(self, *, room: int = 1 << 40) -> None:
        self.room = room
        self.trip: Callable[[str, Path], None] = lambda _name, _path: None
        self.seen: dict[Path, Inode] = {}
        self.lasting: dict[Path, Inode] = {}
        self.folders: set[Path] = set()
        self.lasting_folders: set[Path] = set()
        self.handles: dict[int, tuple[Path, Inode]] = {}
        self.locks: dict[Path, int] = {}
        self.calls: list[str] = []
        self._next = 1
        self._guard = threading.RLock()

    def power_loss(self, chance: random.Random) -> "SimFs":
        """Return what is found after the power came back; nothing can be done with this one any more."""
        found = SimFs(room=self.room)
        with self._guard:
            lost = {f for f in self.folders - self.lasting_folders if chance.random() < 0.5}
            kept = {f for f in self.folders if f not in lost and not lost.intersection(f.parents)}
            found.folders, found.lasting_folders = set(kept), set(kept)
            self.trip = _dead
            # A rename is one step: a file has one of its two names. A new file may be gone, a removed one be back.
            before = {id(inode): path for path, inode in self.lasting.items()}
            after = {id(inode): path for path, inode in self.seen.items()}
            inodes = {id(inode): inode for inode in [*self.lasting.values(), *self.seen.values()]}
            for key, inode in inodes.items():
                path = (before if chance.random() < 0.5 else after).get(key)
                if path is not None and path.parent in kept:
                    content = inode.after_power_loss(chance)
                    found.seen[path] = found.lasting[path] = Inode(bytearray(content), content)
        return found

    def kill(self) -> "SimFs":
        """Return what is found after the process was killed: all that was written, for the system lives on."""
        with self._guard:
            trip, self.trip = self.trip, _dead
            found = SimFs(room=self.room)
            found.trip = trip
            found.folders, found.lasting_folders = set(self.folders), set(self.lasting_folders)
            found.seen, found.lasting = dict(self.seen), dict(self.lasting)
        return found

    def used(self) -> int:
        return sum(len(inode.seen) for inode in self.seen.values())

    def _do(self, name: str, path: Path) -> None:
        self.calls.append(name)
        self.trip(name, path)

    def make(self, folder: Path) -> None:
        with self._guard:
            self._do("make", folder)
            self.folders |= {folder, *folder.parents}

    def names(self, folder: Path) -> list[str]:
        with self._guard:
            self._do("names", folder)
            children = {path.relative_to(folder).parts[0] for path in self.seen if folder in path.parents}
            return [*children, *(path.name for path in self.folders if path.parent == folder)]

    def size(self, path: Path) -> int:
        with self._guard:
            self._do("size", path)
            return len(self._inode(path).seen)

    def lines(self, path: Path) -> Iterator[bytes]:
        with self._guard:
            self._do("lines", path)
            content = bytes(self._inode(path).seen)
        yield from _cut(content)

    def create(self, path: Path) -> int:
        with self._guard:
            self._do("create", path)
            if path in self.seen:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self.seen[path] = inode = Inode()
            return self._handle(path, inode)

    def write(self, handle: int, data: bytes) -> None:
        with self._guard:
            path, inode = self.handles[handle]
            self._do("write", path)
            taken = data[: max(0, self.room - self.used())]
            inode.dirty.append((len(inode.seen), taken))
            inode.seen += taken
            if len(taken) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fsync(self, handle: int) -> None:
        path, inode = self.handles[handle]
        self._fsync("fsync", path, inode)

    def _fsync(self, name: str, path: Path, inode: Inode) -> None:
        try:
            self._do(name, path)
        except OSError:
            with self._guard:
                inode.dropped += inode.dirty
                inode.dirty = []
            raise
        with self._guard:
            content = bytearray(inode.lasting)
            for at, data in inode.dirty:
                if data is None:
                    del content[at:]
                else:
                    content.extend(bytes(max(0, at - len(content))))
                    content[at : at + len(data)] = data
            # A cut that lasts takes along what lies beyond it, though its write was dropped.
            for at, _ in [change for change in inode.dirty if change[1] is None]:
                inode.dropped = [change for change in inode.dropped if change[0] < at]
            inode.lasting, inode.dirty = bytes(content), []

    def close(self, handle: int) -> None:
        with self._guard:
            self.handles.pop(handle)
            for path, holder in list(self.locks.items()):
                if holder == handle:
                    del self.locks[path]

    def cut(self, path: Path, length: int) -> None:
        with self._guard:
            self._do("cut", path)
            inode = self._inode(path)
            inode.dirty.append((length, None))
            del inode.seen[length:]
        self._fsync("cut_fsync", path, inode)

    def rename(self, old: Path, new: Path) -> None:
        with self._guard:
            self._do("rename", old)
            self.seen[new] = self._inode(old)
            del self.seen[old]

    def remove(self, path: Path) -> None:
        with self._guard:
            self._do("remove", path)
            self.seen.pop(path, None)

    def fsync_folder(self, folder: Path) -> None:
        self._do("fsync_folder", folder)
        with self._guard:
            self.lasting_folders |= {path for path in self.folders if path.parent == folder}
            for path in {*self.seen, *self.lasting}:
                if path.parent == folder:
                    if path in self.seen:
                        self.lasting[path] = self.seen[path]
                    else:
                        del self.lasting[path]

    def free(self, folder: Path) -> int:
        with self._guard:
            self._do("free", folder)
            return max(0, self.room - self.used())

    def lock(self, path: Path) -> int | None:
        with self._guard:
            self._do("lock", path)
            if path in self.locks:
                return None
            inode = self.seen.setdefault(path, Inode())
            self.lasting.setdefault(path, inode)
            self.locks[path] = handle = self._handle(path, inode)
            return handle

    def sign(self, handle: int, text: bytes) -> None:
        with self._guard:
            self.handles[handle][1].seen[:] = text

    def _handle(self, path: Path, inode: Inode) -> int:
        self._next += 1
        self.handles[self._next] = (path, inode)
        return self._next

    def _inode(self, path: Path) -> Inode:
        if path not in self.seen:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.seen[path]


def _dead(_name: str, _path: Path) -> None:
    raise OSError(errno.EIO, "the power is off")


def _cut(content: bytes) -> Iterator[bytes]:
    """Yield pieces that end with a newline and with nothing else that text may end with."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start) + 1 or len(content)
        yield content[start:end]
        start = end
