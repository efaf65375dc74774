"""Blocking rules measured on the lake, in DuckDB, without writing anything: what each costs and which matches it finds."""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from identity.config import BLOCKING_KEYS, IdentityConfig
from identity.matching.evidence import bits
from identity.model import MICRO
from identity.modelling.blocking import SUBJECTS, Cost, Pattern, Rule, candidates, identifier

SAMPLE = 50_000
"""Likely matches that are looked at; more would say the same."""
_SEVERAL = frozenset(key for key, expression in BLOCKING_KEYS.items() if expression.startswith("unnest("))
COLUMNS = (
    "record_key", "bare", "given_name", "given_forms", "family_name", "birth_date", "street", "city", "postcode", "handle",
    "phones", "emails",
)  # fmt: skip
"""What is read of `record_features`."""
EDGE_COLUMNS = ("left_key", "right_key", "weight_micro", "rule_mask")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted: records, likely matches (of which a sample was looked at), cost by rule, and who finds what."""

    records: int
    likely: int
    costs: tuple[Cost, ...]
    patterns: tuple[Pattern, ...]
    catchers: tuple[Rule, ...]


def candidate_rules(config: IdentityConfig) -> tuple[Rule, ...]:
    """Return the rules that may be proposed: keys alone and in pairs, and those that are declared."""
    return tuple(dict.fromkeys((*candidates(BLOCKING_KEYS, _SEVERAL), *config.blocking)))


def likely_from(config: IdentityConfig) -> int:
    """Return the weight in micro-bits above which a pair is a likely match."""
    return round(config.thresholds.merge * MICRO)


def kinds(config: IdentityConfig) -> dict[str, Rule]:
    """Return what stands for each identifier type among the rules: two types of one field are one, so is a digest's."""
    found = {}
    for name, kind in config.identifiers.items():
        of = config.identifiers[kind.digest_of] if kind.digest_of else kind
        field = of.normaliser if of.normaliser in SUBJECTS.values() else kind.digest_of or name
        found[name] = identifier(field)
    return found


def measured(
    connection: duckdb.DuckDBPyConnection, config: IdentityConfig, rules: Iterable[Rule], cap: int
) -> Measured:
    """Return what each rule costs and finds; reads `described` and `stored_edges` (the last run's, above `likely_from`).

    Likely matches are the stored pairs of two records that describe somebody, above the merge threshold: what the
    declared rules and the identifiers found, weighed by the model.
    """
    records, likely = _reference(connection, config)
    connection.execute("CREATE OR REPLACE TABLE caught (rule INTEGER, pair BIGINT)")
    wanted = list(rules)
    costs = [_cost(connection, number, rule, cap) for number, rule in enumerate(wanted)]
    by_kind, mask = kinds(config), bits(config)
    for number, name in enumerate(by_kind, len(wanted)):
        connection.execute(f"INSERT INTO caught SELECT {number}, pair FROM likely WHERE rule_mask & {mask[name]} > 0")
    named = [*wanted, *by_kind.values()]
    rows = connection.execute(
        "SELECT rules, count(*) FROM (SELECT pair, list(rule ORDER BY rule) AS rules FROM caught GROUP BY pair) "
        "GROUP BY rules ORDER BY rules"
    ).fetchall()
    patterns = tuple(Pattern(frozenset(named[n] for n in numbers), pairs) for numbers, pairs in rows)
    # what was found by a rule that is not declared was found by chance of another: only declared rules are catchers
    catchers = tuple(dict.fromkeys((*(rule for rule in wanted if rule in config.blocking), *by_kind.values())))
    return Measured(records, likely, tuple(costs), patterns, catchers)


def _reference(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> tuple[int, int]:
    connection.execute(
        "CREATE OR REPLACE TABLE likely AS WITH all_likely AS (SELECT e.* FROM stored_edges e "
        "SEMI JOIN described l ON l.record_key = e.left_key SEMI JOIN described r ON r.record_key = e.right_key "
        f"WHERE e.weight_micro > {likely_from(config)} AND e.rule_mask > 0) "
        "SELECT *, row_number() OVER (ORDER BY hash(left_key, right_key), left_key, right_key) AS pair FROM all_likely"
    )
    row = connection.execute("SELECT (SELECT count(*) FROM described), count(*) FROM likely").fetchone()
    connection.execute(f"DELETE FROM likely WHERE pair > {SAMPLE}")
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _cost(connection: duckdb.DuckDBPyConnection, number: int, rule: Rule, cap: int) -> Cost:
    """Return what a rule costs, and note in `caught` which likely matches it finds."""
    columns = ", ".join(f"{BLOCKING_KEYS[key]} AS k{n}" for n, key in enumerate(rule))
    keys = [f"k{n}" for n in range(len(rule))]
    connection.execute(
        f"CREATE OR REPLACE TABLE held AS WITH keyed AS (SELECT record_key, {columns} FROM described) "
        f"SELECT DISTINCT record_key, hash({', '.join(keys)}) AS block FROM keyed "
        f"WHERE {' AND '.join(f'{key} IS NOT NULL' for key in keys)}"
    )
    connection.execute("CREATE OR REPLACE TABLE sizes AS SELECT block, count(*) AS n FROM held GROUP BY block")
    row = connection.execute(
        f"SELECT coalesce(sum(n * (n - 1) // 2) FILTER (n <= {cap}), 0), coalesce(max(n), 0), "
        f"(SELECT count(DISTINCT record_key) FROM held SEMI JOIN (SELECT block FROM sizes WHERE n BETWEEN 2 AND {cap}) "
        "USING (block)), "
        f"(SELECT count(DISTINCT record_key) FROM held SEMI JOIN (SELECT block FROM sizes WHERE n > {cap}) USING (block)) "
        "FROM sizes"
    ).fetchone()
    connection.execute(
        f"INSERT INTO caught SELECT DISTINCT {number}, pair FROM likely "
        "JOIN held a ON a.record_key = left_key JOIN held b ON b.record_key = right_key AND b.block = a.block "
        f"JOIN sizes s ON s.block = a.block AND s.n <= {cap}"
    )
    pairs, largest, reached, silenced = row or (0, 0, 0, 0)
    return Cost(rule, int(pairs), int(largest), int(reached), int(silenced))
