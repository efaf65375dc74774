"""The writer's lock: one process at a time, with the JVM it starts, may write a workspace's lake.

Two processes that write one Delta table on a local disk lose acknowledged commits (research, performance and
reliability, section 3), so the lock is taken before the JVM starts, and the JVM inherits it: it outlives a
killed Python by half a second, and so does the lock.

Who comes second must know which of the two it met: a runner at work refuses it at once, a JVM that its runner left
behind is waited for. A process id cannot tell, for ids are used again and a killed process keeps its own until its
parent looks. Therefore the runner holds a second lock, on `writer.alive`, of the kind that belongs to the process
alone (POSIX): no child inherits it, and the kernel takes it away in the moment of death.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from infra.errors import Held

_STDOUT = 1


def acquire(state: Path, at: datetime, wait: float = 0.0) -> None:
    """Take the lock for this process and its children, or raise `Held` naming the holder.

    A holder that lives refuses at once; what a dead one left behind is waited for, so many seconds.

    `flock` belongs to the open file, so a child that inherits the descriptor holds it too. PySpark closes
    every descriptor but the standard ones when it starts the JVM; therefore the lock's file *becomes* standard
    output, which a runner has no use for.
    """
    state.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(state / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    deadline = time.monotonic() + wait
    while not _locked(descriptor, fcntl.LOCK_EX):
        if is_alive(state):
            os.close(descriptor)
            raise Held(f"the lake is being written by {holder(state)}; hand your job to it, or end that process first")
        if time.monotonic() >= deadline:
            os.close(descriptor)
            raise Held(f"the lake is still held by {holder(state)}; wait until it has ended, or end it")
        time.sleep(0.05)
    _sign(state, at)
    os.dup2(descriptor, _STDOUT)
    os.close(descriptor)


def _sign(state: Path, at: datetime) -> None:
    """Say who holds the lock, then that it lives: whoever finds it alive reads the right name."""
    draft = state / "writer.json.draft"
    draft.write_text(json.dumps({"pid": os.getpid(), "since": at.isoformat()}), encoding="utf-8")
    draft.replace(state / "writer.json")
    # Open until the process ends; another descriptor of this file, closed in this process, would end the lock.
    fcntl.lockf(os.open(state / "writer.alive", os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)


def is_held(state: Path) -> bool:
    """Say whether somebody holds the lock now."""
    return not _is_free(state / "writer.lock", _locked)


def is_alive(state: Path) -> bool:
    """Say whether the process that took the lock still lives; asked by others only, see `_sign`."""
    return not _is_free(state / "writer.alive", _owned)


def _is_free(path: Path, taken: Callable[[int, int], bool]) -> bool:
    """Say whether nobody holds a lock; asked by a shared one, so that two who ask do not take each other for it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        return taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def holder(state: Path) -> str:
    """Return who holds the lock, as far as it said so."""
    try:
        facts = json.loads((state / "writer.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return "another process"
    name = f"process {facts['pid']}, the job runner since {facts['since']}"
    return name if is_alive(state) else f"the JVM that a dead runner left behind ({name})"


def holder_pid(state: Path) -> int | None:
    """Return the process id of the holder, or None where nobody holds the lock."""
    if not is_held(state):
        return None
    try:
        return int(json.loads((state / "writer.json").read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owned(descriptor: int, kind: int) -> bool:
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX lets a system say either
        return False
    return True
