"""Who is together according to whom: the platform, and the naive ways that it is measured against.

Each grouping is a DuckDB table `by_<name>` (record_key, person): silos, one exact identifier, all exact
identifiers, Splink as its tutorial has it with connected components, and the memberships as resolved.
"""

import duckdb

from identity.matching import connected
from identity.quality import plain

GROUPINGS = {
    "silos": "every record for itself",
    "exact_email": "records with the same email",
    "exact_all": "records that share any identifier, step by step",
    "plain_splink": "Splink, connected components at p 0.95",
    "kindred": "as resolved",
}
"""The names of the groupings with what they are, in the order in which they are shown."""


def make_groupings(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every grouping from the tables `features` and `membership`."""
    connection.execute("CREATE OR REPLACE TABLE by_silos AS SELECT record_key, record_key AS person FROM features")
    connection.execute(
        "CREATE OR REPLACE TABLE holding AS SELECT record_key, i.type AS type, i.value AS value "
        "FROM (SELECT record_key, unnest(identifiers) AS i FROM features)"
    )
    _joined(connection, "exact_email", "type = 'email'")
    _joined(connection, "exact_all", "TRUE")
    _plain_splink(connection)
    connection.execute("CREATE OR REPLACE TABLE by_kindred AS SELECT record_key, profile_id AS person FROM membership")


def _joined(connection: duckdb.DuckDBPyConnection, name: str, which: str) -> None:
    connection.execute(
        "CREATE OR REPLACE TABLE joins AS SELECT DISTINCT "
        "min(record_key) OVER (PARTITION BY type, value) AS left_key, record_key AS right_key "
        f"FROM holding WHERE {which}"
    )
    _as_components(connection, name, "joins")


def _as_components(connection: duckdb.DuckDBPyConnection, name: str, edges: str) -> None:
    connection.execute(f"CREATE OR REPLACE TABLE strict AS SELECT * FROM {edges} WHERE left_key <> right_key")
    connection.execute("CREATE OR REPLACE TABLE everyone AS SELECT record_key FROM features")
    connected.components(connection, "everyone", "strict", "found")
    connection.execute(f"CREATE OR REPLACE TABLE by_{name} AS SELECT record_key, component AS person FROM found")


def _plain_splink(connection: duckdb.DuckDBPyConnection) -> None:
    plain.plain_pairs(connection, "plain_pairs", 0.95)
    _as_components(connection, "plain_splink", "plain_pairs")
