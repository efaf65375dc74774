"""How many values of an identifier type one person may have, ever or within any window of days. Pure.

A person has had many phones in twenty years, but not nine in a week. The answer depends on the sightings alone, and
more sightings never mend a broken limit: so a merge that is refused stays refused whatever else is merged before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.ids import Token


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many distinct values: within any window of `days`, or ever where no window is named."""

    values: int
    days: float | None = None

    @classmethod
    def of(cls, said: int | Mapping[str, float]) -> "Limit":
        """Return what a file says as `5`, or as `{values: 5, days: 7}`."""
        if isinstance(said, int):
            return cls(said)
        return cls(int(said["values"]), said.get("days"))


@dataclass(frozen=True, slots=True)
class Seen:
    """A value of an identifier type, by its token, and when a record of the person carried it: both ends included."""

    type: str
    token: Token
    first: datetime
    last: datetime


def broken(seen: Iterable[Seen], limits: Mapping[str, Limit]) -> str:
    """Return the first type, by name, of which a merged group would have too many values, or an empty string."""
    by_type: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        by_type[one.type].append(one)
    return next((kind for kind in sorted(limits) if most(by_type[kind], limits[kind].days) > limits[kind].values), "")


def most(seen: Iterable[Seen], days: float | None = None) -> int:
    """Return how many distinct values were seen at most within one window of days, both ends included; or ever."""
    stretches: dict[Token, list[tuple[datetime, datetime]]] = defaultdict(list)
    for one in seen:
        stretches[one.token].append((one.first, one.last))
    if days is None:
        return len(stretches)
    window = timedelta(days=days)
    # a window sees a value when it begins from `window` before the value's first moment until its last moment
    steps: list[tuple[datetime, int]] = []
    for spans in stretches.values():
        for first, last in _joined(sorted((first - window, last) for first, last in spans)):
            steps += [(first, -1), (last, 1)]
    count = highest = 0
    # where one begins as another ends, both are seen: beginnings sort first
    for _, step in sorted(steps):
        count -= step
        highest = max(highest, count)
    return highest


def _joined(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return spans in their order, those that touch made one: a value that is seen twice is one value."""
    joined: list[tuple[datetime, datetime]] = []
    for first, last in spans:
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
