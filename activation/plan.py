"""What a decision file means to the rule that decides, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from activation.model import Campaign, Condition
from infra.ids import Purpose


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition for the campaigns whose attributes are among those named; for all where none is named."""

    campaigns: Mapping[str, frozenset[str]]
    condition: Condition

    def concerns(self, campaign: Campaign) -> bool:
        """Say whether the rule is about this campaign."""
        return all(campaign.attributes.get(name) in values for name, values in self.campaigns.items())


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many contacts in a stretch of time."""

    contacts: int
    per: timedelta


@dataclass(frozen=True, slots=True)
class Weights:
    """What the parts of the score count, and the score of doing nothing."""

    affinity: float
    redemption: float
    no_action: float


@dataclass(frozen=True, slots=True)
class Exploration:
    """How chance enters: softmax with a temperature, or epsilon-greedy with a share."""

    method: Literal["softmax", "epsilon"]
    amount: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision, ready to be made."""

    decision: str
    purpose: Purpose
    yearly: bool
    channels: frozenset[str]
    rules: tuple[Rule, ...]
    caps: tuple[Cap, ...]
    holdout: float
    weights: Weights
    exploration: Exploration

    def longest_cap(self) -> timedelta:
        """Return how far back contacts have to be known."""
        return max((cap.per for cap in self.caps), default=timedelta(0))
