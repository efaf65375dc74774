"""What an identifier is worth by its type and strength, and the bit that stands for each rule. Pure."""

from math import log2

from identity.config import Evidence, IdentityConfig
from identity.matching.comparisons import OTHER
from identity.matching.registry import MatchModel
from identity.model import MICRO

_DENIALS = {"given_name": (OTHER,), "family_name": (OTHER,), "birth_date": ("years apart", "a generation apart")}
_AT_HOME = ("same street and postcode", "same street", "street alike")
DENIALS = len(_DENIALS)
"""So many denials, and nothing that stands against them, say two people whatever the records share."""


def denial(comparison: str, level: str) -> int:
    """Return 1 where a comparison that comes out so denies that two records are one person, -1 where it speaks against that.

    Names and dates of birth deny together: a changed family name, a nickname, a slip or a date that is not known does
    not. Who lives at the other's address may be one person, written down very wrongly; a town or a postcode says no such thing.
    """
    return int(level in _DENIALS.get(comparison, ())) - int(comparison == "place" and level in _AT_HOME)


def bits(config: IdentityConfig) -> dict[str, int]:
    """Return the bit of each rule in an edge's mask: identifier types first, blocking rules after."""
    names = [*config.identifiers, *("+".join(rule) for rule in config.blocking)]
    return {name: 1 << position for position, name in enumerate(names)}


def worth_of(config: IdentityConfig, name: str) -> Evidence:
    """Return what sharing a value of this type is worth."""
    kind = config.identifiers[name]
    return config.evidence.anonymous if kind.anonymous else getattr(config.evidence, kind.strength)


def veils(config: IdentityConfig) -> dict[str, int]:
    """Return for each identifier type the bits beside which it says nothing new, 0 for most.

    Who shares an address shares its digest too: it counts only where the address itself is not shared.
    """
    mask = bits(config)
    return {name: mask[kind.digest_of] if kind.digest_of else 0 for name, kind in config.identifiers.items()}


def unnamed(config: IdentityConfig) -> int:
    """Return the bits that count nothing between two known records: a cookie or a device names neither of them."""
    mask = bits(config)
    return sum(mask[name] for name, kind in config.identifiers.items() if kind.anonymous)


def before_anything(model: MatchModel, config: IdentityConfig) -> int:
    """Return what is believed of two records unseen, in micro-bits: the prior, less caution where families live."""
    return round(MICRO * (log_odds(model.prior) - config.thresholds.caution * model.families))


def log_odds(probability: float) -> float:
    """Return a probability in bits: one more doubles the odds."""
    return log2(probability / (1 - probability))
