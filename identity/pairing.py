"""The whole of a resolution that DuckDB does: candidates, weights, components, the parts that clustering settles.

Everything lies in Parquet work files between the engines; no person's row is ever a Python object here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from identity import linkage, scoring
from identity.config import IdentityConfig
from identity.model import MICRO, Constraint
from identity.registry import MatchModel

_STEP = 2
_HIGHEST = 60


@dataclass(frozen=True, slots=True)
class Work:
    """The work files of a resolution."""

    edges: Path
    parts: Path


@dataclass(frozen=True, slots=True)
class Counts:
    """What a pairing saw; sizes only."""

    candidates: int
    edges: int
    components: int
    largest: int


def pair_up(
    connection: duckdb.DuckDBPyConnection,
    model: MatchModel,
    config: IdentityConfig,
    constraints: Iterable[Constraint],
    work: Work,
) -> Counts:
    """Write the weighed edges and the parts of every component; reads the tables that `scoring.load_features` made."""
    _load_constraints(connection, constraints)
    candidates = scoring.make_candidates(connection, config)
    scoring.weigh(connection, model, config, "candidates", "weighed")
    _components(connection, config)
    _complete(connection, model, config)
    _make_parts(connection, config)
    write(connection, _edges_sql(config), work.edges)
    write(connection, "SELECT * FROM parts ORDER BY component, kind, left_key, right_key", work.parts)
    number, largest = _sizes(connection)
    return Counts(candidates, scoring.count(connection, "weighed"), number, largest)


def _load_constraints(connection: duckdb.DuckDBPyConnection, constraints: Iterable[Constraint]) -> None:
    connection.execute("CREATE OR REPLACE TABLE wishes (kind VARCHAR, left_key VARCHAR, right_key VARCHAR)")
    rows = [[c.kind, min(c.left, c.right), max(c.left, c.right)] for c in constraints]
    if rows:
        connection.executemany("INSERT INTO wishes VALUES (?, ?, ?)", rows)
    # a constraint on a record that may not be resolved, or is gone, waits
    connection.execute("DELETE FROM wishes WHERE left_key NOT IN (SELECT record_key FROM features)")
    connection.execute("DELETE FROM wishes WHERE right_key NOT IN (SELECT record_key FROM features)")


def _components(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> None:
    """Make `component` (record_key, component): who could be one person at all.

    A component too large to be a few people is cut at higher weights, two bits at a time, until it is not.
    """
    threshold = config.thresholds.merge
    _linked_at(connection, threshold, "TRUE")
    linkage.components(connection, "linked_nodes", "linked", "component")
    while threshold < _HIGHEST and _jumbo(connection, config.limits.jumbo):
        threshold += _STEP
        _linked_at(connection, threshold, "left_key IN (SELECT record_key FROM jumbo)")
        linkage.components(connection, "linked_nodes", "linked", "smaller")
        connection.execute("DELETE FROM component WHERE record_key IN (SELECT record_key FROM jumbo)")
        connection.execute("INSERT INTO component SELECT * FROM smaller")


def _linked_at(connection: duckdb.DuckDBPyConnection, threshold: float, where: str) -> None:
    connection.execute(
        f"CREATE OR REPLACE TABLE linked AS SELECT left_key, right_key FROM weighed "
        f"WHERE weight_micro > {round(threshold * MICRO)} AND {where} "
        f"UNION SELECT left_key, right_key FROM wishes WHERE kind = 'must_link' AND {where}"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE linked_nodes AS "
        "SELECT left_key AS record_key FROM linked UNION SELECT right_key FROM linked"
    )


def _jumbo(connection: duckdb.DuckDBPyConnection, most: int) -> bool:
    connection.execute(
        "CREATE OR REPLACE TABLE jumbo AS SELECT record_key FROM component "
        f"QUALIFY count(*) OVER (PARTITION BY component) > {most}"
    )
    return scoring.count(connection, "jumbo") > 0


def _complete(connection: duckdb.DuckDBPyConnection, model: MatchModel, config: IdentityConfig) -> None:
    """Score what no rule brought together inside small components: negative evidence is what stops over-merging."""
    connection.execute(
        "CREATE OR REPLACE TABLE missing AS WITH small AS (SELECT c.* FROM component c SEMI JOIN described USING (record_key) "
        f"QUALIFY count(*) OVER (PARTITION BY component) BETWEEN 3 AND {config.limits.complete}) "
        "SELECT a.record_key AS left_key, b.record_key AS right_key, 0 AS rule_mask "
        "FROM small a JOIN small b ON a.component = b.component AND a.record_key < b.record_key "
        "ANTI JOIN weighed w ON w.left_key = a.record_key AND w.right_key = b.record_key ORDER BY ALL"
    )
    if scoring.count(connection, "missing"):
        scoring.weigh(connection, model, config, "missing", "completed")
        connection.execute("INSERT INTO weighed SELECT * FROM completed")


def _make_parts(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> None:
    limited = [f"'{name}'" for name, kind in config.identifiers.items() if kind.limit]
    values = (
        "list_transform(list_filter(identifiers, lambda i: i.type IN (" + ", ".join(limited) + ")), "
        "lambda i: i.type || ':' || i.token)"
        if limited
        else "[]"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE parts AS "
        f"SELECT c.component, 'node' AS kind, record_key AS left_key, NULL AS right_key, 0::BIGINT AS weight_micro, "
        f"0::BIGINT AS conflict_micro, known, bare, CAST({values} AS VARCHAR[]) AS limited "
        "FROM component c JOIN features f USING (record_key) UNION ALL "
        "SELECT a.component, 'edge', left_key, right_key, weight_micro, conflict_micro, NULL, NULL, NULL FROM weighed "
        "JOIN component a ON a.record_key = left_key JOIN component b ON b.record_key = right_key AND a.component = b.component "
        "UNION ALL SELECT a.component, w.kind, left_key, right_key, 0, 0, NULL, NULL, NULL FROM wishes w "
        "JOIN component a ON a.record_key = left_key JOIN component b ON b.record_key = right_key AND a.component = b.component"
    )


def _edges_sql(config: IdentityConfig) -> str:
    """Return SQL for the edges to store: all inside components, and what is probable at all across them."""
    return (
        "SELECT w.left_key, w.right_key, w.weight_micro, w.conflict_micro, w.kind, w.rule_mask, w.reasons, "
        "coalesce(a.component, w.left_key) AS component FROM weighed w "
        "LEFT JOIN component a ON a.record_key = w.left_key LEFT JOIN component b ON b.record_key = w.right_key "
        f"WHERE a.component = b.component OR w.weight_micro > {round(config.thresholds.keep * MICRO)} "
        "ORDER BY w.left_key, w.right_key"
    )


def _sizes(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    row = connection.execute(
        "SELECT count(*), coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM component GROUP BY component)"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a query's rows to one Parquet file that Spark reads back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
