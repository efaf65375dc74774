"""What activation holds of a person, for a request for access: audiences, choices, recommendations."""

from pathlib import Path
from typing import Final

from activation.tables import AUDIENCE_MEMBERS, DECISIONS, HABITS
from consent.model import Policy
from consent.requests.tables import Tables, Told, strict_purposes

TOLD: Final = (
    Told(
        table=AUDIENCE_MEMBERS, by="profile", columns=("profile_id",), origin="derived", mixed=True,
        told="Audiences that you are in, and for which purpose",
    ),
    Told(
        table=HABITS, by="profile", columns=("profile_id",), origin="derived", mixed=True,
        told="What we would recommend to you",
    ),
    Told(
        table=DECISIONS, by="profile", columns=("profile_id",), origin="handling",
        told="Automated choices of what to show you, with the chance that each had",
    ),
)  # fmt: skip
LEFT_OUT: Final = {
    "sync_change": "digests of your identifiers as they were sent to a destination; your audiences are told",
    "sync_state": "digests of your identifiers as a destination last heard of them; your audiences are told",
    "decision_outcome": "what followed from choices, counted without you",
}


def disclosed(lake: Path, policy: Policy) -> Tables:
    """Return activation's tables for an answer."""
    return Tables("activation", lake, TOLD, LEFT_OUT, strict_purposes(policy))
