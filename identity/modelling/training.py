"""How a model is learnt without labels: u from random pairs, m by expectation maximisation, relatives from addresses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from identity.config import IdentityConfig, compared
from identity.matching import frequencies
from identity.matching.comparisons import COMPARISONS, NUMBER, Comparison
from identity.matching.described import with_frequencies
from identity.matching.linkage import linker_for, quiet, score
from identity.matching.registry import MatchModel, TrainedComparison, TrainedLevel
from identity.modelling import households, labelled

_FIGURES = 6
_SMALLEST = 1e-6
_Rule = Mapping[str, tuple[str, int]]
# Who agrees on all of these is one person, nearly always; each column with its comparison and that one's levels.
_PRIOR_RULES: tuple[_Rule, ...] = (
    {"given_name": ("given_name", 1), "family_name": ("family_name", 1), "birth_date": ("birth_date", 2)},
    {"given_name": ("given_name", 1), "birth_date": ("birth_date", 2), "postcode": ("place", 4)},
)
# Without dates of birth; a father and the son whom he gave his name agree on it too.
_PRIOR_WITHOUT_DATES: tuple[_Rule, ...] = (
    {"given_name": ("given_name", 1), "family_name": ("family_name", 1), "street": ("place", 2)},
)
# Where homes are looked for, the first that is known: who shares it is one person or two of one household.
_HOMES = (
    ("street IS NOT NULL", "street, postcode"),
    ("family_name IS NOT NULL AND postcode IS NOT NULL", "family_name, postcode"),
    ("len(phones) > 0", "phones[1]"),
    ("len(emails) > 0", "emails[1]"),
)
_MOST_AT_HOME = 60
_RAREST_AGREEMENT = 0.001
_LIKELIEST = 0.2
_FEWEST_PAIRS = 50
_FEWEST_RECORDS = 100
_BELIEF = 100.0
_FEWEST_AT_HOME = 30
_RELATIVES = 0.05
_ALONE = 0.9
_SUREST = 0.99


def train(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> MatchModel:
    """Return a model learnt from the table `described` (records that describe somebody), and `labels` where it is there.

    u comes from seeded random pairs, m from expectation maximisation in several blockings, frequencies from the
    records; leaves the frozen frequencies in the table `frequencies` (field, value_hash, frequency). Too few
    records teach nothing: then what is declared stands.
    """
    untrained = declared(connection, config)
    enough = untrained.records >= _FEWEST_RECORDS
    return labelled.taught(connection, _unlabelled(connection, config, untrained) if enough else untrained)


def _unlabelled(connection: duckdb.DuckDBPyConnection, config: IdentityConfig, untrained: MatchModel) -> MatchModel:
    """Return the model that the records teach; where no families show, what relatives would mislead is learnt as well."""
    connection.execute(f"CREATE OR REPLACE TABLE training AS {with_frequencies(untrained, 'described')}")
    model = _learnt(connection, config, untrained, families=True)
    misled = any(COMPARISONS[c.name].relatives_mislead for c in model.comparisons)
    return _learnt(connection, config, untrained, families=False) if misled and model.families < 1 else model


def _learnt(
    connection: duckdb.DuckDBPyConnection, config: IdentityConfig, untrained: MatchModel, *, families: bool
) -> MatchModel:
    with quiet():
        rules = config.training
        linker = linker_for(connection, "training", untrained, learnt=False, families=families)
        while (failed := _learn(connection, linker, config, rules)) is not None:
            rules = tuple(rule for rule in rules if rule != failed)
            linker = linker_for(connection, "training", untrained, learnt=False, families=families)
        strangers = _as_model(linker, untrained, _untaught(connection, untrained), families=families)
    return _at_home(connection, replace(strangers, prior=_prior(connection, strangers)))


def declared(connection: duckdb.DuckDBPyConnection, config: IdentityConfig) -> MatchModel:
    """Return the model as the comparisons declare it, with the frequencies of `described` frozen."""
    names = [COMPARISONS[name] for name in compared(config)]
    columns = sorted({c.frequency for c in names if c.frequency})
    floors, digest = frequencies.freeze(connection, columns, config.model.rare)
    return MatchModel(
        prior=1e-4,
        one_person_at_home=0.5,
        families=1.0,
        comparisons=tuple(TrainedComparison(c.name, _starting_levels(c)) for c in names),
        floors=floors,
        frequencies_digest=digest,
        records=_count(connection, "described"),
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def _learn(
    connection: duckdb.DuckDBPyConnection, linker: Any, config: IdentityConfig, rules: Sequence[tuple[str, ...]]
) -> tuple[str, ...] | None:
    """Train the linker in place; return the rule that nothing can be learnt by, if there is one.

    Where its pairs agree without exception, a likelihood sinks below what a float holds, and Splink raises: the linker
    is then spoilt, and another one learns without the rule.
    """
    training = linker.training
    training.estimate_u_using_random_sampling(max_pairs=config.model.sample_pairs, seed=config.model.seed)
    for rule in rules:
        condition = " AND ".join(f"l.{key} = r.{key}" for key in rule)
        # a rule without pairs would leave Splink's settings without the comparisons that it blocks on
        if _pairs(connection, condition) >= _FEWEST_PAIRS:
            try:
                training.estimate_parameters_using_expectation_maximisation(
                    condition, max_pairs=config.model.sample_pairs
                )
            except ValueError:
                return rule
    return None


def _untaught(connection: duckdb.DuckDBPyConnection, model: MatchModel) -> frozenset[str]:
    """Return the comparisons that stay as declared: that of numbers, where hardly one is held by several records.

    Who shares a unique number is one person; without such pairs learning has nothing but strangers' numbers to go by,
    and would find that one person's differ.
    """
    if all(comparison.name != NUMBER for comparison in model.comparisons):
        return frozenset()
    row = connection.execute(
        "SELECT count(*) FROM (SELECT number FROM (SELECT unnest(numbers) AS number FROM training) "
        "GROUP BY number HAVING count(*) > 1)"
    ).fetchone()
    return frozenset() if row and row[0] >= _FEWEST_PAIRS else frozenset({NUMBER})


def _pairs(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    """Return how many pairs of the training records meet a condition."""
    row = connection.execute(
        f"SELECT count(*) FROM training l JOIN training r ON {condition} AND l.record_key < r.record_key"
    ).fetchone()
    return int(row[0]) if row else 0


def _prior(connection: duckdb.DuckDBPyConnection, model: MatchModel) -> float:
    """Return how likely two records are one person: the pairs that agree beyond doubt, over the share of such pairs.

    What share of one person's pairs agree so follows from what was learnt of each field and how often it is known,
    so the dirtier the records, the more pairs stand behind each that agrees.
    """
    possible = max(model.records * (model.records - 1) / 2, 1)
    pairs, share = _agreeing(connection, model, _PRIOR_RULES)
    if pairs < _FEWEST_PAIRS:
        pairs, share = _agreeing(connection, model, _PRIOR_WITHOUT_DATES)
    return _rounded(min(max(pairs, 1) / max(share, _RAREST_AGREEMENT) / possible, _LIKELIEST))


def _agreeing(connection: duckdb.DuckDBPyConnection, model: MatchModel, rules: Sequence[_Rule]) -> tuple[int, float]:
    """Return how many pairs meet the rules, and the share of one person's pairs that do; both summed over rules."""
    learnt = {c.name: c for c in model.comparisons}
    pairs, share = 0, 0.0
    for rule in rules:
        if any(name not in learnt for name, _ in rule.values()):
            continue
        agree = _known(connection, list(rule)) ** 2
        for name, best in rule.values():
            agree *= sum(level.m for level in learnt[name].levels[:best])
        if agree > _RAREST_AGREEMENT:
            pairs += _pairs(connection, " AND ".join(f"l.{column} = r.{column}" for column in rule))
            share += agree
    return pairs, share


def _known(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> float:
    """Return the share of records that have all of these columns."""
    all_known = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    row = connection.execute(f"SELECT count(*) FILTER ({all_known}) / count(*) FROM training").fetchone()
    return float(row[0]) if row else 0.0


def _starting_levels(comparison: Comparison) -> tuple[TrainedLevel, ...]:
    levels = comparison.all_levels()
    usual = 0.05 / len(levels)
    rest = 1 - sum(level.u or usual for level in levels[:-1])
    return tuple(
        TrainedLevel(level.label, level.m, rest if level is comparison.other else level.u or usual, level.household)
        for level in levels
    )


def _as_model(linker: Any, before: MatchModel, untaught: frozenset[str], *, families: bool) -> MatchModel:
    """Return what Splink learnt, rounded so that the last bits of a parallel sum do not make another model."""
    learnt = {c.output_column_name: c for c in linker._settings_obj.comparisons}  # noqa: SLF001 - its JSON is bound to SQL
    comparisons = []
    for comparison in before.comparisons:
        found = [level for level in learnt[comparison.name].comparison_levels if not level.is_null_level]
        if comparison.name in untaught or not COMPARISONS[comparison.name].is_learnt(families=families):
            comparisons.append(comparison)
            continue
        m = _distribution([level.m_probability for level in found], [lv.m for lv in comparison.levels])
        u = _distribution([level.u_probability for level in found], [level.u for level in comparison.levels])
        levels = zip(comparison.levels, m, u, strict=True)
        comparisons.append(
            TrainedComparison(comparison.name, tuple(TrainedLevel(lv.label, a, b, lv.household) for lv, a, b in levels))
        )
    return replace(before, comparisons=tuple(comparisons))


def _at_home(connection: duckdb.DuckDBPyConnection, model: MatchModel) -> MatchModel:
    """Return the model with what pairs at one home teach about relatives."""
    if not _find_homes(connection):
        return model
    score(connection, model, "at_home", "home_compared")
    told = [
        c
        for c in model.comparisons
        if all(level.household for level in c.levels) and COMPARISONS[c.name].is_learnt(families=True)
    ]
    gammas = ", ".join(f"gamma_{c.name}" for c in told)
    rows = connection.execute(f"SELECT count(*), {gammas} FROM home_compared GROUP BY ALL ORDER BY ALL").fetchall()
    patterns = [
        households.Pattern(
            tuple(len(c.levels) - 1 - g if g >= 0 else households.UNKNOWN for c, g in zip(told, row[1:], strict=True)),
            row[0],
        )
        for row in rows
    ]
    believable = [_believable(c) for c in told]
    persons = [[level.m for level in c.levels] for c in believable]
    relatives = [[level.household or _SMALLEST for level in c.levels] for c in believable]
    # a wrong number is a clerk's more often than a sister's: it is no sign of a family
    signs = [p if c.name == NUMBER else r for c, p, r in zip(told, persons, relatives, strict=True)]
    families = min(households.strangeness(patterns, persons, signs) / _RELATIVES, 1.0)
    model = replace(model, families=_rounded(families))
    if families < 1:
        return replace(model, one_person_at_home=_alone(told, patterns))
    learnt = households.learn(patterns, persons, relatives, one_person=model.one_person_at_home, strength=_BELIEF)
    figures = {c.name: (c, h) for c, h in zip(believable, learnt.relatives, strict=True)}
    comparisons = tuple(_with_homes(*figures[c.name]) if c.name in figures else c for c in model.comparisons)
    return replace(model, one_person_at_home=_rounded(learnt.one_person), comparisons=comparisons)


def _alone(told: Sequence[TrainedComparison], patterns: Sequence[households.Pattern]) -> float:
    """Return how likely two at one home are one person, where no families show: as their numbers say, if they have any.

    One person's share a number as often as m says, and two people's never.
    """
    for at, comparison in enumerate(told):
        known = sum(p.pairs for p in patterns if p.levels[at] != households.UNKNOWN)
        if comparison.name == NUMBER and known >= _FEWEST_AT_HOME:
            shared = sum(p.pairs for p in patterns if p.levels[at] == 0) / known
            return _rounded(min(max(shared / comparison.levels[0].m, 1 - _SUREST), _SUREST))
    return _ALONE


def _find_homes(connection: duckdb.DuckDBPyConnection) -> bool:
    """Make `at_home` (left_key, right_key) by the first sort of home that is known often enough; say whether one is."""
    for known, home in _HOMES:
        connection.execute(
            f"CREATE OR REPLACE TABLE at_home AS WITH homes AS (SELECT record_key, hash({home}) AS home FROM described "
            f"WHERE {known} QUALIFY count(*) OVER (PARTITION BY {home}) <= {_MOST_AT_HOME}) "
            "SELECT a.record_key AS left_key, b.record_key AS right_key "
            "FROM homes a JOIN homes b ON a.home = b.home AND a.record_key < b.record_key ORDER BY ALL"
        )
        if _count(connection, "at_home") >= _FEWEST_AT_HOME:
            return True
    return False


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
