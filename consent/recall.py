"""Refusals denied again from the ledger: what readers obey is the ledger, and the overlay is its fastest copy."""

from dataclasses import fields
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from consent import store
from consent.decide import denied_at_once
from consent.model import ConsentEntry, Policy
from consent.overlay import Denial, DenyOverlay, Moved
from infra.ids import Token

_COLUMNS: Final = tuple(one.name for one in fields(ConsentEntry))
_ROWS: Final = 1_000


def recall(database: Engine, overlay: DenyOverlay, policy: Policy, since: datetime | None) -> int:
    """Deny again what the ledger refused since a build judged (or ever), and return how many words that were."""
    words = 0
    for rows in store.exported(database, _ROWS):
        denials: list[Denial] = []
        moved: list[Moved] = []
        for row in rows:
            if row["token"] is None or (since is not None and row["received_at"] <= since):
                continue
            entry = ConsentEntry(**{column: row[column] for column in _COLUMNS})
            denied = denied_at_once(entry, policy)
            token, at, sequence = Token(row["token"]), entry.received_at, row["sequence"]
            if denied:
                denials.append(Denial(token, denied, at, sequence))
            if since is not None:  # where nobody knows what was seen, nothing opens before the next build
                moved.append(Moved(token, at, sequence))
        if denials or moved:
            overlay.restrict_all([*denials, *moved])
        words += len(denials)
    return words
