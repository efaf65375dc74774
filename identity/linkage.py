"""The only file that knows Splink: trains the model without labels, and scores pairs with its DuckDB SQL."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink import comparison_level_library as cll
from splink import comparison_library as cl
from splink.clustering import cluster_pairwise_predictions_at_threshold

from identity import frequencies, households
from identity.comparisons import COMPARISONS, Comparison
from identity.config import IdentityConfig
from identity.registry import MatchModel, TrainedComparison, TrainedLevel

_FIGURES = 6
_SMALLEST = 1e-6
_PRIOR_RULES = (
    ("given_name", "family_name", "birth_date"),
    ("given_name", "family_name", "street"),
    ("given_name", "handle"),
)
_PRIOR_RECALL = 0.7
_FEWEST_PAIRS = 50
_BELIEF = 100.0
_FEWEST_AT_HOME = 300
_RELATIVES = 0.05
_ALONE = 0.9
_PLAIN_SAMPLE = 1_000_000


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
    floors, digest = frequencies.freeze(
        connection, sorted({c.frequency for c in names if c.frequency}), config.model.rare
    )
    untrained = MatchModel(
        prior=1e-4,
        one_person_at_home=0.5,
        comparisons=tuple(TrainedComparison(c.name, _starting_levels(c)) for c in names),
        floors=floors,
        frequencies_digest=digest,
        records=records,
    )
    connection.execute(f"CREATE OR REPLACE TABLE training AS {frequencies.with_frequencies(untrained, 'described')}")
    with _quiet():
        linker = _linker(connection, "training", untrained, learnt=False)
        prior = _learn(connection, linker, config, records)
        strangers = _as_model(linker, untrained, prior)
    return _at_home(connection, strangers, config)


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
        if not COMPARISONS[comparison.name].learnt:
            comparisons.append(comparison)
            continue
        m = _distribution([level.m_probability for level in found], [lv.m for lv in comparison.levels])
        u = _distribution([level.u_probability for level in found], [level.u for level in comparison.levels])
        levels = zip(comparison.levels, m, u, strict=True)
        comparisons.append(
            TrainedComparison(comparison.name, tuple(TrainedLevel(lv.label, a, b, lv.household) for lv, a, b in levels))
        )
    return replace(before, prior=_rounded(prior), comparisons=tuple(comparisons))


def _at_home(connection: duckdb.DuckDBPyConnection, model: MatchModel, config: IdentityConfig) -> MatchModel:
    """Return the model with what pairs at one address teach about relatives."""
    connection.execute(
        "CREATE OR REPLACE TABLE at_home AS WITH homes AS (SELECT record_key, street, postcode, emails FROM described "
        "WHERE street IS NOT NULL QUALIFY count(*) OVER (PARTITION BY street, postcode) <= 60) "
        "SELECT a.record_key AS left_key, b.record_key AS right_key, list_has_any(a.emails, b.emails) AS mailbox "
        "FROM homes a JOIN homes b ON a.street = b.street AND a.postcode IS NOT DISTINCT FROM b.postcode "
        "AND a.record_key < b.record_key ORDER BY ALL"
    )
    score(connection, model, "at_home", "home_compared")
    told = [c for c in model.comparisons if all(level.household for level in c.levels) and COMPARISONS[c.name].learnt]
    gammas = ", ".join(f"gamma_{c.name}" for c in told)
    rows = connection.execute(
        f"SELECT mailbox, count(*), {gammas} FROM home_compared JOIN at_home USING (left_key, right_key) "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    mailbox = config.evidence.strong.household
    patterns = [
        households.Pattern(
            tuple(len(c.levels) - 1 - g if g >= 0 else households.UNKNOWN for c, g in zip(told, row[2:], strict=True)),
            mailbox if row[0] else 0.0,
            row[1],
        )
        for row in rows
    ]
    believable = [_believable(c) for c in told]
    persons = [[level.m for level in c.levels] for c in believable]
    relatives = [[level.household or _SMALLEST for level in c.levels] for c in believable]
    enough = sum(pattern.pairs for pattern in patterns) >= _FEWEST_AT_HOME
    if not enough:
        return model
    if households.strangeness(patterns, persons, relatives) < _RELATIVES:
        return replace(model, one_person_at_home=_ALONE)
    learnt = households.learn(patterns, persons, relatives, one_person=model.one_person_at_home, strength=_BELIEF)
    figures = {c.name: (c, h) for c, h in zip(believable, learnt.relatives, strict=True)}
    comparisons = tuple(_with_homes(*figures[c.name]) if c.name in figures else c for c in model.comparisons)
    return replace(model, one_person_at_home=_rounded(learnt.one_person), comparisons=comparisons)


def _with_homes(comparison: TrainedComparison, relatives: Sequence[float]) -> TrainedComparison:
    levels = zip(comparison.levels, relatives, strict=True)
    return replace(comparison, levels=tuple(replace(level, household=_rounded(h)) for level, h in levels))


def _believable(comparison: TrainedComparison) -> TrainedComparison:
    """Return m with disagreement held to what is declared, where relatives disagree in the same way.

    Where families live together, pairs that share a name hold fathers and sons, and learning takes the father for
    his son misdated. What is cut off goes to the best level.
    """
    declared = COMPARISONS[comparison.name].all_levels()
    held = [
        min(level.m, own.m) if own.household and own.household > own.m else level.m
        for level, own in zip(comparison.levels, declared, strict=True)
    ]
    held[0] += sum(level.m for level in comparison.levels) - sum(held)
    levels = zip(comparison.levels, held, strict=True)
    return replace(comparison, levels=tuple(replace(level, m=_rounded(m)) for level, m in levels))


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
        fixed = not comparison.learnt
        made.configure(
            label_for_charts=level.label, m_probability=values.m, fix_m_probability=fixed, fix_u_probability=fixed
        )
        if learnt or fixed:
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
    connection.execute(f"CREATE OR REPLACE TABLE scoring AS {frequencies.with_frequencies(model, 'described')}")
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


def plain_pairs(connection: duckdb.DuckDBPyConnection, into: str, probability: float) -> None:
    """Fill the table `into` (left_key, right_key) with the pairs that Splink finds when used as its tutorial has it.

    Ready-made comparisons, block on one field each, and a threshold: what this platform's evidence is measured
    against. One email and one phone a record, for lists are no part of the ready-made.
    """
    connection.execute(
        "CREATE OR REPLACE TABLE plain AS SELECT record_key, given_name, family_name, birth_date, postcode, "
        "emails[1] AS email, phones[1] AS phone FROM features WHERE NOT bare ORDER BY record_key"
    )
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_key",
        comparisons=[
            cl.NameComparison("given_name"),
            cl.NameComparison("family_name"),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
            cl.EmailComparison("email"),
            cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("email"), block_on("phone"), block_on("family_name", "birth_date"),
            block_on("given_name", "family_name"), block_on("postcode", "given_name"),
        ],
        linker_uid="plain",
    )  # fmt: skip
    with _quiet():
        frame = DuckDBAPI(connection=connection.cursor()).register("plain", dataset_display_name="plain")
        linker = Linker(frame, settings, log_level=None, validate_settings=False)
        rules = [block_on("given_name", "family_name", "birth_date"), block_on("email", "given_name")]
        linker.training.estimate_probability_two_random_records_match(rules, recall=_PRIOR_RECALL)
        linker.training.estimate_u_using_random_sampling(max_pairs=_PLAIN_SAMPLE, seed=1)
        for rule in (block_on("birth_date"), block_on("email"), block_on("given_name", "family_name")):
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        found = linker.inference.predict(threshold_match_probability=probability)
    connection.execute(
        f"CREATE OR REPLACE TABLE {into} AS SELECT record_key_l AS left_key, record_key_r AS right_key "
        f"FROM {found.physical_name}"
    )
