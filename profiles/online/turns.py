"""Whose turn it is: what several workers answer comes after each other, and is served in the order it was answered in.

A worker takes the second turn before it gives the first one up. So nobody is served before what was answered earlier,
one worker may ask the resolver while the other writes, and what all of them did is what one would have done.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

_HOME: Final = "home"
_ANSWERING: Final = "answering.lock"
_SERVING: Final = "serving.lock"


def home_of(folder: Path) -> str:
    """Return what this folder's workers are called, wherever what they serve is looked at; made at the first look."""
    path = folder / _HOME
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = folder / f".{_HOME}.{os.getpid()}"
        draft.write_text(secrets.token_hex(8), encoding="ascii")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="ascii")


class Turns:
    """The two turns of a workspace; the system ends one with the process that had it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._answering = os.open(folder / _ANSWERING, os.O_RDWR | os.O_CREAT, 0o600)
        self._serving = os.open(folder / _SERVING, os.O_RDWR | os.O_CREAT, 0o600)

    def answering(self) -> AbstractContextManager[None]:
        """Have the resolver to oneself."""
        return _taken(self._answering)

    def serving(self) -> AbstractContextManager[None]:
        """Have what is served to oneself; one who needs both asks for this one second."""
        return _taken(self._serving)

    def close(self) -> None:
        """Let go of the files, and of any turn."""
        os.close(self._answering)
        os.close(self._serving)


@contextmanager
def _taken(handle: int) -> Iterator[None]:
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
