"""When an identifier that is given out again was whose: a phone number after its hand-over ties nobody to the past. Pure.

Operators rest a returned number for some weeks, then give it to somebody else. So the sightings of a value fall into
tenancies: whoever carried it without a longer pause in between. Two records that carried it share evidence only within
one tenancy. A record's own sightings are one stretch: whoever shows a number again after years has kept it.

A tenancy is a property of all sightings of a value, as a block and its cap are: a sighting in a pause can join two
tenancies and so bring pairs back. It never takes a pair away.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from infra.ids import RecordKey, Token


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record carried a value at least from one moment to another, as observed (not as loaded): whole seconds since 1970."""

    token: Token
    record: RecordKey
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A stretch in which a value was one holder's: from its first sighting until the next holder's first, if any."""

    token: Token
    since: int
    until: int | None
    records: frozenset[RecordKey]


def tenancies(sightings: Iterable[Sighting], pause: int) -> tuple[Tenancy, ...]:
    """Return who held each value when, by token and time; more than `pause` seconds without a sighting end a tenancy."""
    found: list[Tenancy] = []
    for token, stretches in sorted(_stretches(sightings).items()):
        runs = _runs(stretches, pause)
        ends = [*(run[0][0] for run in runs[1:]), None]
        found += [
            Tenancy(token, run[0][0], until, frozenset(record for _, _, record in run))
            for run, until in zip(runs, ends, strict=True)
        ]
    return tuple(found)


_Stretch = tuple[int, int, RecordKey]


def _stretches(sightings: Iterable[Sighting]) -> dict[Token, list[_Stretch]]:
    """Return for each value the stretch of every record that carried it, in the order of time."""
    ends: dict[tuple[Token, RecordKey], tuple[int, int]] = {}
    for one in sightings:
        first, last = ends.get((one.token, one.record), (one.first, one.last))
        ends[one.token, one.record] = min(first, one.first), max(last, one.last)
    by_token: dict[Token, list[_Stretch]] = defaultdict(list)
    for (token, record), (first, last) in ends.items():
        by_token[token].append((first, last, record))
    return {token: sorted(stretches) for token, stretches in by_token.items()}


def _runs(stretches: Sequence[_Stretch], pause: int) -> list[list[_Stretch]]:
    runs: list[list[_Stretch]] = []
    seen_until: int | None = None
    for stretch in stretches:
        if seen_until is None or stretch[0] - seen_until > pause:
            runs.append([])
        runs[-1].append(stretch)
        seen_until = stretch[1] if seen_until is None else max(seen_until, stretch[1])
    return runs


def shared(sightings: Iterable[Sighting], pause: int) -> frozenset[tuple[RecordKey, RecordKey]]:
    """Return the pairs of records (smaller key first) that a value still ties: those of one tenancy."""
    return frozenset(
        pair for tenancy in tenancies(sightings, pause) for pair in combinations(sorted(tenancy.records), 2)
    )


def holder(found: Iterable[Tenancy], token: Token, at: int) -> Tenancy | None:
    """Return whose a value was at a moment, or None before anybody was seen with it.

    After the last sighting it is still the last holder's: nobody else has shown it.
    """
    return next(
        (t for t in found if t.token == token and t.since <= at and (t.until is None or at < t.until)),
        None,
    )
