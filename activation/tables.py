"""The Delta tables of activation: who is in which audience, what was sent where, what goes with what, and outcomes."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from infra.tables import PERSONAL, Table


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A person in an audience, since the run that first found them there without a break."""

    audience: str
    profile_id: str
    purpose: str
    since_batch: int


@dataclass(frozen=True, slots=True)
class AudienceRow:
    """An audience as last evaluated: how many, by which definition, on which identities, as of when."""

    audience: str
    purpose: str
    size: int
    definition: str
    identity_version: int
    as_of: datetime
    batch: int


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What one run tells a destination about one match key. Written before the file, so that a kill loses nothing."""

    destination: str
    operation: str
    audience: str
    key_type: str
    match_key: Annotated[str, PERSONAL]
    payload: Annotated[dict[str, str], PERSONAL]
    payload_hash: Annotated[str, PERSONAL]
    batch: int


@dataclass(frozen=True, slots=True)
class StateRow:
    """What a destination was last told about one match key."""

    destination: str
    audience: str
    key_type: str
    match_key: Annotated[str, PERSONAL]
    payload_hash: Annotated[str, PERSONAL]
    since_batch: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two products bought together: in how many baskets, and in how many of those before the measured weeks."""

    left_id: str
    right_id: str
    baskets: int
    baskets_before: int


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A product that goes with another, and how strongly (cosine of their baskets)."""

    product_id: str
    score: float


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A product as recommendations know it; `rank` 1 is the most bought."""

    product_id: str
    label: str
    category: str
    baskets: int
    rank: int
    neighbours: list[Neighbour]


@dataclass(frozen=True, slots=True)
class Habit:
    """A product that a person buys again and again, with the usual interval."""

    product_id: str
    score: float
    interval_days: float
    last_at: datetime


@dataclass(frozen=True, slots=True)
class HabitRow:
    """What a person who allows it buys again, and the shares of the categories that they spend on."""

    profile_id: str
    items: Annotated[list[Habit], PERSONAL]
    likes: Annotated[dict[str, float], PERSONAL]


@dataclass(frozen=True, slots=True)
class QualityRow:
    """How often a way of recommending was right in the weeks held back."""

    task: str
    method: str
    baskets: int
    hit_rate: float
    recall: float
    trained_before: datetime
    batch: int


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign of the catalogue, what its redeemers bought that day, and how many of the people reached redeemed."""

    campaign: str
    starts_on: date
    ends_on: date
    attributes: dict[str, str]
    categories: dict[str, float]
    redeemers: int
    reached: int


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision as the database logged it, mirrored for the jobs."""

    id: str
    at: datetime
    profile_id: str
    decision: str
    purpose: str
    choice: str
    propensity: float
    holdout: bool
    identity_version: int
    policy_version: str


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What the person did in the days after a decision; `complete` once those days are over."""

    decision_id: str
    profile_id: str
    decision: str
    choice: str
    propensity: float
    holdout: bool
    at: datetime
    until: datetime
    orders: int
    amount: float
    redeemed: bool
    complete: bool


AUDIENCE_MEMBERS = Table("audience_members", MemberRow, keys=("audience", "profile_id"))
AUDIENCE_INDEX = Table("audience_index", AudienceRow, keys=("audience",))
SYNC_CHANGE = Table("sync_change", ChangeRow, keys=("destination", "audience", "key_type", "match_key"))
SYNC_STATE = Table("sync_state", StateRow, keys=("destination", "audience", "key_type", "match_key"))
ITEM_PAIRS = Table("item_pairs", PairRow, keys=("left_id", "right_id"))
ITEMS = Table("recommendations_item", ItemRow, keys=("product_id",))
HABITS = Table("recommendations_profile", HabitRow, keys=("profile_id",))
QUALITY = Table("recommendations_quality", QualityRow, keys=("task", "method"))
CAMPAIGNS = Table("campaign_index", CampaignRow, keys=("campaign",))
DECISIONS = Table("decision_event", DecisionRow, keys=("id",))
OUTCOMES = Table("decision_outcome", OutcomeRow, keys=("decision_id",))

TABLES = (
    AUDIENCE_MEMBERS, AUDIENCE_INDEX, SYNC_CHANGE, SYNC_STATE, ITEM_PAIRS, ITEMS, HABITS, QUALITY, CAMPAIGNS,
    DECISIONS, OUTCOMES,
)  # fmt: skip
