"""Which countries a union in the matrix stands for; a word from one of them falls under the union's row."""

from collections.abc import Mapping
from typing import Final

_EU: Final = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
# The narrower first. A union may be a member of a wider one: a word may name no more than `EU`.
UNIONS: Final[Mapping[str, tuple[str, ...]]] = {"EU": _EU, "EEA": (*_EU, "EU", "IS", "LI", "NO")}


def members(place: str) -> tuple[str, ...]:
    """Return the countries of a union; none for any other place."""
    return UNIONS.get(place, ())


def covers(place: str, jurisdiction: str) -> bool:
    """Say whether a jurisdiction lies in a place of the matrix: `US-CA` in `US`, `DE-BY` in `EU`."""
    country = jurisdiction.partition("-")[0]
    return jurisdiction == place or jurisdiction.startswith(f"{place}-") or country in members(place)


def width(place: str) -> tuple[int, int]:
    """Return what places are ordered by, the narrowest first: a subdivision, a country, a union."""
    return (1, len(members(place))) if place in UNIONS else (0, -len(place))
