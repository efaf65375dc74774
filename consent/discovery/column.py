"""A column as discovery sees it: its name, and the values of a bounded sample."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from infra import placeholders

# A value that is longer is looked at to here: enough to tell what it is, too little to hold a pattern up.
LONGEST: Final = 2_000
# One value is a coincidence, two a repetition.
FEWEST: Final = 3
_Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class Column:
    """The sampled values of one column that are not empty, each with how often it was met."""

    name: str
    values: Mapping[str, int]

    @classmethod
    def of(cls, name: str, values: Iterable[str | None]) -> "Column":
        """Return a column of values as they were read; what stands for nothing (`n/a`) is as good as empty."""
        told = Counter(value.strip()[:LONGEST] for value in values if value is not None)
        return cls(name, {v: n for v, n in told.items() if v and placeholders.fold(v) not in placeholders.WORDS})

    @property
    def filled(self) -> int:
        """How many of the sampled values are not empty."""
        return sum(self.values.values())


@dataclass(frozen=True, slots=True)
class Vote:
    """What one recogniser found in a column.

    `precision` says how often such a column is what the recogniser takes it for; `chance` which share of unrelated
    values of the same shape hit it too. `plain` votes are for values that tell by themselves, however few.
    `leaning` votes see a shape that many things have: they count only where the column's name speaks for the kind.
    """

    kind: str
    hits: int
    distinct: int
    precision: float
    told: str
    chance: float = 0.0
    plain: bool = False
    leaning: bool = False


Recogniser = Callable[[Column], Iterable[Vote]]


def counted(column: Column, test: Callable[[str], bool]) -> tuple[int, int]:
    """Return how many values of a column pass a test, and how many distinct ones."""
    passed = [count for value, count in column.values.items() if test(value)]
    return sum(passed), len(passed)


def surely(hits: float, of: int) -> float:
    """Return the share of hits that one may count on: the lower end of Wilson's interval at 95 percent."""
    if of == 0:
        return 0.0
    share, square = min(hits / of, 1.0), _Z * _Z
    middle = share + square / (2 * of)
    spread = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, (middle - spread) / (1 + square / of))
