"""How a connector brings in what is new: it lands files, and ingestion takes them in as it does all files.

So plan, books, contract, duplicates and accounts hold for every connector, and a connector is one small function
`land(landing, ...)`. In it, in this order: `intend` (write down up to where this load reads), `write` rows, `commit`.
Killed anywhere and run again, the same range is read into files of the same names, and a file that is there stays.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

# Anything that JSON can hold: a text, a number, a list, an object.
Cursor = Any


class Landing(Protocol):
    """Where the rows of one source are put down."""

    @property
    def source(self) -> str:
        """The source's name."""

    @property
    def cursor(self) -> Cursor:
        """Up to where rows have landed: what was last committed, None before the first time."""

    def intend(self, until: Callable[[], Cursor]) -> Cursor:
        """Return up to where this load reads: what a killed one had intended, else what `until` says, written down.

        `until` returns None where there is nothing new; nothing is written down then.
        """

    def write(self, rows: Iterable[Mapping[str, Any] | bytes], part: int = 0) -> int:
        """Land rows as one file, durably, and return how many they were; 0 where the file was there already.

        A row is an object, or the bytes of one in JSON. A load may have several parts, numbered from 0: each is
        written whole or not at all, also by threads side by side.
        """

    def commit(self) -> None:
        """Say that all is landed up to what was intended."""

    def columns(self, names: Iterable[str]) -> None:
        """Say which columns the rows have; what is new since the last load is told to whoever follows the run."""

    def say(self, what: str) -> None:
        """Tell whoever follows the run, without personal data."""
