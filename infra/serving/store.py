"""What a serving store must do, whoever keeps its bytes; `embedded` and `remote` are the two that do.

A generation is a whole store of its own. One is served; it may be changed while it is, by one live writer, and every
change can be undone, so that the next generation may begin where the last publication ended.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from infra.errors import Held, Missing, Unavailable
from infra.keyvalue import Change, KeyValue

# How values lie in a generation. Counted up whenever what was written before would be read wrongly: a generation of
# another number is refused, and the next publication writes all of it anew.
LAYOUT: Final = 2
# What was published under a key that has been changed since lies under this and the key. No key of ours begins so.
UNDO: Final = b"u|"
_WAS, _WAS_NOT = b"=", b"-"


class Writer(Protocol):
    """What fills a generation before anybody sees it."""

    def get(self, key: bytes) -> bytes | None:
        """Return what stands under a key by now, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""


class Live(Protocol):
    """The one writer of a generation that is read meanwhile."""

    name: str

    def change(self) -> AbstractContextManager[Change]:
        """Change several keys at once: readers see all of it or nothing, and an error leaves all as it was.

        Raise `Overtaken` where another writer has changed what this one has read; then nothing of it is there.
        """

    def moved(self) -> bool:
        """Say whether another generation is served by now; cheap enough to be asked before each change."""

    def close(self) -> None:
        """Let go of the store."""


class ServingStore(Protocol):
    """Whole generations side by side; a pointer names the one that is served."""

    def name(self) -> str | None:
        """Return the name of the served generation, or None before the first."""

    def before(self) -> str | None:
        """Return the name of the generation that a rollback would serve, or None."""

    def current(self) -> KeyValue:
        """Return a reader of the served generation; raise `NothingPublished` before the first."""

    def kept(self) -> tuple[str, ...]:
        """Return the names of all generations there are, the served one last."""

    def reader(self, name: str) -> KeyValue:
        """Return a reader of a generation by its name, served or not."""

    def building(self, name: str, base: str | None = None) -> AbstractContextManager[Writer]:
        """Build a generation from nothing, or from an earlier one as it was published.

        A half-built one of a killed run is thrown away first; what an error ends is never served.
        """

    def publish(self, name: str) -> None:
        """Make a built generation the served one, atomically, and keep the one before it for rollback."""

    def rollback(self) -> str:
        """Make the generation before the served one the served one again, and return its name.

        The one given up stays until the next publication. Raise `NothingBefore` where there is none.
        """

    def live(self, name: str | None = None) -> Live:
        """Return the writer of the served generation, or of a built one that is about to be."""

    def remove_older(self) -> int:
        """Remove every generation but the served one, and return how many that were."""


class NothingPublished(Missing):
    """A look at a store that never had a generation."""

    def __init__(self) -> None:
        super().__init__("nothing has been published yet; `kindred run` does it")


class NothingBefore(Missing):
    """A rollback where no generation before the served one is kept."""

    def __init__(self) -> None:
        super().__init__(
            "there is no generation before the served one to go back to; the next `kindred run` publishes a new one"
        )


class StoreFull(Unavailable):
    """A generation that takes no more; what was served before is served still."""


class Overtaken(Held):
    """A change that was made from what somebody else has changed meanwhile; nothing of it is there."""

    def __init__(self) -> None:
        super().__init__("the serving store was changed by another writer meanwhile; make the change again")


@dataclass(frozen=True, slots=True)
class Undo:
    """What is kept of a key before its first change: its published value, or that there was none."""

    key: bytes
    was: bytes | None

    def kept(self) -> tuple[bytes, bytes]:
        """Return where this lies and how."""
        return UNDO + self.key, _WAS_NOT if self.was is None else _WAS + self.was

    @classmethod
    def read(cls, key: bytes, value: bytes) -> "Undo":
        """Return what `kept` put down."""
        return cls(key[len(UNDO) :], value[1:] if value.startswith(_WAS) else None)


def own(key: bytes) -> bytes:
    """Return a key that may be written; raise `ValueError` for one that is kept for undoing."""
    if key.startswith(UNDO):
        raise ValueError("a key that begins like those that are kept for undoing")
    return key


def hides_undo(prefix: bytes) -> bool:
    """Say whether a look at a prefix would meet what is kept for undoing without having asked for it."""
    return UNDO.startswith(prefix) and prefix != UNDO


def without_undo(rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the rows that are no undoing."""
    return (row for row in rows if not row[0].startswith(UNDO))
