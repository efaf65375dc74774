"""Is a profile fit to be published? Its health held against what the configuration bears. Pure.

`identity.transforms.profile_index` says the same in Spark; a test holds both to one answer.
"""

from dataclasses import dataclass
from typing import Literal

Status = Literal["live", "held"]


@dataclass(frozen=True, slots=True)
class Borders:
    """What a profile's health may be at most (its density and weakest tie: at least); None holds nobody."""

    size: int
    density: float | None = None
    weakest_micro: int | None = None
    negative_share: float | None = None
    births: int | None = None
    forenames: int | None = None
    phones: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """A profile as `profile_index` tells of it: counts, and how the evidence inside holds together."""

    size: int
    density: float
    weakest_micro: int | None
    negative_share: float
    births: int
    forenames: int
    phones: int


def beyond(health: Health, borders: Borders) -> tuple[str, ...]:
    """Return the measures that a profile is beyond its border in, in the order of `Borders`."""
    said = {
        "size": health.size > borders.size,
        "density": borders.density is not None and health.density < borders.density,
        "weakest": borders.weakest_micro is not None
        and health.weakest_micro is not None
        and health.weakest_micro < borders.weakest_micro,
        "negative_share": _above(health.negative_share, borders.negative_share),
        "births": _above(health.births, borders.births),
        "forenames": _above(health.forenames, borders.forenames),
        "phones": _above(health.phones, borders.phones),
    }
    return tuple(name for name, over in said.items() if over)


def status(health: Health, borders: Borders, *, vouched: bool) -> Status:
    """Return whether a profile is published: a steward's must-link inside vouches for all but its size."""
    over = beyond(health, borders)
    return "held" if "size" in over or (over and not vouched) else "live"


def _above(value: float, most: float | None) -> bool:
    return most is not None and value > most
