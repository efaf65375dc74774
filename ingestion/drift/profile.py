"""What a sample tells of a column, texts never: how many values, of which kinds, how many different. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ingestion.check import BLANKS
from ingestion.drift.kinds import Kind, kind_of, kind_over, seconds_of

# The kinds whose smallest and largest value may be told.
NUMBERS: Final[tuple[Kind, ...]] = ("integer", "number")
MOMENTS: Final[tuple[Kind, ...]] = ("date", "timestamp")
# An integer of so many digits that hardly comes twice is somebody's number, not a quantity.
_DIGITS: Final = 6
_UNIQUE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Profile:
    """A column in a sample; `low` and `high` are numbers or seconds since 1970, None where they may not be told."""

    sampled: int
    filled: int
    kinds: Mapping[str, int]
    distinct: int
    longest: int
    low: float | None = None
    high: float | None = None

    @property
    def empty(self) -> float:
        """The share of rows in which the column is empty."""
        return 1 - self.filled / self.sampled if self.sampled else 0.0

    def share(self, kind: str) -> float:
        """Return the share of a kind among the values."""
        return self.kinds.get(kind, 0) / self.filled if self.filled else 0.0

    @property
    def kind(self) -> Kind | None:
        """The narrowest kind that all values are of."""
        return kind_over(self.kinds)  # type: ignore[arg-type]  # keys of a mapping that `profiled` made

    @property
    def dates(self) -> bool:
        """Whether most values are days or moments."""
        return 2 * sum(self.kinds.get(kind, 0) for kind in MOMENTS) > self.filled

    def plain(self) -> dict[str, Any]:
        """Return the profile as it is kept."""
        return asdict(self)


def profiled(values: Sequence[str | None], *, tells: bool) -> Profile:
    """Return the profile of a column's sampled values; only where it `tells`, with the smallest and the largest."""
    texts = [text for value in values if value and (text := value.strip(BLANKS))]
    kinds: Counter[str] = Counter()
    by_kind: dict[str, Kind] = {}
    for text, times in Counter(texts).items():
        kind = by_kind[text] = kind_of(text) or "text"
        kinds[kind] += times
    low, high = _range(by_kind, kinds, len(texts)) if tells else (None, None)
    longest = max(map(len, by_kind), default=0)
    return Profile(len(values), len(texts), dict(sorted(kinds.items())), len(by_kind), longest, low, high)


def of_plain(plain: Mapping[str, Any]) -> Profile:
    """Return a profile from how it is kept."""
    return Profile(**plain)


def _range(by_kind: Mapping[str, Kind], kinds: Mapping[str, int], filled: int) -> tuple[float | None, float | None]:
    """Return the smallest and largest value of a column that mostly holds quantities, or moments."""
    for family in (NUMBERS, MOMENTS):
        if 2 * sum(kinds.get(kind, 0) for kind in family) <= filled:
            continue
        own = [text for text, kind in by_kind.items() if kind in family]
        if family is NUMBERS and _names(own, filled):
            break
        read = seconds_of if family is MOMENTS else float
        found = [number for text in own if (number := read(text)) is not None and math.isfinite(number)]
        return (min(found), max(found)) if found else (None, None)
    return None, None


def _names(numbers: Sequence[str], filled: int) -> bool:
    """Say whether numbers look like those under which somebody is known."""
    long = sum(1 for text in numbers if len(text.lstrip("-")) >= _DIGITS and text.lstrip("-").isdigit())
    return 2 * long > len(numbers) and len(numbers) >= _UNIQUE * filled
