"""What moved in a load: each measure of a column against the band of the loads before it. Pure.

A measure has moved if it is farther than its bound from all of the former loads, and if the samples are large enough
for that to be no chance (three standard errors).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Final, Literal

from ingestion.drift.profile import Profile
from ingestion.expected import Bounds

Measure = Literal["empty", "kind", "distinct", "values", "low", "high"]

_LEAST: Final = 20
_ERRORS: Final = 3.0
# A column with so few different values is a list of words: one more is worth telling.
_WORDS: Final = 20
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Moved:
    """A measure of a column that left the band of the loads before; `told` says it in words."""

    column: str
    measure: Measure
    least: float
    most: float
    now: float
    told: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """The columns of one load's sample: of how many rows, taken when."""

    sampled: int
    at: datetime
    columns: Mapping[str, Profile]

    def of(self, name: str) -> Profile:
        """Return a column; one that was in none of the rows is empty in all of them."""
        return self.columns.get(name) or Profile(self.sampled, 0, {}, 0, 0)


def moved(now: Drawn, before: Sequence[Drawn], bounds: Bounds) -> tuple[Moved, ...]:
    """Return what moved in a load against those before it, newest first; nothing where there is too little to say."""
    past = [load for load in before[: bounds.loads] if load.sampled]
    if now.sampled < _LEAST or sum(load.sampled for load in past) < _LEAST:
        return ()
    # What no former load had is new and is told as such.
    names = dict.fromkeys(name for load in past for name in load.columns)
    return tuple(one for name in names for one in _column(name, now, past, bounds))


def _column(name: str, now: Drawn, past: Sequence[Drawn], bounds: Bounds) -> Iterator[Moved]:
    mine, theirs = now.of(name), [load.of(name) for load in past]
    if _strayed(mine.empty, [one.empty for one in theirs], bounds.empty) and _sure(
        mine.sampled - mine.filled,
        mine.sampled,
        sum(p.sampled - p.filled for p in theirs),
        sum(p.sampled for p in theirs),
    ):
        yield _shares(name, "empty", "empty", mine.empty, [one.empty for one in theirs])
    filled = [one for one in theirs if one.filled]
    if mine.filled < _LEAST or sum(one.filled for one in filled) < _LEAST:
        return
    for kind in dict.fromkeys(kind for one in (*filled, mine) for kind in one.kinds):
        shares = [one.share(kind) for one in filled]
        counted = sum(one.kinds.get(kind, 0) for one in filled), sum(one.filled for one in filled)
        if _strayed(mine.share(kind), shares, bounds.kinds) and _sure(mine.kinds.get(kind, 0), mine.filled, *counted):
            yield _shares(name, "kind", kind, mine.share(kind), shares)
    yield from _distinct(name, mine, filled, bounds)
    yield from _range(name, (mine, now.at), [(load.of(name), load.at) for load in past], bounds)


def _distinct(name: str, mine: Profile, theirs: Sequence[Profile], bounds: Bounds) -> Iterator[Moved]:
    # How many differ hangs on how many there are.
    alike = [one for one in theirs if one.filled <= 2 * mine.filled and mine.filled <= 2 * one.filled]
    shares = [one.distinct / one.filled for one in alike]
    most = max((one.distinct for one in theirs), default=0)
    if most < mine.distinct and most <= _WORDS and mine.distinct <= mine.filled // 5:
        told = f"different values {mine.distinct:,}, before at most {most:,}"
        yield Moved(name, "values", 0.0, float(most), float(mine.distinct), told)
    elif shares and _strayed(mine.distinct / mine.filled, shares, bounds.distinct):
        yield _shares(name, "distinct", "different values", mine.distinct / mine.filled, shares)


def _range(
    name: str, mine: tuple[Profile, datetime], theirs: Sequence[tuple[Profile, datetime]], bounds: Bounds
) -> Iterator[Moved]:
    """Yield the ends of a column's range that left their place; moments are measured from the load's own."""
    profile, at = mine
    alike = [
        (one, one.low, one.high, then)
        for one, then in theirs
        if one.low is not None and one.high is not None and one.dates == profile.dates
    ]
    if profile.low is None or profile.high is None or not alike:
        return
    widths = [high - low for _, low, high, _ in alike]
    width = bounds.range * max(*widths, _DAY if profile.dates else 0.0)
    ends: tuple[tuple[Measure, float, list[tuple[float, datetime]]], ...] = (
        ("low", profile.low, [(low, then) for _, low, _, then in alike]),
        ("high", profile.high, [(high, then) for _, _, high, then in alike]),
    )
    for measure, value, were in ends:
        place = value - at.timestamp() if profile.dates else value
        places = [end - then.timestamp() if profile.dates else end for end, then in were]
        slack = width or bounds.range * max(1.0, *map(abs, places))
        if _strayed(place, places, slack):
            least, most = min(end for end, _ in were), max(end for end, _ in were)
            told = f"{measure} {_written(value, profile)}, before {_written(least, profile)}"
            told += "" if least == most else f" to {_written(most, profile)}"
            yield Moved(name, measure, least, most, value, told)


def _strayed(value: float, past: Sequence[float], bound: float) -> bool:
    return bool(past) and not min(past) - bound <= value <= max(past) + bound


def _sure(hits: int, count: int, past_hits: int, past_count: int) -> bool:
    """Say whether two shares differ by more than the drawing of samples explains."""
    if not count or not past_count:
        return False
    share = (hits + past_hits) / (count + past_count)
    error = sqrt(share * (1 - share) * (1 / count + 1 / past_count))
    return abs(hits / count - past_hits / past_count) > _ERRORS * error


def _shares(name: str, measure: Measure, what: str, value: float, past: Sequence[float]) -> Moved:
    least, most = min(past), max(past)
    were = f"{least:.0%}" if f"{least:.0%}" == f"{most:.0%}" else f"{least:.0%} to {most:.0%}"
    return Moved(name, measure, least, most, value, f"{what} {value:.0%}, before {were}")


def _written(value: float, profile: Profile) -> str:
    return end_told(value, dates=profile.dates)


def end_told(value: float, *, dates: bool) -> str:
    """Return an end of a range as people read it."""
    if dates:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M") + "Z"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"
