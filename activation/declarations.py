"""`audiences/*.yaml`, `destinations/*.yaml` and `decisions/*.yaml`: what to do, for whom, under which purpose."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from activation.conditions import Clause, Duration
from activation.model import Condition, Happened
from activation.plan import Cap, Exploration, Plan, Rule, Weights
from infra.ids import Purpose, content_digest
from infra.section import Section

NAME = r"^[a-z][a-z0-9_]*$"
SMALL = 50
"""Audiences smaller than this are shown as "<50" and go to no destination (see `docs/adr` on small numbers)."""


class Audience(Section):
    """People whom a condition describes, for one purpose."""

    audience: str = Field(pattern=NAME)
    description: str = ""
    purpose: str
    where: Clause


class Destination(Section):
    """A place that audiences are sent to, and by which identifiers it can recognise their members."""

    destination: str = Field(pattern=NAME)
    type: Literal["files"] = "files"
    format: Literal["csv", "ndjson"] = "csv"
    path: str
    purpose: str
    audiences: tuple[str, ...] = Field(min_length=1)
    match_keys: tuple[str, ...] = Field(default=("email", "phone"), min_length=1)
    traits: tuple[str, ...] = ()
    minimum_size: int = Field(default=SMALL, ge=1)

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            raise ValueError("a path is relative to the workspace and stays inside it, such as out/crm_mail")
        return value


class Catalogue(Section):
    """Which catalogue source describes the products, and by which of its attributes."""

    source: str = "products"
    label: str = "type"
    category: str = "category"


class Recommending(Section):
    """How recommendations are learned. The defaults were chosen on weeks before those that measure them."""

    purchase: str = "purchase"
    training_purpose: str = "analytics"
    products: Catalogue = Catalogue()
    items: int = Field(default=5_000, ge=10, le=20_000, description="most bought products that take part")
    basket: int = Field(default=60, ge=2, le=200, description="larger baskets are stockpiling or catering")
    support: int = Field(default=5, ge=1, description="baskets that a pair must share")
    neighbours: int = Field(default=20, ge=1, le=100)
    habits: int = Field(default=20, ge=1, le=100)
    half_life: Duration = timedelta(days=112)
    held_back: Duration = timedelta(weeks=8)
    sample: int = Field(default=5_000, ge=100, description="baskets of the held back weeks that are measured")


class Campaigns(Section):
    """Which catalogue source holds the campaigns, and how to read its rows."""

    source: str = "campaigns"
    starts: str = "start_date"
    ends: str = "end_date"
    repeats: Literal["yearly", "never"] = "never"
    redemption: str = "redemption"
    products: str = Field(default="products", description="attribute that lists the products it is good for")
    reached: str = Field(default="reached", description="attribute that says how many people received it, if any does")


class EligibilityRule(Section):
    """A condition that people must meet for the campaigns it is for (all of them without `campaigns`)."""

    campaigns: dict[str, list[str]] = Field(default_factory=dict)
    where: Clause

    @model_validator(mode="after")
    def _without_events(self) -> Self:
        if any(isinstance(part, Happened) for part in parts(self.where.condition())):
            raise ValueError("a decision sees traits and audiences, not events; declare an audience and refer to it")
        return self


class ContactCap(Section):
    """At most so many contacts a person in a stretch of time."""

    contacts: int = Field(ge=1)
    per: Duration


class Scoring(Section):
    """Weights of the score's parts, and what it takes to be better than leaving somebody alone."""

    affinity: float = Field(default=0.6, ge=0, le=1)
    redemption: float = Field(default=0.4, ge=0, le=1)
    no_action: float = Field(default=0.15, ge=0, le=1)


class Exploring(Section):
    """How often something else than the best is tried, so that outcomes can teach."""

    softmax: float | None = Field(default=None, gt=0, description="temperature")
    epsilon: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.softmax is None) == (self.epsilon is None):
            raise ValueError("say softmax (a temperature) or epsilon (a share), one of them")
        return self


class Decision(Section):
    """A next best action: who may be offered what, how often, and how the choice is made."""

    decision: str = Field(pattern=NAME)
    purpose: str
    campaigns: Campaigns = Campaigns()
    channels: tuple[str, ...] = ()
    eligible: tuple[EligibilityRule, ...] = ()
    caps: tuple[ContactCap, ...] = ()
    holdout: float = Field(default=0.1, ge=0, le=0.5)
    score: Scoring = Scoring()
    explore: Exploring = Exploring(softmax=0.1)
    outcome_window: Duration = timedelta(days=14)
    recommend: int = Field(default=10, ge=0, le=50)
    recommendations: Recommending = Recommending()

    def plan(self) -> Plan:
        """Return what the pure rule `decide` needs of this file."""
        softmax = self.explore.softmax
        return Plan(
            decision=self.decision,
            purpose=Purpose(self.purpose),
            yearly=self.campaigns.repeats == "yearly",
            channels=frozenset(self.channels),
            rules=tuple(
                Rule({name: frozenset(values) for name, values in rule.campaigns.items()}, rule.where.condition())
                for rule in self.eligible
            ),
            caps=tuple(Cap(cap.contacts, cap.per) for cap in self.caps),
            holdout=self.holdout,
            weights=Weights(self.score.affinity, self.score.redemption, self.score.no_action),
            exploration=Exploration("softmax", softmax)
            if softmax is not None
            else Exploration("epsilon", self.explore.epsilon or 0.0),
        )


def shown(size: int) -> str:
    """Return a count of people as it may be shown: small ones could point at somebody."""
    return f"<{SMALL}" if 0 < size < SMALL else f"{size:,}"


def parts(condition: Condition) -> tuple[Condition, ...]:
    """Return the leaves of a condition."""
    match condition:
        case _ if hasattr(condition, "parts"):
            return tuple(leaf for part in condition.parts for leaf in parts(part))
        case _ if hasattr(condition, "part"):
            return parts(condition.part)
        case _:
            return (condition,)


def definition(audience: Audience) -> str:
    """Return a digest of what the audience says, to tell in which definition somebody was a member."""
    return content_digest([audience.purpose, repr(audience.where.condition())])[:16]
