"""What an engine must be able to do: run the steps' SQL and the four things that SQL alone cannot say."""

from collections.abc import Sequence
from typing import Protocol

from infra.tables import Table


class Engine(Protocol):
    """A place where tables are made by name. The steps' SQL is the part of the language that all engines share."""

    def make(self, name: str, query: str) -> None:
        """Make the table `name` from a query, in place of one that has the name."""

    def add(self, name: str, query: str) -> None:
        """Add the rows of a query, which has the columns of the table `name`, to that table."""

    def drop(self, *names: str) -> None:
        """Let go of tables that no later step reads."""

    def count(self, name: str) -> int:
        """Return how many rows a table has."""

    def base(self, table: Table, columns: Sequence[str] | None = None) -> str:
        """Return a name for a lake table as it was before this run; good for one use in one query."""

    def limited(self, column: str) -> str:
        """Return SQL for the `type:first:last:token` of the identifiers in a column that a person may have only so many of."""

    def post(self, records: str, into: str) -> None:
        """Make `into` (`postings.SIGHTING`) from records: every key that candidates are looked for by."""

    def weigh(self, pairs: str, into: str, above: int | None = None) -> None:
        """Make `into` from pairs (left_key, right_key, rule_mask) of records in `features`: see `scoring.weigh`.

        With `above` only pairs that weigh more micro-bits than that are kept.
        """

    def components(self, nodes: str, edges: str, into: str) -> None:
        """Make `into` (record_key, component): connected components, each named by its smallest key."""

    def settle(self, parts: str, into: str) -> None:
        """Make `into` (`components.SETTLED`) from parts (`components.PART`): every piece settled alone."""
