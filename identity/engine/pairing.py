"""The whole of a resolution before it is settled, from features at hand: candidates, weights, components, parts.

Everything lies in Parquet work files between the engines; no person's row is ever a Python object here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from identity.clustering.components import SETTLED
from identity.config import IdentityConfig, recycled
from identity.engine import pieces, touched
from identity.engine.local import Local
from identity.engine.postings import caps_sql
from identity.matching.registry import MatchModel
from identity.model import Constraint
from infra.arrow import nothing


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
    engine = Local(connection.cursor(), model, config, nothing)
    _load_constraints(connection, constraints)
    engine.make("cap", caps_sql(config))
    engine.make("fresh", "SELECT * FROM features")
    engine.make("gone", "SELECT record_key FROM features WHERE false")
    touched.find_neighbours(engine, tenanted=bool(recycled(config)))
    touched.make_touching_pairs(engine, tenanted=bool(recycled(config)))
    engine.make("inner_pair", "SELECT left_key, right_key, rule_mask FROM touching WHERE false")
    engine.weigh("touching", "weighed", pieces.telling(config))
    engine.make("closed", "SELECT record_key FROM fresh")
    engine.make("nodes", pieces.nodes_sql(engine))
    pieces.make_components(engine, config)
    pieces.complete(engine, config)
    pieces.make_parts(engine)
    engine.connection.register("no_verdict", SETTLED.empty_table())
    engine.make("settled", "SELECT * FROM no_verdict")
    pieces.make_edges(engine, config, model.version)
    write(connection, "SELECT * FROM edges_now ORDER BY left_key, right_key", work.edges)
    write(connection, "SELECT * FROM parts ORDER BY component, kind, left_key, right_key", work.parts)
    number, largest = pieces.sizes(engine)
    return Counts(engine.count("touching"), engine.count("edges_now"), number, largest)


def _load_constraints(connection: duckdb.DuckDBPyConnection, constraints: Iterable[Constraint]) -> None:
    connection.execute("CREATE OR REPLACE TABLE wishes (kind VARCHAR, left_key VARCHAR, right_key VARCHAR)")
    rows = [[c.kind, min(c.left, c.right), max(c.left, c.right)] for c in constraints]
    if rows:
        connection.executemany("INSERT INTO wishes VALUES (?, ?, ?)", rows)


def write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a query's rows to one Parquet file that Spark reads back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
