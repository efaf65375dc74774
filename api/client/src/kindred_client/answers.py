"""What calls return: frozen, and shown without anything personal. What a later release adds is passed over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kindred_client.wire import Json

Trait = str | int | float | bool | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier, such as an email."""

    type: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Withheld:
    """A field that this purpose does not see, whether or not a value exists."""

    field: str
    because: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value comes from, and which rule chose it."""

    source: str
    record: str
    observed_at: datetime | None
    rule: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Consent:
    """Why this may be seen, and the line of the policy."""

    purpose: str
    allowed: bool
    reason: str
    policy: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One person, as one purpose may see them; what was not asked for is empty."""

    profile_id: str
    as_of: datetime | None
    version: str
    attributes: Mapping[str, str] = field(repr=False)
    traits: Mapping[str, Trait] = field(repr=False)
    identifiers: tuple[Identifier, ...] = field(repr=False)
    audiences: tuple[str, ...]
    consent: Consent | None
    withheld: tuple[Withheld, ...]
    confidence: float | None
    provenance: Mapping[str, Provenance] = field(repr=False)

    @property
    def withheld_fields(self) -> Mapping[str, str]:
        """Return each withheld field and why."""
        return {one.field: one.because for one in self.withheld}


People = tuple[Profile | None, ...]


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """The values of one person in the order of the columns, and a letter each: present, default, withheld, stale."""

    profile_id: str | None
    found: bool
    values: tuple[Trait, ...] = field(repr=False)
    status: str


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """A row a person in the order asked, and the names of the columns."""

    feature_set: str
    version: int
    names: tuple[str, ...]
    rows: tuple[FeatureRow, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order."""

    product_id: str | None
    name: str | None
    quantity: float | None
    amount: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    at: datetime
    kind: str
    source: str
    name: str | None
    channel: str | None
    amount: float | None
    lines: tuple[Line, ...] = field(repr=False)
    details: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of events, and the cursor of the next."""

    events: tuple[Event, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a person. `id` is the place behind it, to go on from.

    Where `version` is None, what is kept of the person is to go. While `anew`, the feed names everybody there is.
    """

    id: str
    profile_id: str
    kind: str
    version: str | None
    at: datetime
    others: tuple[str, ...] = ()
    anew: bool = False


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of changes, and the place behind it."""

    changes: tuple[Change, ...]
    next: str
    more: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether somebody may be used for a purpose, and the coarse reason."""

    purpose: str
    allowed: bool
    because: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a word stands in the ledger."""

    id: str
    purpose: str
    action: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class PreferenceLink:
    """The path of somebody's preference centre: whoever holds it answers for them."""

    path: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A campaign, or no action, with its chance, or why it was left out."""

    campaign: str
    score: float
    propensity: float
    excluded: str | None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A product to show, and why."""

    product_id: str
    label: str
    category: str
    score: float
    because: str


@dataclass(frozen=True, slots=True)
class NextBest:
    """What to do next: a campaign or `no_action`, and products to show by why they are shown."""

    decision_id: str
    chosen: str
    propensity: float
    holdout: bool
    because: str
    candidates: tuple[Candidate, ...]
    recommendations: Mapping[str, tuple[Recommendation, ...]] = field(repr=False)


def profile(told: Json) -> Profile:
    """Read a profile."""
    consent = told.get("consent")
    return Profile(
        profile_id=told["profile_id"],
        as_of=_moment(told.get("as_of")),
        version=str(told.get("version", "")),
        attributes=dict(told.get("attributes") or {}),
        traits=dict(told.get("traits") or {}),
        identifiers=tuple(Identifier(i["type"], i["value"]) for i in told.get("identifiers") or ()),
        audiences=tuple(told.get("audiences") or ()),
        consent=_only(Consent, consent) if consent else None,
        withheld=tuple(_only(Withheld, one) for one in told.get("withheld") or ()),
        confidence=told.get("confidence"),
        provenance={name: _provenance(one) for name, one in (told.get("provenance") or {}).items()},
    )


def people(told: Json) -> People:
    """Read the profiles of a batch: None where a read of its own would not find one person."""
    return tuple(profile(one["profile"]) if one["status"] == 200 else None for one in told["results"])


def feature_rows(told: Json) -> FeatureRows:
    """Read the rows of a feature set."""
    rows = (FeatureRow(one["profile_id"], one["found"], tuple(one["values"]), one["status"]) for one in told["rows"])
    return FeatureRows(told["feature_set"], told["version"], tuple(o["name"] for o in told["features"]), tuple(rows))


def event_page(told: Json) -> EventPage:
    """Read a page of events."""
    return EventPage(tuple(_event(one) for one in told["events"]), told["next"])


def change_page(told: Json) -> ChangePage:
    """Return a page of changes as it was told."""
    read = (
        Change(
            one["id"], one["profile_id"], one["kind"], one["version"], datetime.fromisoformat(one["at"]),
            tuple(one["others"]), told["anew"],
        )
        for one in told["changes"]
    )  # fmt: skip
    return ChangePage(tuple(read), told["next"], told["more"])


def confirmed(told: Json) -> int:
    """Return how many erasures were confirmed."""
    return int(told["erasures"])


def decision(told: Json) -> Decision:
    """Read whether somebody may be used."""
    return _only(Decision, told)


def receipt(told: Json) -> Receipt:
    """Read a receipt."""
    return Receipt(told["id"], told["purpose"], told["action"], datetime.fromisoformat(told["received_at"]))


def preference_link(told: Json) -> PreferenceLink:
    """Read a link to the preference centre."""
    return PreferenceLink(told["path"], datetime.fromisoformat(told["expires_at"]))


def next_best(told: Json) -> NextBest:
    """Read what to do next."""
    return NextBest(
        decision_id=told["decision_id"],
        chosen=told["chosen"],
        propensity=told["propensity"],
        holdout=told["holdout"],
        because=told["because"],
        candidates=tuple(_only(Candidate, one) for one in told["candidates"]),
        recommendations={
            why: tuple(_only(Recommendation, one) for one in many) for why, many in told["recommendations"].items()
        },
    )


def _event(told: Json) -> Event:
    return Event(
        at=datetime.fromisoformat(told["at"]),
        kind=told["kind"],
        source=told["source"],
        name=told["name"],
        channel=told["channel"],
        amount=told["amount"],
        lines=tuple(_only(Line, one) for one in told["lines"]),
        details=dict(told["details"]),
    )


def _provenance(told: Json) -> Provenance:
    return Provenance(
        told["source"], told["record"], _moment(told["observed_at"]), told["rule"], float(told["confidence"])
    )


def _only(kind: Any, told: Json) -> Any:
    return kind(**{name: told[name] for name in kind.__slots__})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
