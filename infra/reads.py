"""Which tables a step reads, noted where they are read: lineage tells what was done, not what was written down."""

from collections.abc import Iterator
from contextlib import contextmanager

# One for the process: a runner does one step at a time, in threads that share it.
_NOTED: set[str] = set()


def note(table: str) -> None:
    """Note that a table is read."""
    _NOTED.add(table)


@contextmanager
def noted() -> Iterator[set[str]]:
    """Begin anew, and hand out the names of the tables that are read from now on."""
    _NOTED.clear()
    yield _NOTED
