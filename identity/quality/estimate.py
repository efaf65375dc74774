"""How sure is a share that was counted on a sample? Intervals for strata, ratios and groups. Pure.

All intervals are Wilson's at 95 %, with the number of independent observations that the sample is worth: they stay
inside 0 and 1, and a stratum without a single error is not taken for perfect.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """An estimated share with its 95 % interval; `count` says on how many judged pairs, profiles or persons."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of all pairs: how many there are, how many were judged, how many of these are one person."""

    pairs: int
    judged: int
    same: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """What belongs together in counting (one profile, one person): what is right of what is claimed."""

    right: float
    claimed: float


def wilson(value: float, observations: float, count: int) -> Share:
    """Return a share with Wilson's interval for so many independent observations."""
    if observations <= 0:
        return Share(value, 0.0, 1.0, count)
    if observations == float("inf"):
        return Share(value, value, value, count)
    z2 = _Z * _Z
    centre = (value + z2 / (2 * observations)) / (1 + z2 / observations)
    half = _Z / (1 + z2 / observations) * sqrt(value * (1 - value) / observations + z2 / (4 * observations**2))
    return Share(value, max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value)), count)


def stratified(strata: Iterable[Stratum]) -> Share | None:
    """Return the share of pairs that are one person, each stratum weighed by its size; None where nothing was judged.

    What was not judged of a stratum counts as the judged part of it; a stratum without any judged pair is left out.
    """
    known = [s for s in strata if s.judged]
    pairs = sum(s.pairs for s in known)
    if not pairs:
        return None
    value = sum(s.pairs * s.same / s.judged for s in known) / pairs
    variance = sum(_variance(s) for s in known) / pairs**2
    return wilson(value, _worth(_smoothed(known) / pairs, variance), sum(s.judged for s in known))


def recall(claimed: Iterable[Stratum], refused: Iterable[Stratum]) -> Share | None:
    """Return which share of the pairs that are one person was claimed; None where nothing was judged on a side."""
    ours, missed = ([s for s in strata if s.judged] for strata in (claimed, refused))
    if not ours or not missed:
        return None
    found, lost = (sum(s.pairs * s.same / s.judged for s in side) for side in (ours, missed))
    if not found + lost:
        return None
    near_found, near_lost = _smoothed(ours), _smoothed(missed)
    total = near_found + near_lost
    # the ratio's variance by its derivatives, both sides being sampled apart
    variance = (near_lost**2 * sum(map(_variance, ours)) + near_found**2 * sum(map(_variance, missed))) / total**4
    count = sum(s.judged for s in (*ours, *missed))
    return wilson(found / (found + lost), _worth(near_found / total, variance), count)


def clustered(clusters: Sequence[Cluster]) -> Share | None:
    """Return the share of what is claimed that is right, where claims of one cluster stand and fall together.

    A hundred pairs of one profile are one observation of the profile, not a hundred.
    """
    told = [c for c in clusters if c.claimed]
    claimed = sum(c.claimed for c in told)
    if not claimed:
        return None
    value = sum(c.right for c in told) / claimed
    variance = sum((c.right - value * c.claimed) ** 2 for c in told) / claimed**2
    observations = value * (1 - value) / variance if variance and 0 < value < 1 else float(len(told))
    return wilson(value, min(observations, claimed), len(told))


def _variance(s: Stratum) -> float:
    """Return the variance of a stratum's estimated number, with the few that a sample may have missed by chance."""
    near = (s.same + 1) / (s.judged + 2)
    return s.pairs**2 * near * (1 - near) / s.judged * (1 - s.judged / s.pairs)


def _smoothed(strata: Iterable[Stratum]) -> float:
    return sum(s.pairs * (s.same + 1) / (s.judged + 2) for s in strata)


def _worth(value: float, variance: float) -> float:
    return value * (1 - value) / variance if variance > 0 else float("inf")
