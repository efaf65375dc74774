"""The nouns of a profile: claims, the value that survives them, and how closely an identifier is tied to a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Rule = Literal["most_trusted", "most_recent", "most_frequent", "longest"]
Decided = Literal["most_trusted", "most_recent", "most_frequent", "longest", "unopposed", "alphabetical"]
Link = Literal["own", "verified", "probable"]
Because = Literal["consent", "policy", "link"]

# Closest first: where an identifier is tied in two ways, the closer one counts.
LINKS: tuple[Link, ...] = ("own", "verified", "probable")
CERTAIN: tuple[Link, ...] = ("own", "verified")
# Why a record alone would be left out though nobody refused: a grant of the same person may stand in.
ABSENT = ("no_consent", "link", "expired", "notice_changed")
# Long texts (a page's address, a ticket's words) are shown in part; the whole lies in `events`.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Claim:
    """What one record says of one field."""

    value: str
    source: str
    record_key: str
    observed_at: datetime
    trust: float


@dataclass(frozen=True, slots=True)
class Survivor:
    """The claim to believe, the rule that settled it, and how well the other records agree (0 to 1)."""

    claim: Claim
    rule: Decided
    confidence: float


@dataclass(frozen=True, slots=True)
class Withheld:
    """A field that a reader does not see, and the coarse ground; it never says whether a value exists."""

    field: str
    because: Because


@dataclass(frozen=True, slots=True)
class Proof:
    """What ties two records for certain: an identifier type that proves alone, or one that needs names to agree too.

    A phone or a card may be a household's, so sharing one proves only where the whole evidence, after weighing
    that it could be somebody else at home, stands above a border.
    """

    alone: tuple[str, ...]
    corroborated: tuple[str, ...] = ()
    above_micro: int = 0
