"""The model compiled to Python: weighs one pair in microseconds, with the answer that Splink in DuckDB gives.

Nothing of the model is written down twice: the conditions are compiled from `identity.matching.comparisons`' SQL, the
frequencies from `identity.matching.described`'s. `linkage.score` and `scoring.weigh` are the twins; a property test holds
raw weights within 1e-9, levels and rounded weights equal.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import copysign, floor, log2
from typing import Any

import sqlglot
from sqlglot import exp

from identity.config import IdentityConfig
from identity.errors import Uncompiled
from identity.matching import conditions
from identity.matching.comparisons import COMPARISONS
from identity.matching.conditions import Record, Truth
from identity.matching.described import COLUMNS, RAREST, with_frequencies
from identity.matching.evidence import DENIALS, before_anything, bits, denial, log_odds, unnamed, veils, worth_of
from identity.matching.places import Place, of_pair
from identity.matching.registry import MatchModel, TrainedComparison
from identity.model import MICRO, Reason

Frequencies = Mapping[tuple[str, str], float]
"""Frozen frequencies by field and digest of the value."""

UNKNOWN = -1
_SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Compared:
    """How one comparison came out: its level (best highest, -1 unknown), raw weight in bits, and what of it counts."""

    gamma: int
    raw: float
    micro: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a pair's evidence comes to, as an edge stores it."""

    weight_micro: int
    conflict_micro: int
    kind: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a level is worth. Where `base` is set, the rarity of the value is added to the weight."""

    gamma: int
    weight: float
    micro: int
    relatives: int
    reason: Reason
    counted: bool
    denial: int
    base: float | None = None


@dataclass(frozen=True, slots=True)
class _Compared:
    """A comparison ready to run: when it is unknown, its levels' conditions best first, their outcomes and the last's."""

    name: str
    unknown: Truth
    levels: tuple[tuple[Truth, _Outcome], ...]
    other: _Outcome
    frequency: int


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a set of shared identifiers is worth against strangers and relatives, and to a bare record."""

    stranger: int
    household: int
    reasons: tuple[Reason, ...]
    follow: Weighed


class Scorer:
    """A model and a configuration, ready to describe records and weigh pairs of them."""

    def __init__(self, model: MatchModel, config: IdentityConfig, frequencies: Frequencies) -> None:
        self._frequencies = frequencies
        self._looked_up = sorted(model.floors)
        self._columns, self._describing = _projection(model)
        place = of_pair(self._columns)
        self._comparisons = [_comparison(trained, self._columns, place) for trained in model.comparisons]
        self._prior = before_anything(model, config)
        self._home = round(MICRO * log_odds(model.one_person_at_home))
        self._before = Reason("prior", "before anything is known", self._prior)
        mask, beside = bits(config), veils(config)
        self._bits = [(name, mask[name], beside[name]) for name in config.identifiers]
        self._unnamed = unnamed(config)
        self._config = config
        self._shared: dict[int, _Shared] = {}

    def described(self, fields: Mapping[str, Any]) -> Record:
        """Return a record's features (a row of `record_features`) as pairs are compared by, with its names' frequencies."""
        record = tuple([fields.get(name) for name in COLUMNS])
        held = tuple([self._frequency(column, fields.get(column)) for column in self._looked_up])
        return tuple([one(record, held) for one in self._describing])

    def _frequency(self, column: str, value: str | None) -> float | None:
        if value is None:
            return None
        # a lookup key that the lake stores, no secret
        digest = hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()
        return self._frequencies.get((column, digest))

    def compare(self, left: Record, right: Record) -> list[Compared]:
        """Return every comparison of a pair, in the model's order: Splink's gamma, raw and rounded weight."""
        answer = []
        for comparison in self._comparisons:
            outcome = _outcome(comparison, left, right)
            if outcome is None:
                answer.append(Compared(UNKNOWN, 0.0, 0))
                continue
            raw = outcome.weight if outcome.base is None else _adjusted(outcome, comparison.frequency, left, right)
            answer.append(Compared(outcome.gamma, raw, _rounded(raw) if outcome.counted else 0))
        return answer

    def counted(self, mask: int, *, both_known: bool) -> int:
        """Return what counts of the rules that two records share a key of: a device says nothing of two known ones."""
        return mask & ~self._unnamed if both_known else mask

    def weigh(self, left: Record, right: Record, mask: int) -> Weighed:
        """Return the weight of two records that describe somebody and share the identifier types of the mask."""
        strangers, relatives, denials = self._prior, self._home, 0
        reasons = [self._before]
        for comparison in self._comparisons:
            outcome = _outcome(comparison, left, right)
            if outcome is None:
                continue
            micro, reason = outcome.micro, outcome.reason
            if outcome.base is not None and outcome.counted:
                micro = _rounded(_adjusted(outcome, comparison.frequency, left, right))
                reason = Reason(reason.comparison, reason.level, micro)
            strangers += micro
            relatives += outcome.relatives
            denials += outcome.denial
            if micro:
                reasons.append(reason)
        # of two who deny each other nothing that they share says that they are one
        left_over = 0 if denials == DENIALS else mask
        shared = self._shared.get(left_over) or self._shares(left_over)
        strangers += shared.stranger
        relatives += shared.household
        reasons += shared.reasons
        if relatives < strangers:
            reasons.append(Reason("household", "could be somebody else at home", relatives - strangers))
            return Weighed(relatives, relatives, "both" if shared.reasons else "attributes", tuple(reasons))
        return Weighed(strangers, relatives, "both" if shared.reasons else "attributes", tuple(reasons))

    def follow(self, mask: int) -> Weighed:
        """Return the weight of a pair with a bare record: there is nothing but the identifiers."""
        return (self._shared.get(mask) or self._shares(mask)).follow

    def _shares(self, mask: int) -> _Shared:
        shared = [name for name, bit, veil in self._bits if mask & bit and not mask & veil]
        held = [(name, worth_of(self._config, name)) for name in shared]
        micro = {name: round(MICRO * worth.follow) for name, worth in held}
        following = tuple(Reason(name, "shared", micro[name]) for name, _ in held)
        made = _Shared(
            stranger=sum(round(MICRO * worth.stranger) for _, worth in held),
            household=sum(round(MICRO * worth.household) for _, worth in held),
            reasons=tuple(Reason(name, "shared", round(MICRO * worth.stranger)) for name, worth in held),
            follow=Weighed(sum(micro.values()), 0, "identifier", following),
        )
        self._shared[mask] = made
        return made


def _outcome(comparison: _Compared, left: Record, right: Record) -> _Outcome | None:
    if comparison.unknown(left, right):
        return None
    for holds, outcome in comparison.levels:
        if holds(left, right):
            return outcome
    return comparison.other


def _adjusted(outcome: _Outcome, frequency: int, left: Record, right: Record) -> float:
    """Return a weight with the adjustment by term frequency, as Splink makes it: the commoner of the two counts."""
    here, there = left[frequency], right[frequency]
    if outcome.base is None or (here is None and there is None):
        return outcome.weight
    commoner = max(here if here is not None else there, there if there is not None else here, RAREST)
    return outcome.weight + (outcome.base - log2(commoner))


def _rounded(weight: float) -> int:
    """Return whole micro-bits; a half goes away from zero, as SQL has it and Python has not."""
    size = abs(1e6 * weight)
    whole = floor(size)
    return int(copysign(whole + (size - whole >= 0.5), weight))


def _projection(model: MatchModel) -> tuple[list[str], list[conditions.Value]]:
    """Return the columns of a described record, and how each comes from its fields and its names' frequencies."""
    fields = {name: n for n, name in enumerate(COLUMNS)}
    seen = {f"f_{column}": n for n, column in enumerate(sorted(model.floors))}

    def place(table: str, name: str) -> tuple[bool, int] | None:
        if table in seen and name == "frequency":
            return True, seen[table]
        return (False, fields[name]) if table == "d" and name in fields else None

    selected = sqlglot.parse_one(with_frequencies(model, "described"), read="duckdb")
    if not isinstance(selected, exp.Select):
        raise Uncompiled("anything but one SELECT")
    made = [one.this if isinstance(one, exp.Alias) else one for one in selected.expressions]
    return list(selected.named_selects), [conditions.value(one, place) for one in made]


def _comparison(trained: TrainedComparison, columns: list[str], place: Place) -> _Compared:
    declared = COMPARISONS[trained.name]
    levels = declared.all_levels()
    base = log2(trained.levels[0].u) if declared.frequency else None
    outcomes = []
    for position, (level, values) in enumerate(zip(levels, trained.levels, strict=True)):
        weight = log2(max(values.m, _SMALLEST) / max(values.u, _SMALLEST))
        micro = _rounded(weight) if level.counted else 0
        home = round(MICRO * log2(values.m / values.household)) if values.household and level.counted else 0
        outcomes.append(
            _Outcome(
                len(levels) - 1 - position, weight, micro, home, Reason(trained.name, values.label, micro), level.counted,
                denial(trained.name, values.label),
                base=base if position == 0 or level.by_frequency else None,
            )
        )  # fmt: skip
    holds = [conditions.condition(level.condition, place) for level in declared.levels]
    return _Compared(
        trained.name,
        conditions.condition(declared.null, place),
        tuple(zip(holds, outcomes[:-1], strict=True)),
        outcomes[-1],
        columns.index(f"tf_{declared.frequency}") if declared.frequency else 0,
    )
