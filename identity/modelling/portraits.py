"""What a model makes of the records as they are, as counts only: how candidates weigh, who could never be linked."""

from dataclasses import dataclass

import duckdb

from identity.config import IdentityConfig
from identity.engine.postings import caps_sql, postings_sql
from identity.matching import frequencies, scoring
from identity.matching.evidence import bits
from identity.matching.registry import MatchModel
from identity.model import MICRO
from identity.tables import RECORD_FEATURES, TF_SNAPSHOT
from identity.workbench import load_table
from infra import shelf
from infra.workspace import Workspace

SAMPLE = 200_000
"""Pairs, and records, that are weighed at most: more would draw the same picture."""
_DRAWN = 5
_PARTS = 1_000_000


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
    """The counts that charts are drawn from; `candidates` is how many pairs of describing records there are, or about."""

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
    load_table(connection, workspace.lake_path, RECORD_FEATURES, "features")
    # a lake of before has no numbers, and a run that learnt what they are worth may have died before it told them
    connection.execute("ALTER TABLE features ADD COLUMN IF NOT EXISTS numbers VARCHAR[]")
    scoring.describe(connection)
    files = shelf.parquet_files(workspace.lake_path, TF_SNAPSHOT)
    frequencies.load(connection, files, model.frequencies_digest)
    return portrait(connection, config, model)


def portrait(connection: duckdb.DuckDBPyConnection, config: IdentityConfig, model: MatchModel) -> Portrait:
    """Return the portrait of a model; reads `features`, `described` and `frequencies`."""
    candidates = _make_sampled(connection, config)
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


def _make_sampled(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> int:
    """Make `sampled` from the candidates of two describing records, and return how many there are (estimated if many).

    Of many records some are drawn, by the digest of their keys; their pairs with greater keys are an even share of all.
    """
    connection.execute(
        f"CREATE OR REPLACE TABLE block AS WITH posted AS ({postings_sql(config, 'features')}), capped AS ({caps_sql(config)}) "
        "SELECT rule, block, count(*) AS n FROM posted JOIN capped USING (rule) GROUP BY rule, block, cap "
        "HAVING count(*) BETWEEN 2 AND cap"
    )
    [(pairs,)] = connection.execute("SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM block").fetchall()
    share = min(1.0, _DRAWN * SAMPLE / max(int(pairs), 1))
    connection.execute(
        "CREATE OR REPLACE VIEW drawn AS SELECT * FROM described "
        f"WHERE hash(record_key) % {_PARTS} < {round(share * _PARTS)}"
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE mine AS WITH posted AS ({postings_sql(config, 'drawn')}) "
        "SELECT posted.* FROM posted SEMI JOIN block USING (rule, block)"
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE theirs AS WITH posted AS ({postings_sql(config, 'described')}) "
        "SELECT posted.* FROM posted SEMI JOIN mine USING (rule, block)"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE met AS SELECT a.record_key AS left_key, b.record_key AS right_key, "
        "bit_or(a.rule) AS rule_mask FROM mine a JOIN theirs b ON a.rule = b.rule AND a.block = b.block "
        "AND a.record_key < b.record_key GROUP BY ALL"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE sampled AS SELECT * FROM met "
        f"ORDER BY hash(left_key, right_key), left_key, right_key LIMIT {SAMPLE}"
    )
    return round(scoring.count(connection, "met") / share)


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
