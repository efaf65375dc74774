"""The nouns of activation: conditions, facts to hold them against, campaigns, contexts and choices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from infra.ids import ProfileId, Purpose

Operator = Literal[
    "==", "!=", ">", ">=", "<", "<=", "in", "not in", "contains", "starts_with", "ends_with",
    "exists", "missing", "before", "after", "within",
]  # fmt: skip
Scalar = str | float
Operand = str | float | datetime | timedelta | tuple[Scalar, ...] | None

NO_ACTION = "no_action"

DERIVED: Mapping[str, str] = {"email_canonical": "email", "phone_digits": "phone"}
"""Match keys that are other spellings of an identifier: the mailbox behind an email, E.164 without its plus."""


def identifier_type(key_type: str) -> str:
    """Return the identifier type that a match key is made from."""
    return DERIVED.get(key_type, key_type)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A named value held against an operand. A missing value passes only `missing`."""

    name: str
    op: Operator
    value: Operand = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A number that a count or a sum must stand in relation to."""

    op: Literal["==", "!=", ">", ">=", "<", "<="]
    number: float


@dataclass(frozen=True, slots=True)
class Trait:
    """True of a person whose trait passes the comparison."""

    test: Comparison


@dataclass(frozen=True, slots=True)
class Happened:
    """True of a person whose matching events, counted or summed, pass the bounds.

    Lines of one order count once. Without a bound it means at least one.
    """

    event: str
    within: timedelta | None = None
    where: tuple[Comparison, ...] = ()
    count: Bound | None = None
    amount: Bound | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """True of a person who is in an audience."""

    audience: str


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is; of nobody's parts, true."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one part is; of nobody's parts, false."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True when its part is false: conditions have no third value."""

    part: "Condition"


Condition = Trait | Happened | Member | All | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event as conditions see it. `unit` is what is counted: the order, else the message."""

    event: str
    unit: str
    at: datetime
    amount: float | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition is held against: one person's traits, events and memberships."""

    traits: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Occurrence, ...] = ()
    audiences: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of the catalogue with what its past tells: who redeemed, and what they bought."""

    campaign: str
    starts_on: date
    ends_on: date
    attributes: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, float] = field(default_factory=dict)
    redeemers: int = 0
    reached: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A product to show, and why it is shown."""

    product_id: str
    label: str
    category: str
    score: float
    because: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What the ledger said when the decision was made, as it goes into the log."""

    allowed: bool
    reason: str
    policy_line: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """The one decided about: the view that the purpose may see, nothing else."""

    profile: ProfileId
    consent: Consent
    facts: Facts = Facts()
    likes: Mapping[str, float] = field(default_factory=dict)
    contacts: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """Where and when a decision is asked for; no personal data.

    `at` is the moment decided for, which a caller may name; caps and the log go by `now`.
    """

    at: datetime
    now: datetime
    channel: str = ""
    device: str = ""
    basket: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A campaign, or no action, with its score and chance, or the reason why it was left out."""

    campaign: str
    score: float
    propensity: float
    excluded: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided, and everything needed to judge it later."""

    decision: str
    purpose: Purpose
    chosen: str
    propensity: float
    holdout: bool
    because: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """A decision as it is logged: for whom, on which identities and policy, what was chosen and recommended."""

    id: str
    key_id: str
    profile: str
    context: Context
    choice: Choice
    consent: Consent
    recommended: tuple[str, ...]
    identity_version: int
    policy_version: str
