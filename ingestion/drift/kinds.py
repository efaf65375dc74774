"""The kinds that a column's values are of, and which kind can stand in for which. Pure.

Kinds are a lattice: an integer is a number, a day is a moment, and everything is a text. Confluent's registry calls
it forward compatible if what reads the old kind can read the new one; here a column may also widen (integer to
number, date to timestamp), because every value is kept as the text that came.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import reduce
from typing import Final, Literal

from ingestion.check import BLANKS, SHAPES

Kind = Literal["boolean", "integer", "number", "date", "timestamp", "text"]
Step = Literal["same", "narrower", "widened", "changed"]

# A number that begins with a zero or a plus is a code: postcodes and telephones are not added up.
_PATTERNS: Final[Mapping[Kind, re.Pattern[str]]] = {
    "integer": re.compile(r"-?(?:0|[1-9][0-9]{0,17})"),
    "number": re.compile(r"-?(?:0|[1-9][0-9]{0,39})?(?:\.[0-9]{1,40})?(?:(?<=[0-9])[eE][+-]?[0-9]{1,3})?"),
    "date": re.compile(SHAPES["date"]),
    "timestamp": re.compile(SHAPES["timestamp"]),
}
_BOOLEAN: Final = frozenset({"true", "false", "yes", "no"})
_WIDER: Final[Mapping[frozenset[Kind], Kind]] = {
    frozenset({"integer", "number"}): "number",
    frozenset({"date", "timestamp"}): "timestamp",
}
# What values of a recorded kind may be without the column having become another.
HELD: Final[Mapping[Kind, Kind]] = {
    "boolean": "boolean",
    "integer": "number",
    "number": "number",
    "date": "timestamp",
    "timestamp": "timestamp",
}


def kind_of(value: str | None) -> Kind | None:
    """Return the narrowest kind that a value is of; None for an empty one."""
    text = value.strip(BLANKS) if value else ""
    if not text:
        return None
    first = text[0]
    if first in "-.0123456789" and len(text) <= 64:
        for kind in ("integer", "number"):
            if _PATTERNS[kind].fullmatch(text) and any(map(str.isdigit, text)):
                return kind
        if len(text) >= 10 and _PATTERNS["timestamp"].fullmatch(text) and seconds_of(text) is not None:
            return "date" if len(text) == 10 else "timestamp"
        return "text"
    return "boolean" if len(text) <= 5 and text.lower() in _BOOLEAN else "text"


def widest(one: Kind | None, other: Kind | None) -> Kind | None:
    """Return the narrowest kind that both are of."""
    if one == other or other is None:
        return one
    return other if one is None else _WIDER.get(frozenset({one, other}), "text")


def kind_over(kinds: Iterable[Kind | None]) -> Kind | None:
    """Return the narrowest kind that all are of; None where there is no value."""
    return reduce(widest, kinds, None)


def step(recorded: Kind | None, seen: Kind | None) -> Step:
    """Return how a column went from what is recorded of it to what is seen now."""
    both = widest(recorded, seen)
    if recorded == seen or recorded is None:
        return "same"
    if both == recorded:
        return "narrower"
    return "widened" if both == HELD[recorded] else "changed"


def seconds_of(text: str) -> float | None:
    """Return the moment of a day or moment as seconds since 1970, one without a zone as of UTC; None if it is none."""
    try:
        found = datetime.fromisoformat(text)
        return (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # no day of the calendar, or none of UTC's
        return None
