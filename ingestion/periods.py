"""How long rows are kept, as ingestion holds them to it, and what its tables let a rule say; knows no engine."""

import hmac
from dataclasses import dataclass, field
from typing import Any, Final

from consent.config import load_policy
from consent.retention.config import load_retention
from consent.retention.model import Kept, Rule
from infra import shelf
from infra.ids import Purpose
from infra.workspace import Workspace
from ingestion.tables import EVENTS, LET_GO, QUARANTINE, RECORDS, VERDICTS

EXPIRED: Final = "expired"
# Why such a row was not taken in, as people are told it.
BECAUSE: Final = "older than consent/retention.yaml lets it be kept"
STORES: Final = (
    Kept(table=RECORDS.name, moments=("occurred", "received", "last_activity"), sources=True, purposes=True),
    Kept(table=EVENTS.name, moments=("occurred", "received", "last_activity"), sources=True, types=True),
    Kept(table=QUARANTINE.name, moments=("received",), sources=True),
    Kept(table=VERDICTS.name, moments=("received",), sources=True),
    Kept(table=LET_GO.name, moments=("received",), sources=True),
)


@dataclass(frozen=True, slots=True)
class Periods:
    """How long rows are kept, as a run holds what comes in to it.

    `remembered` says whether the lake remembers rows that went; `secret` is what their digests are keyed with.
    """

    rules: tuple[Rule, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    remembered: bool = False
    secret: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def facts(self) -> list[dict[str, Any]]:
        """Return the rules as data."""
        return [rule.facts() for rule in self.rules]


def periods(workspace: Workspace, at: int | None) -> Periods:
    """Return how long rows are kept: by the rules, and by what a version of the lake remembers of rows that went."""
    rules = load_retention(workspace)
    purposes = tuple(load_policy(workspace).purposes) if rules else ()
    # without any rule, what went may come again
    remembered = bool(rules) and at is not None and shelf.count(workspace.lake_path, LET_GO, at) > 0
    secret = hmac.digest(workspace.token_key(), b"retention", "sha256").hex()
    return Periods(rules, purposes, remembered, secret)
