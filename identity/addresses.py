"""One spelling for where people live: street, unit, city, postcode. Pure and total, light on purpose.

Abbreviations are expanded to the short form of the US Postal Service (Publication 28), the unit is kept apart,
and nothing is looked up: a full parser (libpostal) needs a model and a C library for little more.
"""

import re
from dataclasses import dataclass

from identity.names import folded

_SHORT = {
    "street": "st", "str": "st", "avenue": "ave", "av": "ave", "road": "rd", "drive": "dr", "lane": "ln",
    "boulevard": "blvd", "court": "ct", "place": "pl", "square": "sq", "terrace": "ter", "circle": "cir",
    "highway": "hwy", "parkway": "pkwy", "trail": "trl", "way": "way", "crescent": "cres", "close": "cl",
    "north": "n", "south": "s", "east": "e", "west": "w", "northeast": "ne", "northwest": "nw",
    "southeast": "se", "southwest": "sw", "saint": "st", "mount": "mt", "fort": "ft", "alley": "aly",
    "heights": "hts", "point": "pt", "ridge": "rdg", "run": "run", "view": "vw", "valley": "vly",
}  # fmt: skip
_UNITS = frozenset({"apt", "apartment", "unit", "suite", "ste", "flat", "room", "rm", "no", "lot", "fl", "floor"})
_NOWHERE = frozenset({"null", "none", "na", "n a", "unknown", "test", "address", "no fixed address", "xxx", "tbd"})
_HASH = re.compile(r"#\s*(\w+)")
_POST_BOX = re.compile(r"\bp\s?o\s?box\b")
_ZIP_PLUS_FOUR = re.compile(r"(\d{5})-?\d{4}")


@dataclass(frozen=True, slots=True)
class Street:
    """A street line: number and street in one spelling, the unit apart, for a flat is not a house."""

    line: str = ""
    unit: str = ""


def street(text: str) -> Street:
    """Return the street line normalised, e.g. `12 Oak Street, Apt. 4B` → `12 oak st` and `4b`."""
    words = folded(_HASH.sub(r" unit \1 ", text)).split()
    if not words or " ".join(words) in _NOWHERE:
        return Street()
    kept: list[str] = []
    unit = ""
    position = 0
    while position < len(words):
        word = words[position]
        if word in _UNITS and kept and position + 1 < len(words):
            unit = unit or words[position + 1]
            position += 2
            continue
        kept.append(_SHORT.get(word, word))
        position += 1
    return Street(_POST_BOX.sub("po box", " ".join(kept)), unit)


def city(text: str) -> str:
    """Return a city's name folded, with Saint, Mount and Fort in their short forms."""
    plain = " ".join(
        _SHORT.get(word, word) if word in {"saint", "mount", "fort"} else word for word in folded(text).split()
    )
    return "" if plain in _NOWHERE else plain


def postcode(text: str) -> str:
    """Return a postcode without blanks; a ZIP+4 loses its four, for most sources have only the five."""
    compact = "".join(folded(text).split())
    if not compact or compact in _NOWHERE or not any(c.isdigit() for c in compact) or set(compact) <= {"0"}:
        return ""
    plus = _ZIP_PLUS_FOUR.fullmatch(compact)
    return plus[1] if plus else compact
