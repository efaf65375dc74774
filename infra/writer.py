"""The writer's lock: one process at a time, with the JVM it starts, may write a workspace's lake.

Two processes that write one Delta table on a local disk lose acknowledged commits (research, performance and
reliability, section 3), so the lock is taken before the JVM starts, and the JVM inherits it: it outlives a
killed Python by half a second, and so does the lock.
"""

import fcntl
import json
import os
import time
from datetime import datetime
from pathlib import Path

from infra.errors import Held

_STDOUT = 1


def acquire(state: Path, at: datetime, wait: float = 0.0) -> None:
    """Take the lock for this process and its children, or raise `Held` naming the holder.

    `flock` belongs to the open file, so a child that inherits the descriptor holds it too. PySpark closes
    every descriptor but the standard ones when it starts the JVM; therefore the lock's file *becomes* standard
    output, which a runner has no use for.
    """
    state.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(state / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    deadline = time.monotonic() + wait
    while not _locked(descriptor):
        if time.monotonic() >= deadline:
            os.close(descriptor)
            raise Held(f"the lake is being written by {holder(state)}; hand your job to it, or end that process first")
        time.sleep(0.05)
    (state / "writer.json").write_text(json.dumps({"pid": os.getpid(), "since": at.isoformat()}), encoding="utf-8")
    os.dup2(descriptor, _STDOUT)
    os.close(descriptor)


def is_held(state: Path) -> bool:
    """Say whether somebody holds the lock now."""
    try:
        descriptor = os.open(state / "writer.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


def holder(state: Path) -> str:
    """Return who holds the lock, as far as it said so."""
    try:
        facts = json.loads((state / "writer.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return "another process"
    return f"process {facts['pid']}, the job runner since {facts['since']}"


def holder_pid(state: Path) -> int | None:
    """Return the process id of the holder, or None where nobody holds the lock."""
    if not is_held(state):
        return None
    try:
        return int(json.loads((state / "writer.json").read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
