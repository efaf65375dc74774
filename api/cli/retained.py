"""Which stores of the house rules of retention may speak of; knows no engine."""

from typing import Final

import activation.retention
import api.http.retention
import consent.retention.decisions
from consent.config import load_policy
from consent.retention.config import check_retention, load_retention
from consent.retention.model import Kept, Rule
from infra.workspace import Workspace
from ingestion import periods
from ingestion.config import load_sources

BOOKS: Final = (consent.retention.decisions, api.http.retention, activation.retention)
STORES: Final[tuple[Kept, ...]] = (*periods.STORES, *(book.STORE for book in BOOKS))


def checked(workspace: Workspace) -> tuple[Rule, ...]:
    """Return the rules of retention; raise `ConfigurationError` for one that nobody could carry out."""
    rules = load_retention(workspace)
    if rules:
        sources = [source.source for source in load_sources(workspace)]
        check_retention(rules, STORES, sources, load_policy(workspace).purposes)
    return rules
