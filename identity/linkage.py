"""The only file that knows Splink: trains the model without labels, and scores pairs with its DuckDB SQL."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator
from splink import comparison_level_library as cll
from splink import comparison_library as cl
from splink.clustering import cluster_pairwise_predictions_at_threshold

from identity.comparisons import COMPARISONS, Comparison
from identity.config import IdentityConfig
from identity.registry import MatchModel, TrainedComparison, TrainedLevel
from infra.ids import content_digest

_FIGURES = 6
_SMALLEST = 1e-6
_COLUMNS = (
    "record_key, given_name, given_forms, family_name, birth_date, street, unit, city, postcode, "
    "email_user, emails, phones, sex, suffix"
)
_PRIOR_RULES = (
    ("given_name", "family_name", "birth_date"),
    ("given_name", "family_name", "street"),
    ("given_name", "email_user"),
)
_PRIOR_RECALL = 0.7
_FEWEST_PAIRS = 50


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Splink's advice out of the log: it prints table and column statistics that may hold values."""
    logger = logging.getLogger("splink")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(before)


def train(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> MatchModel:
    """Return a model learnt from the table `described` (records that describe somebody) without any labels.

    u comes from seeded random pairs, m from expectation maximisation in several blockings, frequencies from the
    records; leaves the frozen frequencies in the table `frequencies` (field, value_hash, frequency).
    """
    names = [COMPARISONS[name] for name in config.comparisons]
    records = _count(connection, "described")
    floors, digest = _freeze_frequencies(connection, names, config.model.rare)
    untrained = MatchModel(
        prior=1e-4,
        comparisons=tuple(TrainedComparison(c.name, _starting_levels(c)) for c in names),
        floors=floors,
        frequencies_digest=digest,
        records=records,
    )
    connection.execute(f"CREATE OR REPLACE TABLE training AS {_with_frequencies(untrained, 'described')}")
    with _quiet():
        linker = _linker(connection, "training", untrained, learnt=False)
        prior = _learn(connection, linker, config, records)
        return _as_model(linker, untrained, prior)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def _learn(connection: duckdb.DuckDBPyConnection, linker: Any, config: IdentityConfig, records: int) -> float:
    """Train the linker in place and return the prior."""
    training = linker.training
    agreeing = _pairs(connection, [" AND ".join(f"l.{c} = r.{c}" for c in rule) for rule in _PRIOR_RULES])
    prior = max(agreeing, 1) / _PRIOR_RECALL / max(records * (records - 1) / 2, 1)
    training.estimate_u_using_random_sampling(max_pairs=config.model.sample_pairs, seed=config.model.seed)
    for rule in config.training:
        condition = " AND ".join(f"l.{key} = r.{key}" for key in rule)
        # a rule without pairs would leave Splink's settings without the comparisons that it blocks on
        if _pairs(connection, [condition]) >= _FEWEST_PAIRS:
            training.estimate_parameters_using_expectation_maximisation(condition, max_pairs=config.model.sample_pairs)
    return min(max(prior, _SMALLEST / 10), 0.2)


def _pairs(connection: duckdb.DuckDBPyConnection, conditions: list[str]) -> int:
    """Return how many pairs of the training records meet any of the conditions."""
    found = " UNION ".join(
        f"SELECT l.record_key AS a, r.record_key AS b FROM training l JOIN training r "
        f"ON {condition} AND l.record_key < r.record_key"
        for condition in conditions
    )
    row = connection.execute(f"SELECT count(*) FROM ({found})").fetchone()
    return int(row[0]) if row else 0


def _starting_levels(comparison: Comparison) -> tuple[TrainedLevel, ...]:
    levels = comparison.all_levels()
    usual = 0.05 / len(levels)
    rest = 1 - sum(level.u or usual for level in levels[:-1])
    return tuple(
        TrainedLevel(level.label, level.m, rest if level is comparison.other else level.u or usual, level.household)
        for level in levels
    )


def _as_model(linker: Any, before: MatchModel, prior: float) -> MatchModel:
    """Return what Splink learnt, rounded so that the last bits of a parallel sum do not make another model."""
    learnt = {c.output_column_name: c for c in linker._settings_obj.comparisons}  # noqa: SLF001 - its JSON is bound to SQL
    comparisons = []
    for comparison in before.comparisons:
        found = [level for level in learnt[comparison.name].comparison_levels if not level.is_null_level]
        m = _distribution([level.m_probability for level in found], [level.m for level in comparison.levels])
        u = _distribution([level.u_probability for level in found], [level.u for level in comparison.levels])
        levels = zip(comparison.levels, m, u, strict=True)
        comparisons.append(
            TrainedComparison(comparison.name, tuple(TrainedLevel(lv.label, a, b, lv.household) for lv, a, b in levels))
        )
    return MatchModel(_rounded(prior), tuple(comparisons), before.floors, before.frequencies_digest, before.records)


def _distribution(learnt: list[Any], start: list[float]) -> list[float]:
    """Return likelihoods with what was never seen kept small, not impossible; a tenth of a per cent stays prior."""
    values = [v if isinstance(v, float) else None for v in learnt]
    if all(v is None for v in values):
        return start
    trust = 0.99
    filled = [trust * (v if v is not None else 0.0) + (1 - trust) * s for v, s in zip(values, start, strict=True)]
    total = sum(filled)
    return [_rounded(max(v / total, _SMALLEST)) for v in filled]


def _rounded(value: float) -> float:
    return float(f"{value:.{_FIGURES}g}")


def _freeze_frequencies(
    connection: duckdb.DuckDBPyConnection, comparisons: list[Comparison], rare: int
) -> tuple[dict[str, float], str]:
    connection.execute("CREATE OR REPLACE TABLE frequencies (field VARCHAR, value_hash VARCHAR, frequency DOUBLE)")
    floors: dict[str, float] = {}
    for column in sorted({c.frequency for c in comparisons if c.frequency}):
        row = connection.execute(f"SELECT count({column}) FROM described").fetchone()
        known = max(int(row[0]) if row else 0, 1)
        floors[column] = _rounded(max(1, rare - 1) / known)
        connection.execute(
            f"INSERT INTO frequencies SELECT '{column}', md5({column}), round(count(*) / {known}, 9) "
            f"FROM described WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) >= {rare}"
        )
    row = connection.execute(
        "SELECT coalesce(string_agg(field || value_hash || frequency, ',' ORDER BY field, value_hash), '') FROM frequencies"
    ).fetchone()
    return floors, content_digest(row[0] if row else "")[:16]


def _with_frequencies(model: MatchModel, table: str) -> str:
    """Return SQL that adds the frozen frequencies; an unseen value is as rare as the rarest that was kept."""
    columns, joins = [], []
    for column, floor in sorted(model.floors.items()):
        columns.append(
            f"CASE WHEN d.{column} IS NOT NULL THEN coalesce(f_{column}.frequency, {floor!r}) END AS tf_{column}"
        )
        joins.append(
            f"LEFT JOIN frequencies f_{column} ON f_{column}.field = '{column}' AND f_{column}.value_hash = md5(d.{column})"
        )
    wanted = ", ".join(f"d.{c.strip()}" for c in _COLUMNS.split(","))
    return f"SELECT {', '.join([wanted, *columns])} FROM {table} d {' '.join(joins)} ORDER BY d.record_key"


def _settings(model: MatchModel, *, learnt: bool) -> SettingsCreator:
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_key",
        comparisons=[_splink_comparison(COMPARISONS[c.name], c, learnt=learnt) for c in model.comparisons],
        blocking_rules_to_generate_predictions=["l.record_key = r.record_key"],
        probability_two_random_records_match=model.prior,
        retain_matching_columns=True,
        retain_intermediate_calculation_columns=True,
        max_iterations=40,
        linker_uid="kindred",
    )


def _splink_comparison(comparison: Comparison, trained: TrainedComparison, *, learnt: bool) -> Any:
    declared = comparison.all_levels()
    levels: list[Any] = [cll.CustomLevel(comparison.null).configure(is_null_level=True, label_for_charts="unknown")]
    for level, values in zip(declared, trained.levels, strict=True):
        made = cll.ElseLevel() if level is comparison.other else cll.CustomLevel(level.condition)
        made.configure(label_for_charts=level.label, m_probability=values.m)
        if learnt:
            made.configure(u_probability=values.u)
        if level is declared[0] and comparison.frequency:
            made.configure(tf_adjustment_column=comparison.frequency, tf_minimum_u_value=1e-7)
        levels.append(made)
    return cl.CustomComparison(comparison_levels=levels, output_column_name=comparison.name)


def _linker(connection: duckdb.DuckDBPyConnection, table: str, model: MatchModel, *, learnt: bool) -> Any:
    # a cursor of its own: Splink fails on a connection with a result not yet fetched
    api = DuckDBAPI(connection=connection.cursor())
    frame = api.register(table, dataset_display_name=table)
    return Linker(frame, _settings(model, learnt=learnt), log_level=None, validate_settings=False)


def score(connection: duckdb.DuckDBPyConnection, model: MatchModel, pairs: str, into: str) -> None:
    """Fill the table `into` with Splink's comparison of each pair of the table `pairs` (left_key, right_key).

    Reads the records from `described` and the frozen frequencies from `frequencies`. The answer's columns:
    left_key, right_key, and for each comparison gamma_<name> (level, best highest, -1 unknown) and micro_<name>
    (weight with the frequency adjustment, whole micro-bits).
    """
    connection.execute(f"CREATE OR REPLACE TABLE scoring AS {_with_frequencies(model, 'described')}")
    connection.execute(
        "CREATE OR REPLACE TABLE blocked AS "
        f"SELECT '0' AS match_key, left_key AS join_key_l, right_key AS join_key_r FROM {pairs}"
    )
    with _quiet():
        linker = _linker(connection, "scoring", model, learnt=True)
        blocked = linker._db_api.register("blocked", dataset_display_name="blocked")  # noqa: SLF001 - the linker's own
        linker.table_management.register_blocked_pairs_for_predict(blocked)
        scored = linker.inference.predict()
    names = [c.name for c in model.comparisons]
    weights = [f"CAST(round(1e6 * ({_weight(name)})) AS BIGINT) AS micro_{name}, gamma_{name}" for name in names]
    connection.execute(
        f"CREATE OR REPLACE TABLE {into} AS SELECT record_key_l AS left_key, record_key_r AS right_key, "
        f"{', '.join(weights)} FROM {scored.physical_name}"
    )
    connection.execute(f"DROP TABLE {scored.physical_name}")


def _weight(name: str) -> str:
    adjusted = f" + mw_tf_adj_{name}" if COMPARISONS[name].frequency else ""
    return f"mw_{name}{adjusted}"


def components(connection: duckdb.DuckDBPyConnection, nodes: str, edges: str, into: str) -> None:
    """Fill the table `into` (record_key, component) with the connected components; each is named by its smallest key."""
    with _quiet():
        api = DuckDBAPI(connection=connection.cursor())
        found = cluster_pairwise_predictions_at_threshold(
            nodes=api.register(nodes, dataset_display_name=nodes),
            edges=api.register(edges, dataset_display_name=edges),
            db_api=api,
            node_id_column_name="record_key",
            edge_id_column_name_left="left_key",
            edge_id_column_name_right="right_key",
        )
    connection.execute(
        f"CREATE OR REPLACE TABLE {into} AS SELECT record_key, cluster_id AS component FROM {found.physical_name}"
    )
    connection.execute(f"DROP TABLE {found.physical_name}")


def load_frequencies(connection: duckdb.DuckDBPyConnection, files: list[str], snapshot: str) -> None:
    """Make the table `frequencies` from the frozen ones of a snapshot."""
    connection.execute(
        "CREATE OR REPLACE TABLE frequencies AS SELECT field, value_hash, frequency FROM read_parquet(?) "
        "WHERE snapshot = ? ORDER BY ALL",
        [files, snapshot],
    )
