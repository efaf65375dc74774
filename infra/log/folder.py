"""What lies in the spool's folder, for its writer and for those who read it: lock, sealed segments, leftovers.

`<spool>/<source>/<moment>-<suffix>.open` is being written, `….ndjson` is sealed and never changes. `<spool>/.lock` is
held by the one writer. Readers need no lock.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.errors import Broken, Held
from infra.log.files import SYSTEM, Files
from infra.log.port import LogUnavailable
from infra.log.segments import OPEN, SEALED, is_source, moment_of, recovered

_RECOVERY = 30.0  # seconds that a writer waits for who recovers: more than many full segments take
LOCK, PROBE = ".lock", ".probe"  # neither is a segment's name


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a dead writer had left open: segments sealed now, bytes of torn tails cut off, damaged lines kept.

    `stuck` are those that the disk does not let anybody seal now.
    """

    sealed: int = 0
    torn_bytes: int = 0
    damaged: int = 0
    stuck: tuple[Path, ...] = ()


@contextmanager
def said() -> Iterator[None]:
    """Say in the house's words that the folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise LogUnavailable(
            f"the event log's folder cannot be used ({error.strerror}); make it writable for this user", retry_after=10
        ) from None


def source_folder(spool: Path, source: str) -> Path:
    """Return the folder of a source, or raise `Broken` if its name is none."""
    if not is_source(source):
        raise Broken("a source of the event log has no valid name; lower-case letters, digits and _ would be right")
    return spool / source


def sources(spool: Path, files: Files = SYSTEM) -> list[str]:
    """Return the sources that the spool has a folder of, in order."""
    return sorted(name for name in files.names(spool) if is_source(name))


def sealed(folder: Path, files: Files = SYSTEM) -> list[str]:
    """Return the names of a source's sealed segments that may be read now, in the order of their entries.

    What is newer than a segment that is still open waits with it, so that order holds after a disk's failure.
    """
    names = [name for name in files.names(folder) if moment_of(name) is not None]
    first_open = min((name for name in names if name.endswith(OPEN)), default="~")
    return sorted(name for name in names if name.endswith(SEALED) and name < first_open)


def forget(spool: Path, source: str, names: Iterable[str], files: Files = SYSTEM) -> None:
    """Delete sealed segments that the lake has; those that are gone already are no error.

    Raise `Broken`, with nothing deleted, if one of the names is not that of a sealed segment.
    """
    folder, gone = source_folder(spool, source), list(names)
    if not all(name.endswith(SEALED) and moment_of(name) is not None for name in gone):
        raise Broken("only sealed segments of the event log can be forgotten; the names of `sealed` would be right")
    with said():
        for name in gone:
            files.remove(folder / name)
        if gone and files.names(folder):
            files.fsync_folder(folder)


def acquire(spool: Path, at: datetime, *, files: Files = SYSTEM, wait: float = 0.5) -> int:
    """Return a handle that holds the spool for this process, or raise `Held` naming who has it.

    A writer refuses after so many seconds; who only recovers what a dead one left is waited for longer.
    """
    files.make(spool)
    began = time.monotonic()
    while (handle := files.lock(spool / LOCK)) is None:
        who, recovers = _holder(spool, files)
        if time.monotonic() >= began + (wait + _RECOVERY if recovers else wait):
            raise Held(f"the event log is being written by {who}; end that process first")
        time.sleep(0.05)
    _sign(handle, {"pid": os.getpid(), "since": at.isoformat()}, files)
    return handle


def _sign(handle: int, facts: dict[str, object], files: Files) -> None:
    try:
        files.sign(handle, json.dumps(facts).encode())
    except OSError:
        files.close(handle)
        raise


def _holder(spool: Path, files: Files) -> tuple[str, bool]:
    """Return who holds the spool, as far as it said so, and whether that only recovers it."""
    try:
        facts = json.loads(b"".join(files.lines(spool / LOCK)))
        since = facts.get("since")
        return f"process {int(facts['pid'])}" + (f" since {since}" if since else ""), since is None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return "another process", False


def recover(spool: Path, *, files: Files = SYSTEM) -> Leftovers | None:
    """Seal what a dead writer left open and return what that was; None, and nothing done, while a writer lives."""
    with said():
        if not files.names(spool):
            return Leftovers()
        handle = files.lock(spool / LOCK)
        if handle is None:
            return None
        _sign(handle, {"pid": os.getpid()}, files)
        try:
            return recover_held(spool, files)
        finally:
            files.close(handle)


def recover_held(spool: Path, files: Files = SYSTEM) -> Leftovers:
    """Do as `recover` for one who holds the lock."""
    for source in sources(spool, files):
        files.remove(spool / source / PROBE)
    count = torn = damaged = 0
    stuck = []
    for path in leftovers(spool, files):
        try:
            found = settle(path, None, files)
        except OSError:
            stuck.append(path)
        else:
            count, torn, damaged = count + found.sealed, torn + found.torn_bytes, damaged + found.damaged
    return Leftovers(count, torn, damaged, tuple(stuck))


def leftovers(spool: Path, files: Files = SYSTEM) -> Iterator[Path]:
    """Yield the segments that are open, oldest first: nobody's, where no writer lives."""
    for source in sources(spool, files):
        names = (name for name in files.names(spool / source) if name.endswith(OPEN) and moment_of(name) is not None)
        yield from (spool / source / name for name in sorted(names))


def settle(path: Path, keep: int | None, files: Files = SYSTEM) -> Leftovers:
    """Seal an open segment that nobody writes any more: cut to what is kept, renamed; or removed, if that is nothing.

    `keep` is how much of it is known to be durable; None lets the bytes say it. Where the disk lets nobody read or cut
    the file, it is sealed as it is: what its reader finds beyond the durable part are whole lines of appends that had
    failed, which their senders repeat, or damage, which is reported. Raise `OSError` if not even its name can change.
    """
    if path.name not in files.names(path.parent):  # renamed already, and the folder's fsync failed
        files.fsync_folder(path.parent)
        return Leftovers()
    size, damaged, kept = files.size(path), 0, keep
    with suppress(OSError):
        if kept is None:
            found = recovered(files.lines(path))
            kept, damaged = found.keep, found.damaged
        files.cut(path, min(kept, size))  # fsyncs what a killed writer had left to the system
    rest = size if kept is None else min(kept, size)
    if rest:
        files.rename(path, path.with_suffix(SEALED))
    else:
        files.remove(path)
    files.fsync_folder(path.parent)
    return Leftovers(1 if rest else 0, size - rest, damaged)
