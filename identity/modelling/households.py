"""What relatives look like, learnt from pairs at one address without labels. Pure.

A pair of records at one home is one person or two members of it. What one person's records look like is given;
how often it is one person, and how often two relatives come out on each level, follows by expectation maximisation.
Where fathers give sons their names, agreement on a name comes to count for less.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""The level of a field that one of the two records does not have."""

_ROUNDS = 200
_SETTLED = 1e-9
_LEAST = 1e-3
_FAR = 500.0
_TELLING = 5
_TWICE = 2


@dataclass(frozen=True, slots=True)
class Pattern:
    """How some pairs at one home compare: a level per field, and how many pairs they are."""

    levels: tuple[int, ...]
    pairs: int


@dataclass(frozen=True, slots=True)
class Homes:
    """How likely two records at one home are one person, and what two relatives' levels are like."""

    one_person: float
    relatives: tuple[tuple[float, ...], ...]


def learn(
    patterns: Sequence[Pattern],
    persons: Sequence[Sequence[float]],
    relatives: Sequence[Sequence[float]],
    *,
    one_person: float,
    strength: float,
) -> Homes:
    """Return what the patterns say of relatives; `strength` pairs' worth of belief stays with what was declared.

    `persons` holds m by field and level, `relatives` what is believed of two members before anything is seen.
    """
    if not patterns:
        return Homes(one_person, _frozen(relatives))
    levels = np.array([p.levels for p in patterns])
    pairs = np.array([p.pairs for p in patterns], dtype=float)
    same = _likelihood(levels, persons)
    figures, share = [np.array(field, dtype=float) for field in relatives], one_person
    for _ in range(_ROUNDS):
        odds = same + np.log(share) - np.log1p(-share) - _likelihood(levels, figures)
        other = pairs / (1 + np.exp(np.clip(odds, -_FAR, _FAR)))
        learnt = [_shares(levels[:, i], other, np.array(b), strength) for i, b in enumerate(relatives)]
        new = float((pairs.sum() - other.sum() + strength * one_person) / (pairs.sum() + strength))
        moved = max(abs(new - share), _moved(learnt, figures))
        figures, share = learnt, new
        if moved < _SETTLED:
            break
    return Homes(share, _frozen(figures))


def strangeness(
    patterns: Sequence[Pattern], persons: Sequence[Sequence[float]], relatives: Sequence[Sequence[float]]
) -> float:
    """Return the share of pairs at one home that disagree twice where only relatives do: families live there.

    Where it is near none, one address means one person, and there is nothing to learn of relatives.
    """
    telling = [
        {level for level, (m, h) in enumerate(zip(one, two, strict=True)) if h > _TELLING * m}
        for one, two in zip(persons, relatives, strict=True)
    ]
    asked = told = 0
    for pattern in patterns:
        known = [i for i, level in enumerate(pattern.levels) if level != UNKNOWN and telling[i]]
        if len(known) >= _TWICE:
            asked += pattern.pairs
            told += pattern.pairs if sum(pattern.levels[i] in telling[i] for i in known) >= _TWICE else 0
    return told / max(asked, 1)


def _frozen(fields: Sequence[Sequence[float] | NDArray[np.float64]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in field) for field in fields)


def _moved(new: list[NDArray[np.float64]], old: list[NDArray[np.float64]]) -> float:
    return max((float(np.abs(a - b).max()) for a, b in zip(new, old, strict=True)), default=0.0)


def _likelihood(
    levels: NDArray[np.int_], figures: Sequence[Sequence[float] | NDArray[np.float64]]
) -> NDArray[np.float64]:
    total = np.zeros(len(levels))
    for i, field in enumerate(figures):
        column = levels[:, i]
        logs = np.log(np.asarray(field, dtype=float))
        total += np.where(column == UNKNOWN, 0.0, logs[column])
    return total


def _shares(
    column: NDArray[np.int_], weights: NDArray[np.float64], believed: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    seen = np.array([weights[column == level].sum() for level in range(len(believed))])
    shares = (seen + strength * believed) / (seen.sum() + strength)
    kept: NDArray[np.float64] = np.maximum(shares, _LEAST)
    whole: NDArray[np.float64] = kept / kept.sum()
    return whole
