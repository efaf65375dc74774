"""How many values of an identifier type one person may have, ever or within any window of days. Pure.

A person has had many phones in twenty years, but not nine in a week. The answer depends on the sightings alone, and
more sightings never mend a broken limit: so a merge that is refused stays refused whatever else is merged before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from identity.model import Seen
from infra.ids import Token

Stretches = Mapping[Token, frozenset[tuple[int, int]]]
"""Each value's stretches of time, in whole seconds since 1970, both ends included."""

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many distinct values: within any window of `days`, or ever where no window is named."""

    values: int
    days: float | None = None


def by_type(seen: Iterable[Seen]) -> dict[str, Stretches]:
    """Return the stretches of each type's values."""
    found: dict[str, dict[Token, frozenset[tuple[int, int]]]] = defaultdict(dict)
    for one in seen:
        held = found[one.type].get(one.token, frozenset())
        found[one.type][one.token] = held | {(one.first, one.last)}
    return dict(found)


def merged(ours: Stretches, theirs: Stretches) -> Stretches:
    """Return what two groups have carried, as one."""
    both = dict(ours)
    for token, spans in theirs.items():
        both[token] = both[token] | spans if token in both else spans
    return both


def broken(held: Mapping[str, Stretches], others: Mapping[str, Stretches], limits: Mapping[str, Limit]) -> str:
    """Return the first type, by name, of which two groups would have too many values as one, or an empty string."""
    for kind in sorted(limits):
        ours, theirs, limit = held.get(kind, {}), others.get(kind, {}), limits[kind]
        # few values in all are few within a window: only where there are more must time be asked
        if len(ours.keys() | theirs.keys()) > limit.values and (
            limit.days is None or most(merged(ours, theirs), limit.days) > limit.values
        ):
            return kind
    return ""


def most(held: Stretches, days: float | None = None) -> int:
    """Return how many distinct values were seen at most within one window of days, both ends included; or ever."""
    if days is None:
        return len(held)
    window = round(days * _DAY)
    # a window sees a value when it begins from `window` before the value's first moment until its last moment
    steps: list[tuple[int, int]] = []
    for spans in held.values():
        for first, last in _touching(sorted((first - window, last) for first, last in spans)):
            steps += [(first, -1), (last, 1)]
    count = highest = 0
    # where one begins as another ends, both are seen: beginnings sort first
    for _, step in sorted(steps):
        count -= step
        highest = max(highest, count)
    return highest


def _touching(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in their order, those that touch made one: a value that is seen twice is one value."""
    found: list[tuple[int, int]] = []
    for first, last in spans:
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
