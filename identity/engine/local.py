"""The engine on one machine: DuckDB, past which the lake's tables stream. No row passes the JVM."""

from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from identity.clustering import components
from identity.clustering.cluster import Rules
from identity.config import IdentityConfig, rules
from identity.engine.postings import limited_value, postings_sql
from identity.matching import connected, scoring
from identity.matching.registry import MatchModel
from identity.tables import POSTING_INDEX
from infra.tables import Table

OpenBase = Callable[[Table, Sequence[str] | None], pa.RecordBatchReader]
"""Opens a lake table as it was before the run: the table, the columns that are wanted (all: None)."""

_PIECES_AT_ONCE = 20_000
# a batch looks into these several times: what DuckDB has read once it reads again ten times as fast
_READ_OFTEN = (POSTING_INDEX,)


class Local:
    """Tables are DuckDB's; the model's frozen frequencies lie in its table `frequencies`. One serves one batch."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        model: MatchModel,
        config: IdentityConfig,
        open_base: OpenBase,
        settle: Callable[[str, str], None] | None = None,
    ) -> None:
        self.connection = connection
        self._model = model
        self._config = config
        self._open = open_base
        self._settle = settle
        self._kept: set[str] = set()

    def make(self, name: str, query: str) -> None:
        """Make the table `name` from a query, in place of one that has the name."""
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS {query}")

    def add(self, name: str, query: str) -> None:
        """Add the rows of a query, which has the columns of the table `name`, to that table."""
        self.connection.execute(f"INSERT INTO {name} {query}")

    def drop(self, *names: str) -> None:
        """Let go of tables that no later step reads."""
        for name in names:
            self.connection.execute(f"DROP TABLE IF EXISTS {name}")

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        return scoring.count(self.connection, name)

    def base(self, table: Table, columns: Sequence[str] | None = None) -> str:
        """Return a name for a lake table as it was before this run; good for one use in one query."""
        name = f"base_{table.name}"
        if table in _READ_OFTEN:
            if name not in self._kept:
                self.connection.register("arriving", self._open(table, None))
                self.make(name, "SELECT * FROM arriving")
                self._kept.add(name)
            return name
        self.connection.register(name, self._open(table, columns))
        return name

    def limited(self, column: str) -> str:
        """Return SQL for the `type:first:last:token` of the identifiers in a column that a person may have only so many of."""
        types = ", ".join(f"'{name}'" for name, kind in self._config.identifiers.items() if kind.limit)
        if not types:
            return "CAST([] AS VARCHAR[])"
        chosen = f"list_filter({column}, lambda i: i.type IN ({types}))"
        return f"list_transform({chosen}, lambda i: {limited_value(self._config)})"

    def post(self, records: str, into: str) -> None:
        """Make `into` (`postings.SIGHTING`) from records: every key that candidates are looked for by."""
        self.make(into, postings_sql(self._config, records))

    def weigh(self, pairs: str, into: str, above: int | None = None) -> None:
        """Make `into` from pairs (left_key, right_key, rule_mask) of records in `features`: see `scoring.weigh`.

        With `above` only pairs that weigh more micro-bits than that are kept.
        """
        scoring.weigh(self.connection, self._model, self._config, pairs, into, above)

    def components(self, nodes: str, edges: str, into: str) -> None:
        """Make `into` (record_key, component): connected components, each named by its smallest key."""
        connected.components(self.connection, nodes, edges, into)

    def settle(self, parts: str, into: str) -> None:
        """Make `into` (`components.SETTLED`) from parts (`components.PART`): every piece settled alone."""
        if self._settle is not None:
            self._settle(parts, into)
        else:
            settle_here(self.connection, parts, into, rules(self._config))


def settle_here(connection: duckdb.DuckDBPyConnection, parts: str, into: str, borders: Rules) -> None:
    """Settle in this process, some thousand pieces at a time."""
    connection.register("no_verdict", components.SETTLED.empty_table())
    connection.execute(f"CREATE OR REPLACE TABLE {into} AS SELECT * FROM no_verdict")
    connection.execute(
        f"CREATE OR REPLACE TABLE dealt AS SELECT *, CAST(dense_rank() OVER (ORDER BY component) AS BIGINT) "
        f"// {_PIECES_AT_ONCE} AS hand FROM {parts}"
    )
    hands = connection.execute("SELECT DISTINCT hand FROM dealt ORDER BY hand").fetchall()
    for (hand,) in hands:
        found = connection.sql(
            f"SELECT * EXCLUDE (hand) FROM dealt WHERE hand = {int(hand)} ORDER BY ALL"
        ).to_arrow_table()
        told = components.resolved_bucket(found, borders)
        connection.register("verdict", told)
        connection.execute(f"INSERT INTO {into} SELECT * FROM verdict")
