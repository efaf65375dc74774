"""The Delta tables that hold what is known of people, per purpose where the purpose decides what may be known."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from infra.tables import PERSONAL, Table


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """A golden value with its provenance."""

    name: str
    value: str
    source: str
    record_key: str
    observed_at: datetime
    rule: str
    confidence: float


@dataclass(frozen=True, slots=True)
class IdentifierValue:
    """An identifier of the person, with the token that stands for it."""

    type: str
    value: str
    token: str


@dataclass(frozen=True, slots=True)
class WithheldField:
    """A field that the purpose does not see, and the coarse ground."""

    field: str
    because: str


@dataclass(frozen=True, slots=True)
class LinkedToken:
    """An identifier's token and how closely it is tied to the person."""

    token: str
    link: str


@dataclass(frozen=True, slots=True)
class TraitRow:
    """The traits of a person, from the records that the purpose may use; values are text in one spelling."""

    profile_id: str
    purpose: str
    as_of: datetime
    traits: Annotated[dict[str, str], PERSONAL]


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """Whether a purpose may see the person at all."""

    profile_id: str
    purpose: str
    allowed: bool
    reason: str
    policy_line: str


@dataclass(frozen=True, slots=True)
class ViewRow:
    """The golden record as one purpose sees it; there is no row where the purpose is denied."""

    profile_id: str
    purpose: str
    known: bool
    size: int
    confidence: float
    as_of: datetime
    attributes: Annotated[list[AttributeValue], PERSONAL]
    traits: Annotated[dict[str, str], PERSONAL]
    identifiers: Annotated[list[IdentifierValue], PERSONAL]
    withheld: list[WithheldField]
    reason: str
    policy_line: str


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order, as the timeline shows it."""

    product_id: str
    name: str | None
    quantity: float
    amount: float


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened: an order with its dearest lines, or a single event."""

    at: datetime
    kind: str
    source: str
    record_key: str
    name: str
    channel: str | None
    order_id: str | None
    amount: float | None
    line_count: int
    lines: list[OrderLine]
    details: dict[str, str]


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """The newest things of a person, newest first; a reader shows those whose record its purpose may use."""

    profile_id: str
    entries: Annotated[list[TimelineEntry], PERSONAL]


@dataclass(frozen=True, slots=True)
class GraphRecord:
    """A record of the person as the identity graph draws it."""

    record_key: str
    source: str
    key: str
    kind: str
    known: bool
    link: str
    observed_at: datetime | None
    attributes: dict[str, str]
    identifiers: list[IdentifierValue]
    purposes: list[str]
    jurisdiction: str | None


@dataclass(frozen=True, slots=True)
class GraphReason:
    """What one comparison added to an edge's weight."""

    comparison: str
    level: str
    weight_micro: int


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A link between two records, kept or suppressed, and why."""

    left: str
    right: str
    weight_micro: int
    kind: str
    state: str
    why: str
    reasons: list[GraphReason]
    elsewhere: str | None


@dataclass(frozen=True, slots=True)
class GraphRow:
    """Why the records of a profile are one person, and how closely each identifier is tied to it."""

    profile_id: str
    anchor: str
    known: bool
    size: int
    confidence: float
    tokens: Annotated[list[LinkedToken], PERSONAL]
    records: Annotated[list[GraphRecord], PERSONAL]
    edges: list[GraphEdge]


@dataclass(frozen=True, slots=True)
class TokenRow:
    """The profiles that an identifier leads to; more than one means that it is shared and identifies nobody.

    `link` is how closely the identifier is tied to the one profile; null where there are several.
    """

    token: Annotated[str, PERSONAL]
    shared: bool
    profile_ids: list[str]
    link: str | None


@dataclass(frozen=True, slots=True)
class BorrowedRow:
    """A refusal that a record keeps of a sid that left its person: a merge lent it, and nobody has cleared it."""

    record_key: str
    sid: Annotated[str, PERSONAL]
    until: datetime
    profile_id: str
    batch: int


@dataclass(frozen=True, slots=True)
class ConsentChangeRow:
    """A purpose whose answer is another since records came together or apart; `was` is whom they belonged to before.

    `sids` are those whose words deny now and were not held against the person before; the edge is what ties them.
    """

    batch: int
    kind: str
    profile_id: str
    was: str
    purpose: str
    allowed_before: bool
    reason_before: str
    allowed: bool
    reason: str
    policy_line: str
    sids: Annotated[list[str], PERSONAL]
    left_key: str | None
    right_key: str | None


PROFILE_TRAITS = Table("profile_traits", TraitRow, keys=("profile_id", "purpose"))
PROFILE_CONSENT = Table("profile_consent", ConsentRow, keys=("profile_id", "purpose"))
PROFILE_VIEWS = Table("profile_views", ViewRow, keys=("profile_id", "purpose"))
PROFILE_TIMELINE = Table("profile_timeline", TimelineRow, keys=("profile_id",))
PROFILE_GRAPH = Table("profile_graph", GraphRow, keys=("profile_id",))
PROFILE_TOKENS = Table("profile_tokens", TokenRow, keys=("token",))
BORROWED_REFUSALS = Table("borrowed_refusals", BorrowedRow, keys=("record_key", "sid"))
CONSENT_CHANGES = Table("consent_changes", ConsentChangeRow, keys=("batch", "profile_id", "was", "purpose"))

TABLES = (
    PROFILE_TRAITS, PROFILE_CONSENT, PROFILE_VIEWS, PROFILE_TIMELINE, PROFILE_GRAPH, PROFILE_TOKENS,
    BORROWED_REFUSALS, CONSENT_CHANGES,
)  # fmt: skip
