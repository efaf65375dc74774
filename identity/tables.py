"""The Delta tables of identity: features, intervals, edges, memberships, names for good, and what changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from infra.tables import PERSONAL, Table

SHAPE = 4
"""Raised when a table that a resolution builds on holds other columns: an older lake is then resolved whole."""


@dataclass(frozen=True, slots=True)
class IdentifierValue:
    """A usable identifier value of a record."""

    type: str
    value: str
    token: str


@dataclass(frozen=True, slots=True)
class SeenValue:
    """A usable identifier value of a record, and when it carried it (whole seconds since 1970) where a rule asks for that."""

    type: str
    value: str
    token: str
    seen_from: int | None
    seen_to: int | None


@dataclass(frozen=True, slots=True)
class RecordConsentRow:
    """Whether a record may be used for a purpose, and the policy line that says so."""

    record_key: str
    purpose: str
    allowed: bool
    reason: str
    policy_line: str


@dataclass(frozen=True, slots=True)
class RecordFeaturesRow:
    """A record that may be resolved, normalised once. A bare one carries identifiers and describes nobody."""

    record_key: str
    source: str
    key: Annotated[str, PERSONAL]
    kind: str
    known: bool
    bare: bool
    arrival: int
    jurisdiction: str | None
    content_hash: Annotated[str, PERSONAL]
    given_name: Annotated[str | None, PERSONAL]
    given_forms: Annotated[list[str], PERSONAL]
    given_known: bool
    middle_name: Annotated[str | None, PERSONAL]
    family_name: Annotated[str | None, PERSONAL]
    suffix: Annotated[str | None, PERSONAL]
    birth_date: Annotated[str | None, PERSONAL]
    sex: Annotated[str | None, PERSONAL]
    street: Annotated[str | None, PERSONAL]
    unit: Annotated[str | None, PERSONAL]
    city: Annotated[str | None, PERSONAL]
    postcode: Annotated[str | None, PERSONAL]
    handle: Annotated[str | None, PERSONAL]
    mail_year: Annotated[str | None, PERSONAL]
    emails: Annotated[list[str], PERSONAL]
    phones: Annotated[list[str], PERSONAL]
    identifiers: Annotated[list[SeenValue], PERSONAL]
    # last, where Delta puts it in a lake that was there before it
    numbers: Annotated[list[str], PERSONAL]


@dataclass(frozen=True, slots=True)
class CookieIntervalRow:
    """A stretch of an anonymous id's life, from inclusive to exclusive, and the record that its events belong to."""

    source: str
    anonymous_id: Annotated[str, PERSONAL]
    from_at: datetime
    to_at: datetime
    record_key: str
    known: bool
    claim: str
    identifiers: Annotated[list[IdentifierValue], PERSONAL]


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """One step of an edge's weight."""

    comparison: str
    level: str
    weight_micro: int


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """Evidence between two records (left key < right key), kept or suppressed and why."""

    left_key: str
    right_key: str
    weight_micro: int
    conflict_micro: int
    kind: str
    rule_mask: int
    component: str
    model_version: str
    reasons: list[ReasonRow]
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class MembershipRow:
    """The profile of a record."""

    record_key: str
    profile_id: str
    component: str
    known: bool
    since_batch: int


@dataclass(frozen=True, slots=True)
class ProfileIndexRow:
    """A profile with its anchor and its health; over a limit its status is `held`."""

    profile_id: str
    anchor: str
    size: int
    known: bool
    confidence: float
    density: float
    weakest_micro: int | None
    negative_share: float
    births: int
    forenames: int
    phones: int
    status: str
    since_batch: int


@dataclass(frozen=True, slots=True)
class ProfileAliasRow:
    """A profile id that was published and now means another profile."""

    alias_id: str
    profile_id: str
    since_batch: int


@dataclass(frozen=True, slots=True)
class PostingRow:
    """A record under a key that candidates are looked for by: the rule's bit and a digest of the key.

    Where values of the type are given out again, from when to when the record carried this one (seconds since 1970).
    """

    rule: int
    block: Annotated[int, PERSONAL]
    record_key: str
    seen_from: int | None
    seen_to: int | None


@dataclass(frozen=True, slots=True)
class SuccessionRow:
    """A published id whose record is no more: the record that holds it now (none: empty), and the rank that came with it."""

    id: str
    heir: str
    anonymous: bool
    arrival: int
    source: str
    batch: int


@dataclass(frozen=True, slots=True)
class IdentityEventRow:
    """What a run changed: CREATED, JOINED, LEFT, MERGED, SPLIT, RETIRED, RESTORED."""

    batch: int
    kind: str
    profile_id: str
    other_id: str | None
    record_key: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ResolutionRow:
    """A resolution that was brought to its end: by which settings and model, and whether everything was done anew."""

    batch: int
    inputs_digest: str
    settings_digest: str
    model_version: str
    consent_sequence: int
    whole: bool
    changed: int
    resolved_at: datetime


@dataclass(frozen=True, slots=True)
class ConstraintRow:
    """A steward's constraint as the run saw it; the database is the truth."""

    id: str
    kind: str
    left_key: str
    right_key: str
    actor: str
    reason: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A trained model, dialect-neutral: comparisons with m and u by level, prior, caps; its hash is its version."""

    model_version: str
    model: str
    trained_at: datetime
    records: int
    batch: int


@dataclass(frozen=True, slots=True)
class FrequencyRow:
    """A frozen term frequency; values seen too seldom to be anonymous are not kept and get the model's floor."""

    snapshot: str
    field: str
    value_hash: str
    frequency: float


RECORD_CONSENT = Table("record_consent", RecordConsentRow, keys=("record_key", "purpose"), merged=True)
RECORD_FEATURES = Table("record_features", RecordFeaturesRow, keys=("record_key",), merged=True)
COOKIE_INTERVAL = Table("cookie_interval", CookieIntervalRow, keys=("source", "anonymous_id", "from_at"), merged=True)
EDGES = Table("edges", EdgeRow, keys=("left_key", "right_key"), merged=True)
MEMBERSHIP = Table("membership", MembershipRow, keys=("record_key",), merged=True)
PROFILE_INDEX = Table("profile_index", ProfileIndexRow, keys=("profile_id",), merged=True)
PROFILE_ALIAS = Table("profile_alias", ProfileAliasRow, keys=("alias_id", "profile_id"), merged=True)
IDENTITY_EVENTS = Table("identity_events", IdentityEventRow, keys=("batch", "kind", "profile_id", "record_key"))
POSTING_INDEX = Table("posting_index", PostingRow, keys=("rule", "block", "record_key"), merged=True)
SUCCESSION = Table("succession", SuccessionRow, keys=("id", "batch"))
RESOLUTION = Table("resolution", ResolutionRow, keys=("batch",))
CONSTRAINTS = Table("constraints", ConstraintRow, keys=("id",))
MODEL_REGISTRY = Table("model_registry", ModelRow, keys=("model_version",))
TF_SNAPSHOT = Table("tf_snapshot", FrequencyRow, keys=("snapshot", "field", "value_hash"))

TABLES = (
    RECORD_CONSENT, RECORD_FEATURES, COOKIE_INTERVAL, POSTING_INDEX, EDGES, MEMBERSHIP, PROFILE_INDEX, PROFILE_ALIAS,
    SUCCESSION, RESOLUTION, IDENTITY_EVENTS, CONSTRAINTS, MODEL_REGISTRY, TF_SNAPSHOT,
)  # fmt: skip
