"""On which grounds a request may be refused: articles of law, and the reasons of the Data Rights Protocol 1.0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consent.requests.model import RIGHTS, Right


@dataclass(frozen=True, slots=True)
class Ground:
    """A ground, the article it stands on, the reason that the Data Rights Protocol gives, and for which rights."""

    code: str
    article: str
    told: str
    reason: str
    rights: tuple[Right, ...] = RIGHTS


_ERASURE: Final[tuple[Right, ...]] = ("erasure",)
_COPIES: Final[tuple[Right, ...]] = ("access", "portability")

GROUNDS: Final[Mapping[str, Ground]] = {
    ground.code: ground
    for ground in (
        Ground("expression", "GDPR 17(3)(a)", "freedom of expression and information", "claim_not_covered", _ERASURE),
        Ground("legal_obligation", "GDPR 17(3)(b)", "a law obliges us to keep the data", "claim_not_covered", _ERASURE),
        Ground("public_health", "GDPR 17(3)(c)", "public interest in public health", "claim_not_covered", _ERASURE),
        Ground("archiving", "GDPR 17(3)(d)", "archiving, research or statistics", "claim_not_covered", _ERASURE),
        Ground("legal_claims", "GDPR 17(3)(e)", "legal claims need the data", "claim_not_covered", _ERASURE),
        Ground("ccpa_exception", "CCPA 1798.105(d)", "an exception of the CCPA applies", "claim_not_covered", _ERASURE),
        Ground(
            "compelling_grounds",
            "GDPR 21(1)",
            "compelling legitimate grounds override; never against direct marketing",
            "claim_not_covered",
            ("objection",),
        ),
        Ground(
            "others_rights", "GDPR 15(4), 20(4)", "it would harm the rights of others", "claim_not_covered", _COPIES
        ),
        Ground(
            "not_portable",
            "GDPR 20(1)",
            "it rests on neither consent nor contract",
            "claim_not_covered",
            ("portability",),
        ),
        Ground("unfounded", "GDPR 12(5)", "the request is manifestly unfounded", "suspected_fraud"),
        Ground("excessive", "GDPR 12(5)", "the request is excessive, for it repeats", "too_many_requests"),
        Ground("duplicate", "GDPR 12(5)", "the same was asked and is being answered", "too_many_requests"),
        Ground("identity", "GDPR 12(6)", "the identity could not be verified", "insuf_verification"),
        Ground("not_identifiable", "GDPR 11(2)", "we cannot tell whose data is meant", "no_match"),
        Ground("suspected_fraud", "GDPR 12(6)", "somebody else may be asking", "suspected_fraud"),
        Ground("insuf_verification", "CCPA 11 CCR 7060", "the identity could not be verified", "insuf_verification"),
        Ground("no_match", "CCPA 11 CCR 7060", "nobody could be matched", "no_match"),
        Ground("claim_not_covered", "DRP 1.0", "the right does not cover what was asked", "claim_not_covered"),
        Ground("outside_jurisdiction", "DRP 1.0", "no law gives this right here", "outside_jurisdiction"),
        Ground("too_many_requests", "DRP 1.0", "too much was asked in too short a time", "too_many_requests"),
        Ground("other", "DRP 1.0", "another reason, told to the person", "other"),
    )
}
# The whole vocabulary of the Data Rights Protocol for a denied request.
REASONS: Final = (
    "suspected_fraud",
    "insuf_verification",
    "no_match",
    "claim_not_covered",
    "outside_jurisdiction",
    "too_many_requests",
    "other",
)


def grounds_for(right: Right) -> tuple[str, ...]:
    """Return the codes of the grounds on which this right may be refused."""
    return tuple(code for code, ground in GROUNDS.items() if right in ground.rights)
