"""What callers send and receive, as the OpenAPI document shows it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.http.examples import NEXT_BEST, PROFILE
from api.http.shapes import (
    AskedOut,
    CandidateOut,
    EdgeOut,
    EntryOut,
    EvidenceOut,
    IdentifierOut,
    MergeOut,
    ProvenanceOut,
    RecommendationOut,
    RecordOut,
    ShownBecause,
    SideOut,
    SourceOut,
    TakingInOut,
    TiedOut,
    Trait,
)

IdentifierTypeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", examples=["email"])]
PurposeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["personalization"])]
FieldPattern = Annotated[str, Field(pattern=r"^[a-z*][A-Za-z0-9_.*]{0,99}$", examples=["traits.*"])]


_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _written(moment: object) -> object:
    # A bare number would be read as seconds or milliseconds, by its size, in a zone that nobody named.
    if isinstance(moment, str) and not _WRITTEN.match(moment):
        raise PydanticCustomError("datetime_form", "not RFC 3339")
    if isinstance(moment, int | float):
        raise PydanticCustomError("datetime_form", "not RFC 3339")
    return moment


def _in_utc(moment: datetime) -> datetime:
    # The first and the last hours of the calendar have no spelling in UTC, in which everything is kept.
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("datetime_range", "out of range") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
ReviewKind = Literal["contradiction", "held", "borderline"]
Action = Literal[
    "given", "refused", "withdrawn", "objected", "restricted", "unrestricted", "acknowledged", "invalidated"
]


class Asked(BaseModel):
    """What a caller sends: unknown fields are errors, and nothing personal shows in a representation."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class IdentifierIn(Asked):
    """One identifier, as people write it; it is normalised here."""

    type: IdentifierTypeName
    value: str = Field(min_length=1, max_length=320, repr=False, examples=["anna@example.org"])


class LookupIn(Asked):
    """Whom to look up, and what for."""

    identifier: IdentifierIn
    purpose: PurposeName
    fields: list[FieldPattern] | None = Field(default=None, max_length=50)


class ProfileIn(Asked):
    """One person by profile id."""

    profile_id: str = Field(min_length=1, max_length=64, examples=["9f2c41d07be5a8632d10c4be7f58a9e3"])


class BatchIn(Asked):
    """Whom to look up, and what for: up to 1,000 people, each by an identifier or by a profile id."""

    people: list[IdentifierIn | ProfileIn] = Field(min_length=1, max_length=1_000)
    purpose: PurposeName
    fields: list[FieldPattern] | None = Field(default=None, max_length=50)


class WhyIn(Asked):
    """Two identifiers that may be one person."""

    a: IdentifierIn
    b: IdentifierIn
    purpose: PurposeName = "identity_resolution"


class DecideReviewIn(Asked):
    """A steward's answer to a question of the review queue."""

    answer: Literal["same", "different", "skip"]
    reason: str = Field(min_length=1, max_length=2000, repr=False, examples=["both birth certificates seen"])
    until: Moment | None = None


class ConsentIn(Asked):
    """What somebody said about a purpose."""

    identifier: IdentifierIn
    purpose: PurposeName
    action: Action
    mechanism: str = Field(default="operator", pattern=r"^[a-z_]{1,32}$", examples=["centre"])
    jurisdiction: str | None = Field(default=None, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", examples=["US-OH"])
    channel: str | None = Field(default=None, pattern=r"^[a-z_]{1,32}$")
    notice: str | None = Field(default=None, max_length=200)
    occurred_at: Moment | None = None
    expires_at: Moment | None = None


class ConsentShowIn(Asked):
    """Whose ledger entries to show."""

    identifier: IdentifierIn


class ConsentDecideIn(Asked):
    """Whether an identifier's person may be used for a purpose."""

    identifier: IdentifierIn
    purpose: PurposeName
    channel: str | None = Field(default=None, pattern=r"^[a-z_]{1,32}$")
    as_of: Moment | None = None


class ContextIn(Asked):
    """What is known of the moment of a decision."""

    channel: str | None = Field(default=None, pattern=r"^[a-z_]{1,32}$", examples=["web"])
    device: str | None = Field(default=None, pattern=r"^[a-z_]{1,32}$", examples=["phone"])
    time: Moment | None = None
    basket: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(default_factory=list, max_length=200)


class DecideIn(Asked):
    """For whom to decide, in which context. Without an identifier or profile the answer is for a stranger."""

    identifier: IdentifierIn | None = None
    profile_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    purpose: PurposeName = "personalization"
    decision: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    context: ContextIn = ContextIn()


class Withheld(BaseModel):
    """A field that this purpose may not see, whether or not a value exists."""

    field: str
    because: str


class ProfileOut(BaseModel):
    """One person, as one purpose may see them."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": PROFILE})

    profile_id: str
    as_of: str | None = None
    version: str | int | None = None
    attributes: dict[str, str | None] | None = None
    traits: dict[str, Trait] | None = None
    identifiers: list[IdentifierOut] | None = None
    audiences: list[str] | None = None
    consent: ShownBecause | None = None
    withheld: list[Withheld] = []
    confidence: float | None = None
    provenance: dict[str, ProvenanceOut] | None = None


class BatchedOut(BaseModel):
    """What a read of one person of a batch came to: the status that it would have had by itself."""

    status: Literal[200, 300, 404, 422]
    profile: ProfileOut | None = None
    profile_id: str | None = None
    successors: list[str] | None = None


class BatchOut(BaseModel):
    """One result a person, in the order asked."""

    results: list[BatchedOut]


class LinksOut(BaseModel):
    """The records of a profile and what holds them together."""

    model_config = ConfigDict(extra="allow")

    profile_id: str
    records: list[RecordOut]
    edges: list[EdgeOut]


class WhyOut(BaseModel):
    """Whether two identifiers are one person, and the edges between their records."""

    same: bool
    profile_id: str | None
    path: list[EdgeOut]
    records: list[TiedOut]


class WhyNotOut(BaseModel):
    """Whether two identifiers are one person, the first gate that their best evidence failed at, and its weights."""

    same: bool
    because: str
    evidence: EvidenceOut | None


class HowOut(BaseModel):
    """The ties that suffice to hold a profile together, the strongest first, and what was not followed."""

    model_config = ConfigDict(extra="allow")

    profile_id: str
    records: list[str]
    merges: list[MergeOut]
    refused: list[str]


class ReviewOut(BaseModel):
    """How many questions of each kind wait, and the most urgent of them."""

    waiting: dict[str, int]
    questions: list[AskedOut]


class QuestionOut(AskedOut):
    """One question: what each side says, and the evidence between them."""

    records: list[SideOut]
    evidence: EvidenceOut | None


class DecidedOut(BaseModel):
    """What an answer made, and when it counts."""

    id: str
    answer: str
    constraints: int
    counts: str


class ReceiptOut(BaseModel):
    """Proof that a statement stands in the ledger."""

    model_config = ConfigDict(extra="allow")

    id: str
    purpose: str
    action: str
    received_at: datetime


class ReceiptsIn(Asked):
    """Whose receipts to hand out."""

    identifier: IdentifierIn


class ConsistencyIn(Asked):
    """Two sizes at which heads were signed; the second is the newest where none is named."""

    first: int = Field(ge=1, lt=1 << 53, examples=[1])
    second: int | None = Field(default=None, ge=1, lt=1 << 53)


class SealedOut(BaseModel):
    """A document that others check offline: `kindred consent verify`."""

    model_config = ConfigDict(extra="allow")


class HeadsOut(BaseModel):
    """Signed heads, the newest first, and the public half of the key that signs them now."""

    public_key: str
    heads: list[SealedOut]


class ReceiptsOut(BaseModel):
    """The receipts of what was said under one identifier, the oldest first."""

    receipts: list[SealedOut]


class LedgerOut(BaseModel):
    """What the ledger holds under one identifier, the oldest first."""

    events: list[EntryOut]


class DecisionOut(BaseModel):
    """Whether a purpose may use a person."""

    model_config = ConfigDict(extra="allow")

    purpose: str
    allowed: bool
    because: str = Field(description="the coarse reason: allowed, consent, policy or link")


class VerdictIn(Asked):
    """The key of an event or row."""

    key: str = Field(min_length=1, max_length=1_000, description="a message id, or source:key such as crm:C17")


class VerdictOut(BaseModel):
    """One verdict: what was decided, when it came, by which run, and where it is now."""

    source: str
    verdict: Literal["accepted", "duplicate", "quarantined", "suppressed", "consent_filtered", "too_large", "expired"]
    where: Literal["log", "lake"]
    received_at: datetime | None
    table: str | None
    because: str | None
    first: str | None = Field(description="the key of the event that a duplicate repeats under a key of its own")
    run: int | None
    profile_id: str | None


class VerdictsOut(BaseModel):
    """All verdicts on one key, the oldest first."""

    verdicts: list[VerdictOut]


class SourcesOut(BaseModel):
    """How all declared sources are at one moment."""

    at: datetime
    sources: list[SourceOut]
    runs: TakingInOut


class AcknowledgementIn(Asked):
    """Up to which change an application has done what it heard."""

    purpose: PurposeName
    through: str = Field(max_length=64, description="the `id` of a change, or `next` of a page")


class NextBestOut(BaseModel):
    """What to do next for a person: a campaign or no action, with its reasons; and products to show."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": NEXT_BEST})

    decision_id: str
    decision: str
    purpose: str
    at: str
    chosen: str = Field(description="a campaign, or no_action")
    propensity: float
    holdout: bool
    because: str
    candidates: list[CandidateOut]
    recommendations: dict[str, list[RecommendationOut]]


def declared_names() -> frozenset[str]:
    """Return every field and parameter name that an error may repeat: ours, never a caller's."""
    named = {name for model in Asked.__subclasses__() for name in model.model_fields}
    others = {
        "body", "query", "path", "header", "purpose", "limit", "cursor", "fields", "profile_id", "kind", "task_id",
        "entry", "since", "wait", "before", "all", "zip", "part", "request_id", "idempotency-key", "last-event-id",
    }  # fmt: skip
    return frozenset(named | others)
