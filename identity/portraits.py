"""What a model makes of the records as they are, as counts only: how candidates weigh, who could never be linked."""

from dataclasses import dataclass

import duckdb

from identity import frequencies, scoring
from identity.config import IdentityConfig
from identity.evidence import bits
from identity.model import MICRO
from identity.registry import MatchModel
from identity.tables import RECORD_FEATURES, TF_SNAPSHOT
from identity.workbench import load_table
from infra import shelf
from infra.workspace import Workspace

SAMPLE = 200_000
"""Pairs, and records, that are weighed at most: more would draw the same picture."""


@dataclass(frozen=True, slots=True)
class Bin:
    """How many weights lie from so many bits up to one more."""

    bits: int
    count: int


@dataclass(frozen=True, slots=True)
class Unlinkable:
    """How many records of a source could not reach the merge threshold even with their own twin."""

    source: str
    records: int
    unlinkable: int


@dataclass(frozen=True, slots=True)
class Portrait:
    """The counts that charts are drawn from; `candidates` is how many pairs of describing records there are."""

    merge: float
    keep: float
    candidates: int
    pairs: tuple[Bin, ...]
    selves: tuple[Bin, ...]
    sources: tuple[Unlinkable, ...]


def taken(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, config: IdentityConfig, model: MatchModel
) -> Portrait:
    """Return the portrait of a stored model on the lake's records; nothing is written."""
    load_table(connection, workspace, RECORD_FEATURES, "features")
    connection.execute("CREATE OR REPLACE TABLE described AS SELECT * FROM features WHERE NOT bare ORDER BY record_key")
    files = shelf.parquet_files(workspace.lake_path, TF_SNAPSHOT)
    frequencies.load(connection, files, model.frequencies_digest)
    return portrait(connection, config, model)


def portrait(connection: duckdb.DuckDBPyConnection, config: IdentityConfig, model: MatchModel) -> Portrait:
    """Return the portrait of a model; reads `features`, `described` and `frequencies`."""
    scoring.make_candidates(connection, config)
    connection.execute(
        "CREATE OR REPLACE VIEW described_pair AS SELECT c.* FROM candidates c "
        "SEMI JOIN described l ON l.record_key = c.left_key SEMI JOIN described r ON r.record_key = c.right_key"
    )
    candidates = scoring.count(connection, "described_pair")
    connection.execute(
        "CREATE OR REPLACE TABLE sampled AS SELECT * FROM described_pair "
        f"ORDER BY hash(left_key, right_key), left_key, right_key LIMIT {SAMPLE}"
    )
    scoring.weigh(connection, model, config, "sampled", "sample_weighed")
    _make_selves(connection, config)
    scoring.weigh(connection, model, config, "selves", "selves_weighed")
    merge = config.thresholds.merge
    rows = connection.execute(
        f"SELECT source, count(*), count(*) FILTER (weight_micro <= {round(merge * MICRO)}) FROM selves_weighed "
        "JOIN described ON record_key = left_key GROUP BY source ORDER BY source"
    ).fetchall()
    return Portrait(
        merge,
        config.thresholds.keep,
        candidates,
        _bins(connection, "sample_weighed"),
        _bins(connection, "selves_weighed"),
        tuple(Unlinkable(*row) for row in rows),
    )


def _make_selves(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> None:
    """Make `selves`: records paired with their own twin, sharing every identifier that is not everybody's."""
    mask = bits(config)
    kinds = ", ".join(f"('{name}', {mask[name]}, {kind.fan_out})" for name, kind in config.identifiers.items())
    connection.execute("CREATE OR REPLACE TABLE kind (type VARCHAR, bit BIGINT, fan_out BIGINT)")
    if kinds:
        connection.execute(f"INSERT INTO kind VALUES {kinds}")
    connection.execute(
        "CREATE OR REPLACE TABLE selves AS WITH held AS (SELECT record_key, unnest(identifiers) AS i FROM features), "
        "counted AS (SELECT record_key, i.type AS type, count(*) OVER (PARTITION BY i.type, i.value) AS n FROM held), "
        "usable AS (SELECT record_key, bit_or(bit) AS bits FROM counted JOIN kind USING (type) WHERE n <= fan_out "
        "GROUP BY record_key) "
        "SELECT record_key AS left_key, record_key AS right_key, coalesce(bits, 0) AS rule_mask FROM described "
        f"LEFT JOIN usable USING (record_key) ORDER BY hash(record_key), record_key LIMIT {SAMPLE}"
    )


def _bins(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[Bin, ...]:
    rows = connection.execute(
        f"SELECT CAST(floor(weight_micro / {MICRO}) AS INTEGER) AS bits, count(*) FROM {table} GROUP BY bits ORDER BY bits"
    ).fetchall()
    return tuple(Bin(*row) for row in rows)
