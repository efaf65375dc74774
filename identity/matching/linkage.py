"""Splink at work: pairs scored with its DuckDB SQL, components found; `training` learns, `plain` is its tutorial."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator
from splink import comparison_level_library as cll
from splink import comparison_library as cl

from identity.matching.comparisons import COMPARISONS, Comparison
from identity.matching.described import RAREST, with_frequencies
from identity.matching.registry import MatchModel, TrainedComparison


@contextmanager
def quiet() -> Iterator[None]:
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


def _settings(
    model: MatchModel, *, learnt: bool, families: bool, levels: bool, blocking: Sequence[Any]
) -> SettingsCreator:
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_key",
        comparisons=[
            _splink_comparison(COMPARISONS[c.name], c, learnt=learnt, families=families) for c in model.comparisons
        ],
        blocking_rules_to_generate_predictions=list(blocking),
        probability_two_random_records_match=model.prior,
        # Splink keeps levels only together with all that it compared
        retain_matching_columns=levels,
        retain_intermediate_calculation_columns=True,
        max_iterations=40,
        linker_uid="kindred",
    )


def _splink_comparison(comparison: Comparison, trained: TrainedComparison, *, learnt: bool, families: bool) -> Any:
    declared = comparison.all_levels()
    levels: list[Any] = [cll.CustomLevel(comparison.null).configure(is_null_level=True, label_for_charts="unknown")]
    for level, values in zip(declared, trained.levels, strict=True):
        made = cll.ElseLevel() if level is comparison.other else cll.CustomLevel(level.condition)
        fixed = not comparison.is_learnt(families=families)
        made.configure(
            label_for_charts=level.label, m_probability=values.m, fix_m_probability=fixed, fix_u_probability=fixed
        )
        if learnt or fixed:
            made.configure(u_probability=values.u)
        if comparison.frequency and (level is declared[0] or level.by_frequency):
            made.configure(tf_adjustment_column=comparison.frequency, tf_minimum_u_value=RAREST)
        levels.append(made)
    return cl.CustomComparison(comparison_levels=levels, output_column_name=comparison.name)


def linker_for(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    model: MatchModel,
    *,
    learnt: bool,
    families: bool = True,
    levels: bool = True,
    blocking: Sequence[Any] = ("l.record_key = r.record_key",),
) -> Any:
    """Return Splink's linker on a table with the model's figures; not `learnt`: to be trained, by families or without.

    It keeps the level of every comparison where `levels`; pairs come from us, save where `blocking` says how to find them.
    """
    # a cursor of its own: Splink fails on a connection with a result not yet fetched
    api = DuckDBAPI(connection=connection.cursor())
    frame = api.register(table, dataset_display_name=table)
    settings = _settings(model, learnt=learnt, families=families, levels=levels, blocking=blocking)
    return Linker(frame, settings, log_level=None, validate_settings=False)


def score(
    connection: duckdb.DuckDBPyConnection, model: MatchModel, pairs: str, into: str, *, raw: bool = False
) -> None:
    """Fill the table `into` with Splink's comparison of each pair of the table `pairs`; see `prepare` and `compare`."""
    prepare(connection, model)
    compare(connection, model, pairs, into, raw=raw)


def prepare(connection: duckdb.DuckDBPyConnection, model: MatchModel, records: str = "described") -> None:
    """Make the table `scoring`: records as comparisons read them, with their names' frequencies from `frequencies`."""
    connection.execute(f"CREATE OR REPLACE TABLE scoring AS {with_frequencies(model, records)}")


def compare(
    connection: duckdb.DuckDBPyConnection, model: MatchModel, pairs: str, into: str, *, raw: bool = False
) -> None:
    """Fill the table `into` with Splink's comparison of each pair of the table `pairs` (left_key, right_key).

    Reads the records from `scoring`, whose record_key may be of any type. The answer's columns:
    left_key, right_key, and for each comparison gamma_<name> (level, best highest, -1 unknown) and micro_<name>
    (weight with the frequency adjustment, whole micro-bits); with `raw` also raw_<name> (the same in bits, unrounded).
    `identity.matching.compiled` is the twin for single pairs.
    """
    names = [c.name for c in model.comparisons]
    weights = [f"{_weight(name)} AS micro_{name}, gamma_{name}" for name in names]
    weights += [f"{_raw(name)} AS raw_{name}" for name in names if raw]
    _predict(connection, model, pairs, into, weights, levels=True)


def bound(connection: duckdb.DuckDBPyConnection, model: MatchModel, pairs: str, into: str) -> None:
    """Fill the table `into` (left_key, right_key, most) with what the fields of each pair can weigh at most.

    That is what they weigh by `compare`, in micro-bits, save where a level that does not count would bring them down.
    It costs a fraction of it, for no level and none of the compared values is kept.
    """
    most = " + ".join(_most(c) for c in model.comparisons) or "0"
    _predict(connection, model, pairs, into, [f"{most} AS most"], levels=False)


def _predict(
    connection: duckdb.DuckDBPyConnection,
    model: MatchModel,
    pairs: str,
    into: str,
    columns: Sequence[str],
    *,
    levels: bool,
) -> None:
    connection.execute(
        "CREATE OR REPLACE TABLE blocked AS "
        f"SELECT '0' AS match_key, left_key AS join_key_l, right_key AS join_key_r FROM {pairs}"
    )
    with quiet():
        linker = linker_for(connection, "scoring", model, learnt=True, levels=levels)
        blocked = linker._db_api.register("blocked", dataset_display_name="blocked")  # noqa: SLF001 - the linker's own
        linker.table_management.register_blocked_pairs_for_predict(blocked)
        scored = linker.inference.predict()
    connection.execute(
        f"CREATE OR REPLACE TABLE {into} AS SELECT record_key_l AS left_key, record_key_r AS right_key, "
        f"{', '.join(columns)} FROM {scored.physical_name}"
    )
    connection.execute(f"DROP TABLE {scored.physical_name}")


def _most(trained: TrainedComparison) -> str:
    micro = _micro(trained.name)
    declared = COMPARISONS[trained.name].all_levels()
    uncounted = [t for level, t in zip(declared, trained.levels, strict=True) if not level.counted]
    return f"greatest({micro}, 0)" if any(level.m < level.u for level in uncounted) else micro


def _weight(name: str) -> str:
    comparison = COMPARISONS[name]
    levels = comparison.all_levels()
    elsewhere = [str(len(levels) - 1 - n) for n, level in enumerate(levels) if not level.counted]
    micro = _micro(name)
    return f"CASE WHEN gamma_{name} IN ({', '.join(elsewhere)}) THEN 0 ELSE {micro} END" if elsewhere else micro


def _micro(name: str) -> str:
    return f"CAST(round(1e6 * ({_raw(name)})) AS BIGINT)"


def _raw(name: str) -> str:
    return f"mw_{name} + mw_tf_adj_{name}" if COMPARISONS[name].frequency else f"mw_{name}"
