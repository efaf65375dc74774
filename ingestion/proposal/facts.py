"""Facts of a column, computed from the values of a file: what the rules of the proposal see. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final

import numpy as np

from consent.discovery.column import Column
from consent.discovery.text import kinds_in
from consent.discovery.vote import Finding, discovered
from infra import dates
from infra.dates import Order
from ingestion.check import SHAPES, trimmed

# Values that recognisers look at, spread evenly over a column.
LOOKED_AT: Final = 1_000
# Values of which none fits a shape: the others are not tried.
_GLANCE: Final = 200
# Values after which a shape that few have is told by its share among them.
_TRIED: Final = 5_000
_NEARLY_ALL: Final = 0.9
_CATEGORIES: Final = 12
_SHORT: Final = 40
_OUTWEIGHS: Final = 5
_FEWEST: Final = 3
_SPREAD: Final = 3
_SOME: Final = 0.1

Test = Callable[[str], bool]

_SLASHED: Final = r"\s*(\d{1,2})\s?[-/ ]\s?(\d{1,2})\s?[-/ ]\s?(?:\d{4}|\d{2})(?!\d).*"
_TWO_NUMBERS: Final = re.compile(_SLASHED)
_PATTERNS: Final[Mapping[str, str]] = {
    "clocked": r"\S+[T ]\d\d:\d\d.*",
    "zoned": r"\S+[T ]\d\d:\d\d\S*(?:Z|[+-]\d\d:?\d\d)",
    "slashed": _SLASHED,
    "integer": SHAPES["integer"],
    "number": SHAPES["number"],
    "whole": r"[0-9]{1,18}(?:\.0+)?",
    "boolean": SHAPES["boolean"],
    "dialled": r"\+?(?:[ ()./x-]*[0-9]){5,18}[ ()./-]*",
    "mailbox": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "email": SHAPES["email"],
    "phone": SHAPES["phone"],
    "lettered": r"[^\d@]*[^\W\d_][^\d@]*",
    "digest": r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})",
    "sha256": r"[0-9a-fA-F]{64}",
    "words": r"\s*[^\s,]+(?:,?\s+[^\s,]+)+\s*",
    "code": r"[^\s@]{1,64}",
    "comma": r"[+-]?\d{1,3}(?:\.?\d{3})*,\d+",
    "epoch": r"1\d{9}(?:\d{3})?(?:\.\d+)?",
    "tree": r"\s*[\[{].*[\]}]\s*",
    "prose": r"\s*\S+\s+\S*[^\W\d_]{2}\S*\s+\S+\s+\S+.*",
}
_COMPILED: Final = {name: re.compile(pattern, re.DOTALL) for name, pattern in _PATTERNS.items()}


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What is known of a column. `shapes` are shares of its filled values; `marks` stand for its values row by row.

    A mark is a digest of this process, 0 for an empty value; equal values have equal marks in every column.
    """

    name: str
    rows: int
    filled: int
    distinct: int
    shapes: Mapping[str, float]
    findings: tuple[Finding, ...] = ()
    order: Order | None = None
    serial: bool = False
    categories: tuple[str, ...] = field(default=(), repr=False)
    region: tuple[str, str] | None = None
    marks: Any = field(default=None, repr=False, compare=False)

    @property
    def full(self) -> float:
        """The share of rows in which the column is filled."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def unlike(self) -> float:
        """The share of filled values that are different ones."""
        return self.distinct / self.filled if self.filled else 0.0

    def share(self, shape: str) -> float:
        """Return the share of filled values that have a shape."""
        return self.shapes.get(shape, 0.0)

    def always(self, shape: str) -> bool:
        """Say whether every filled value has a shape."""
        return self.filled > 0 and self.share(shape) == 1.0

    def found(self, kind: str) -> Finding | None:
        """Return what the recognisers found of a kind of personal data."""
        return next((finding for finding in self.findings if finding.kind == kind), None)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file, or of several that are one source. `connector` says how it is read."""

    name: str
    connector: Mapping[str, str]
    rows: int
    columns: tuple[ColumnFacts, ...]
    unusable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnFacts:
        """Return the facts of a column."""
        return next(column for column in self.columns if column.name == name)


def column_facts(name: str, values: Sequence[str | None], *, region: str, today: date) -> ColumnFacts:
    """Return the facts of a column's values; `today` is after every birth, `region` dials national numbers."""
    texts = [trimmed(value) for value in values]
    told = Counter(text for text in texts if text is not None)
    filled = told.total()
    looked = Column.of(name, _spread(texts))
    reader = partial(kinds_in, region=region)
    shapes = {shape: _share(told, _fits(pattern)) for shape, pattern in _COMPILED.items()}
    shapes["moment"] = _share(told, _is_moment)
    shapes["day"] = 1.0 if shapes["moment"] == 1.0 else _share(told, _is_day)
    return ColumnFacts(
        name,
        rows=len(texts),
        filled=filled,
        distinct=len(told),
        shapes=shapes,
        findings=discovered(looked, region=region, today=today, reader=reader) if filled else (),
        order=_order(told),
        serial=shapes["integer"] == 1.0 and _dense(told),
        categories=_categories(told),
        marks=marks_of(texts),
    )


_ALL: Final = (1 << 64) - 1


def marks_of(texts: Sequence[str | None]) -> Any:
    """Return a mark for each text, 0 for none; they mean something within this process alone."""
    told = (0 if text is None else hash(text) & _ALL or 1 for text in texts)
    return np.fromiter(told, dtype=np.uint64, count=len(texts))


def _spread(texts: Sequence[str | None]) -> list[str]:
    filled = [text for text in texts if text is not None]
    step = max(1, len(filled) // LOOKED_AT)
    return filled[::step][:LOOKED_AT]


def _fits(pattern: re.Pattern[str]) -> Test:
    return lambda text: pattern.fullmatch(text) is not None


_MOMENT: Final = re.compile(SHAPES["timestamp"])


def _is_moment(text: str) -> bool:
    if not _MOMENT.fullmatch(text):
        return False
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _is_day(text: str) -> bool:
    return bool(dates.day(text))


def _share(told: Mapping[str, int], test: Test) -> float:
    """Return the share of values that pass a test.

    A shape that hardly any of the first have is not looked for further; only one that nearly all have must be told
    from one that all have.
    """
    hits = of = 0
    for place, (text, count) in enumerate(told.items(), 1):
        of += count
        hits += count if test(text) else 0
        if (place == _GLANCE and hits == 0) or (place == _TRIED and hits < _NEARLY_ALL * of):
            break
    return hits / of if of else 0.0


def _order(told: Mapping[str, int]) -> Order | None:
    """Return which of day and month stands first, where days beyond the twelfth tell it clearly."""
    day_first = month_first = 0
    for text, count in told.items():
        found = _TWO_NUMBERS.fullmatch(text)
        if found:
            one, two = int(found[1]), int(found[2])
            day_first += count * (one > _MONTHS >= two)
            month_first += count * (two > _MONTHS >= one)
    if max(day_first, month_first) < _FEWEST:
        return None
    if day_first >= _OUTWEIGHS * month_first:
        return "day_first"
    return "month_first" if month_first >= _OUTWEIGHS * day_first else None


_MONTHS: Final = 12


def is_two_numbers(column: ColumnFacts) -> bool:
    """Say whether days of a column may be read in two orders: two numbers and a year, and no dots between them."""
    return column.share("day") > 0 and column.share("slashed") > _SOME


def _dense(told: Mapping[str, int]) -> bool:
    numbers = [int(text) for text in told]
    return max(numbers) - min(numbers) < _SPREAD * len(numbers) + 100


def _categories(told: Mapping[str, int]) -> tuple[str, ...]:
    if len(told) > _CATEGORIES or any(len(text) > _SHORT for text in told):
        return ()
    return tuple(sorted(told))
