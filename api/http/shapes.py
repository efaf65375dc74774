"""What stands inside answers: identifiers, provenance, events, records and edges, words of consent, choices."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.examples import CHANGES

# A trait is a number, a text or a list of texts; it says itself which.
Trait = str | int | float | bool | list[str] | None


class Shape(BaseModel):
    """A part of an answer; later releases may add to it."""

    model_config = ConfigDict(extra="allow")


class IdentifierOut(Shape):
    """One identifier in its one spelling."""

    type: str
    value: str


class ShownBecause(Shape):
    """Why a purpose may see a person, and the line of the policy."""

    purpose: str
    allowed: bool
    reason: str
    policy: str


class ProvenanceOut(Shape):
    """Where a value of the golden record comes from, and which rule chose it."""

    source: str
    record: str
    observed_at: str | None
    rule: str
    confidence: float


class LineOut(Shape):
    """One line of an order."""

    product_id: str | None
    name: str | None
    quantity: float | None
    amount: float | None


class EventOut(Shape):
    """One thing that happened; an order has an amount and lines."""

    at: str
    kind: str
    source: str
    record_key: str
    name: str | None
    channel: str | None
    order_id: str | None
    amount: float | None
    line_count: int | None
    lines: list[LineOut]
    details: dict[str, Any] = Field(description="what the source told beside it, by its own names")


class MaskedOut(Shape):
    """An identifier of a record; without its value where the purpose may not see it."""

    type: str
    value: str | None = None
    masked: str | None = None


class TiedOut(Shape):
    """A record without its values: source, kind and how closely it is tied to the person."""

    record_key: str
    source: str
    kind: str
    known: bool
    link: str


class RecordOut(TiedOut):
    """A record with what the purpose may see of it."""

    observed_at: str | None
    label: str
    purposes: list[str]
    attributes: dict[str, str | None]
    identifiers: list[MaskedOut]


class ReasonOut(Shape):
    """What one comparison of two records weighs, in bits."""

    comparison: str
    level: str
    weight: float


class EdgeOut(Shape):
    """What ties two records, or keeps them apart: its weight in bits, and the reasons."""

    left: str
    right: str
    weight: float
    kind: str
    state: str
    why: str
    elsewhere: str | None
    reasons: list[ReasonOut]


class MergeOut(Shape):
    """One step of how a profile came about: the record that joined, by which edge."""

    joined: str
    by: str
    bits: float
    because: str


class StepOut(Shape):
    """One bar of a waterfall of evidence."""

    comparison: str
    level: str
    bits: float
    total: float


class EvidenceOut(Shape):
    """The evidence between two records: the sum in bits, its steps, and sentences for people."""

    bits: float
    probability: float
    steps: list[StepOut]
    sentences: list[str]


class AskedOut(Shape):
    """One question of the review queue, without any value."""

    id: str
    kind: str
    because: str
    profile_id: str
    other_id: str | None
    left: str | None
    right: str | None
    bits: float | None


class SideOut(Shape):
    """One side of a question; a record that is not published has no values."""

    record_key: str
    published: bool
    source: str | None
    attributes: dict[str, str | None]
    identifiers: list[MaskedOut]


class EntryOut(Shape):
    """One word of the ledger."""

    id: str
    identifier_kind: str
    purpose: str
    action: str
    mechanism: str
    occurred_at: str
    received_at: str


class CandidateOut(Shape):
    """A campaign, or no action, with its chance, or why it was left out."""

    campaign: str
    score: float
    propensity: float
    excluded: str | None


class RecommendationOut(Shape):
    """A product to show, and why it is shown."""

    product_id: str
    label: str
    category: str
    score: float
    because: str


class TakenOut(Shape):
    """One step that a privacy request took."""

    sequence: int
    step: str
    store: str | None
    status: str
    at: datetime
    actor: str


class WaitingOut(BaseModel):
    """What the lake has not taken in of a source: files, segments or entries; null where nobody can tell."""

    count: int | None
    bytes: int | None
    oldest: datetime | None
    oldest_seconds: float | None


class FreshnessOut(BaseModel):
    """How fresh a source was declared to be: by its newest moment or arrival; state is null if nothing ever came."""

    of: Literal["moment", "arrival"]
    warn_after_seconds: float | None
    error_after_seconds: float | None
    state: Literal["ok", "late", "too late"] | None


class SourceOut(BaseModel):
    """How one source is."""

    source: str
    connector: str
    newest_arrival: datetime | None
    newest_moment_told: datetime | None
    seconds_since_arrival: float | None
    freshness: FreshnessOut | None
    last_run: int | None
    last_run_at: datetime | None
    rows_last_run: int
    waiting: WaitingOut
    quarantined_open: int
    verdicts: dict[str, int]


class TakingInOut(BaseModel):
    """How the runs go that take sources in; `trouble` says what is wrong, if anything."""

    last_seconds: float | None
    last_ended_at: datetime | None
    failures_in_a_row: int
    tries: int
    trouble: str | None


class SuccessorsOut(BaseModel):
    """The people who answer for an id that was split."""

    profile_id: str
    successors: list[str]


class EventsOut(BaseModel):
    """What happened, the newest first; `next` continues."""

    profile_id: str
    events: list[EventOut]
    next: str | None


class ChangeOut(Shape):
    """What became of one person, as one purpose hears it."""

    id: str = Field(description="names the change, and the place behind it: `since`, `through`, `Last-Event-ID`")
    profile_id: str
    kind: Literal["created", "updated", "merged", "split", "consent", "erased"]
    version: str | None = Field(description="of the profile to be read now; null: let go of what is kept of it")
    at: datetime
    others: list[str] = Field(description="who answers for a merged or split id now, as far as the purpose sees them")


class ChangesOut(BaseModel):
    """Changes in their order; `next` is the place behind them, to be kept and asked from."""

    model_config = ConfigDict(json_schema_extra={"example": CHANGES})

    changes: list[ChangeOut]
    next: str
    more: bool = Field(description="whether there are more by now")
    anew: bool = Field(description="whether this page belongs to the list of everybody who may be seen")


class AcknowledgementOut(BaseModel):
    """How many erasures are acknowledged that were not before."""

    erasures: int


class StretchOut(Shape):
    """A time in which a purpose saw one version of a person."""

    kind: Literal["created", "updated", "merged", "split", "consent", "erased"]
    version: str | None = Field(description="of the profile as it was; null where it could not be seen")
    valid_from: datetime
    valid_to: datetime | None = Field(description="null: it holds now")


class HistoryOut(BaseModel):
    """Versions of a profile, the newest first, as far as the change feed reaches back."""

    profile_id: str
    history: list[StretchOut]
