"""The nouns of signals: what was heard of a visit, what it means for a purpose, and under whom it counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from infra.ids import Purpose, Token

TCF: Final = "tcf"
GPP: Final = "gpp"
BANNER: Final = "banner"
# A moment farther off than this from when it was heard is told to whoever reads the entry.
SKEW: Final = timedelta(hours=24)

# The browser's own wish concerns everybody whom a visit names. What a banner says is the browser's memory and stays
# with it: an address typed into a form may be somebody else's, and one person has several browsers that disagree.
Reach = Literal["speaker", "everybody"]
Role = Literal["browser", "visitor", "other"]
ROLES: Final[tuple[Role, ...]] = ("browser", "visitor", "other")


@dataclass(frozen=True, slots=True)
class Signals:
    """What a visit says of consent, as it was sent: the browser's wish, strings of the IAB, a banner's categories."""

    gpc: bool = False
    tcf: str | None = field(default=None, repr=False)
    categories: Mapping[str, bool] = field(default_factory=dict)
    gpp: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        """Say whether anything was said at all."""
        return self.gpc or self.tcf is not None or self.gpp is not None or bool(self.categories)


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a visit names: an identifier's type and token, and whether it marks the browser or who is signed in."""

    kind: str
    token: Token
    role: Role = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One thing that came with signals: whom it names, when it was, and when it was heard."""

    named: tuple[Named, ...]
    signals: Signals
    at: datetime
    received_at: datetime
    jurisdiction: str | None = None
    # Of a visit that may not be stored only a no is kept.
    refusals_only: bool = False

    def reached(self, reach: Reach) -> tuple[Named, ...]:
        """Return the identifiers that a word of a reach is kept under: the browser's before the visitor's."""
        if reach == "everybody":
            return self.named
        roles = {one.role for one in self.named}
        nearest = next((role for role in ROLES if role in roles), None)
        return tuple(one for one in self.named if one.role == nearest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a signal means for one purpose. `stated_at` is when a yes was given, where the signal itself tells it."""

    purpose: Purpose
    action: str
    mechanism: str
    reach: Reach = "speaker"
    stated_at: datetime | None = None
    notice: str | None = None
    evidence: str | None = field(default=None, repr=False)
