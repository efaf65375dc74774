"""From features to weighed pairs, in DuckDB: postings, candidates, evidence, components. No row passes the JVM.

A candidate shares an identifier value or a blocking key whose block is small enough; its weight is the smaller
of two: how much better "one person" explains the pair than "two strangers", and than "two members of one
household". Relatives share surname, address, phone and card; only the second question can tell them apart.
"""

from math import log2

import duckdb
import pyarrow as pa

from identity.config import IdentityConfig
from identity.engine.postings import caps_sql, postings_sql
from identity.matching import linkage
from identity.matching.comparisons import COMPARISONS
from identity.matching.evidence import DENIALS, before_anything, bits, denial, log_odds, unnamed, veils, worth_of
from identity.matching.registry import MatchModel
from identity.model import MICRO

_MEMORY = "2GB"
_PAIRS_AT_ONCE = 2_000_000
_LEAST = -(2**62)
_WORTH_A_LOOK = 20_000


def connect(threads: int = 2, file: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """Return a DuckDB, in memory or in a file, that gives the same answer however many cores the machine has."""
    connection = duckdb.connect(file)
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def load_features(connection: duckdb.DuckDBPyConnection, rows: pa.RecordBatchReader | list[str]) -> int:
    """Make `features` (all) and `described` (those that describe somebody) from a stream or from Parquet files.

    Return the number of the latter.
    """
    if isinstance(rows, list):
        connection.execute(
            "CREATE OR REPLACE TABLE features AS SELECT * FROM read_parquet(?) ORDER BY record_key", [rows]
        )
    else:
        connection.register("streamed", rows)
        connection.execute("CREATE OR REPLACE TABLE features AS SELECT * FROM streamed ORDER BY record_key")
    return describe(connection)


def describe(connection: duckdb.DuckDBPyConnection) -> int:
    """Make `described` from `features` as they are now; return the number of its records."""
    connection.execute("CREATE OR REPLACE TABLE described AS SELECT * FROM features WHERE NOT bare ORDER BY record_key")
    return count(connection, "described")


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return how many rows a table has."""
    # to the end of the answer: DuckDB refuses other work on a connection whose last result was not read out
    [(rows,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(rows)


def make_candidates(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> int:
    """Make `candidates` (left_key, right_key, rule_mask) from all of `features`; a block above its cap is silent."""
    connection.execute(
        f"CREATE OR REPLACE TABLE posting AS WITH posted AS ({postings_sql(config, 'features')}), capped AS ({caps_sql(config)}) "
        "SELECT rule, block, record_key FROM posted JOIN capped USING (rule) "
        "QUALIFY count(*) OVER (PARTITION BY rule, block) BETWEEN 2 AND cap"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE candidates AS "
        "SELECT a.record_key AS left_key, b.record_key AS right_key, bit_or(a.rule) AS rule_mask "
        "FROM posting a JOIN posting b ON a.rule = b.rule AND a.block = b.block AND a.record_key < b.record_key "
        "GROUP BY ALL ORDER BY ALL"
    )
    return count(connection, "candidates")


def weigh(
    connection: duckdb.DuckDBPyConnection,
    model: MatchModel,
    config: IdentityConfig,
    pairs: str,
    into: str,
    above: int | None = None,
) -> None:
    """Make `into` from the pairs: weight, conflict, kind and reasons, all in whole micro-bits.

    Reads the records from `features`; those that are not bare describe somebody. A pair with a bare
    record on one side has no names to compare: it follows by its identifiers alone, and clustering sees to it that it
    follows one person only. Between two known records anonymous identifiers count nothing and are not told of; a pair
    of which nothing is left is left out. Between records that deny each other (`evidence.denial`) no identifier counts.
    With `above` only pairs that weigh more than so many micro-bits are kept.
    """
    nobodys = unnamed(config)
    # what comparing makes of a pair is much more than the pair: it is never there for all of them at once, a pair is
    # named by two numbers meanwhile, and reasons are told of what is kept
    connection.execute(
        "CREATE OR REPLACE TABLE numbered AS "
        "SELECT row_number() OVER () AS record_key, record_key AS name, known FROM features WHERE NOT bare "
        f"AND record_key IN (SELECT left_key FROM {pairs} UNION ALL SELECT right_key FROM {pairs})"
    )
    by_number = (
        "SELECT r.* REPLACE (n.record_key AS record_key) FROM features r JOIN numbered n ON n.name = r.record_key"
    )
    linkage.prepare(connection, model, f"({by_number})")
    hands = count(connection, pairs) // _PAIRS_AT_ONCE + 1
    for hand in range(hands):
        # the last hand takes all that is left, whatever the rows are numbered
        until = (hand + 1) * _PAIRS_AT_ONCE - 1 if hand + 1 < hands else -_LEAST
        connection.execute(
            "CREATE OR REPLACE TABLE personal_pairs AS SELECT l.record_key AS left_key, r.record_key AS right_key, "
            f"p.rule_mask, p.rule_mask - CASE WHEN l.known AND r.known THEN p.rule_mask & {nobodys} ELSE 0 END AS agreed "
            f"FROM {pairs} p JOIN numbered l ON l.name = p.left_key JOIN numbered r ON r.name = p.right_key "
            f"WHERE p.rowid BETWEEN {hand * _PAIRS_AT_ONCE} AND {until}"
        )
        if above is not None and count(connection, "personal_pairs") >= _WORTH_A_LOOK:
            _keep_promising(connection, model, config, above)
        linkage.compare(connection, model, "personal_pairs", "compared")
        found = (
            f"SELECT * FROM ({_personal_sql(model, config)}) WHERE weight_micro > {_LEAST if above is None else above}"
        )
        connection.execute(f"INSERT INTO {into} {found}" if hand else f"CREATE OR REPLACE TABLE {into} AS {found}")
    follow = _identifier_sql(config, "follow")
    # few are neither described nor known: whether both are known is asked of the pairs of the bare alone
    strangers = "(SELECT record_key FROM features WHERE NOT known)"
    bare = (
        f"SELECT *, rule_mask - CASE WHEN left_key NOT IN {strangers} AND right_key NOT IN {strangers} "
        f"THEN rule_mask & {nobodys} ELSE 0 END AS counted FROM {pairs} "
        "WHERE left_key NOT IN (SELECT name FROM numbered) OR right_key NOT IN (SELECT name FROM numbered)"
    )
    connection.execute(
        f"INSERT INTO {into} SELECT left_key, right_key, rule_mask, CAST({follow} AS BIGINT) AS weight_micro, "
        f"0, 'identifier', {_identifier_sql(config, '', worth='follow')} AS reasons FROM ({bare}) "
        f"WHERE counted > 0 AND {follow} > {_LEAST if above is None else above}"
    )
    for table in ("numbered", "personal_pairs", "bounded", "compared", "blocked", "scoring"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def _keep_promising(
    connection: duckdb.DuckDBPyConnection, model: MatchModel, config: IdentityConfig, above: int
) -> None:
    """Leave only those pairs in `personal_pairs` that two strangers might weigh more than `above` by."""
    linkage.bound(connection, model, "personal_pairs", "bounded")
    connection.execute(
        "CREATE OR REPLACE TABLE personal_pairs AS SELECT p.* FROM personal_pairs p JOIN bounded b USING (left_key, right_key) "
        f"WHERE {before_anything(model, config)} + b.most + {_identifier_sql(config, 'stranger', mask='agreed')} > {above}"
    )


def _personal_sql(model: MatchModel, config: IdentityConfig) -> str:
    """Return SQL for the weights of `personal_pairs` that are `compared`, with their reasons."""
    stranger, household, shared = (_identifier_sql(config, side) for side in ("stranger", "household", ""))
    prior = before_anything(model, config)
    by_fields = " + ".join(f"micro_{c.name}" for c in model.comparisons)
    return (
        "SELECT l.name AS left_key, r.name AS right_key, rule_mask, CAST(least(strangers, relatives) AS BIGINT) AS weight_micro, "
        "CAST(relatives AS BIGINT) AS conflict_micro, CASE WHEN len(shared) > 0 THEN 'both' ELSE 'attributes' END AS kind, "
        f"[{_reason('prior', 'before anything is known', str(prior))}] || fields || shared || "
        f"CASE WHEN relatives < strangers THEN [{_reason('household', 'could be somebody else at home', 'relatives - strangers')}] "
        f"ELSE [] END AS reasons FROM (SELECT *, {_reasons_sql(model)} AS fields, {shared} AS shared FROM ("
        f"SELECT c.*, p.rule_mask, CASE WHEN {_denied_sql(model)} THEN 0 ELSE p.agreed END AS counted, "
        f"{prior} + {by_fields} + {stranger} AS strangers, "
        f"{round(MICRO * log_odds(model.one_person_at_home))} + {_household_sql(model)} + {household} AS relatives "
        "FROM personal_pairs p JOIN compared c USING (left_key, right_key))) summed "
        "JOIN numbered l ON l.record_key = summed.left_key JOIN numbered r ON r.record_key = summed.right_key"
    )


def _reason(comparison: str, level: str, weight: str) -> str:
    return f"{{'comparison': '{comparison}', 'level': '{level}', 'weight_micro': CAST({weight} AS BIGINT)}}"


def _identifier_sql(config: IdentityConfig, side: str, worth: str = "stranger", mask: str = "counted") -> str:
    """Return SQL for the worth of the identifiers that count between a pair, as a sum or (no side) as reasons."""
    bit, beside = bits(config), veils(config)
    told = {
        name: f"{mask} & {bit[name]} > 0" + (f" AND {mask} & {beside[name]} = 0" if beside[name] else "")
        for name in config.identifiers
    }
    if side:
        worths = [(told[n], round(MICRO * getattr(worth_of(config, n), side))) for n in config.identifiers]
        return " + ".join(f"CASE WHEN {holds} THEN {value} ELSE 0 END" for holds, value in worths if value) or "0"
    rows = [
        f"CASE WHEN {told[n]} THEN [{_reason(n, 'shared', str(round(MICRO * getattr(worth_of(config, n), worth))))}] ELSE [] END"
        for n in config.identifiers
    ]
    return " || ".join(rows)


def _denied_sql(model: MatchModel) -> str:
    """Return SQL for whether the fields of a `compared` pair deny that it is one person."""
    parts = []
    for comparison in model.comparisons:
        best = len(comparison.levels) - 1
        said = {best - n: denial(comparison.name, level.label) for n, level in enumerate(comparison.levels)}
        cases = " ".join(f"WHEN {gamma} THEN {value}" for gamma, value in said.items() if value)
        if cases:
            parts.append(f"CASE gamma_{comparison.name} {cases} ELSE 0 END")
    return f"{' + '.join(parts) or '0'} = {DENIALS}"


def _household_sql(model: MatchModel) -> str:
    """Return SQL for what the personal fields say against another member of the household."""
    parts = []
    for comparison in model.comparisons:
        levels = comparison.levels
        cases = [
            f"WHEN {len(levels) - 1 - position} THEN {round(MICRO * log2(level.m / level.household))}"
            for position, level in enumerate(levels)
            if level.household and COMPARISONS[comparison.name].all_levels()[position].counted
        ]
        if cases:
            parts.append(f"CASE gamma_{comparison.name} {' '.join(cases)} ELSE 0 END")
    return " + ".join(parts) or "0"


def _reasons_sql(model: MatchModel) -> str:
    parts = []
    for comparison in model.comparisons:
        levels = comparison.levels
        labels = " ".join(
            f"WHEN {len(levels) - 1 - position} THEN '{level.label}'" for position, level in enumerate(levels)
        )
        struct = (
            f"{{'comparison': '{comparison.name}', 'level': CASE gamma_{comparison.name} {labels} END, "
            f"'weight_micro': micro_{comparison.name}}}"
        )
        parts.append(f"CASE WHEN micro_{comparison.name} <> 0 THEN [{struct}] ELSE [] END")
    return " || ".join(parts)
