"""What the columns of a source may promise: only what every value that was looked at keeps. Pure."""

from collections.abc import Collection
from typing import Any, Final

from consent.discovery.kinds import OUTRIGHT, named_for
from infra.dates import Order
from ingestion.proposal.facts import ColumnFacts, FileFacts, is_two_numbers
from ingestion.proposal.sorts import Moment

# A column of fewer values has shown too little to be held to it.
_FEWEST: Final = 20


def contract_of(
    file: FileFacts, named: Collection[str], order: Order | None, moment: Moment | None
) -> dict[str, dict[str, Any]]:
    """Return what the named columns promise: a row that breaks it later goes to quarantine, so little is promised."""
    found: dict[str, dict[str, Any]] = {}
    for column in file.columns:
        if column.name not in named:
            continue
        dated = order is not None and moment is not None and moment.dated and moment.column == column.name
        kind = "date" if dated else _kind(column, order)
        if kind:
            found[column.name] = {"type": kind}
    return found


def _kind(column: ColumnFacts, order: Order | None) -> str | None:
    if column.filled < _FEWEST:
        return None
    if column.always("moment"):
        return "timestamp" if column.share("clocked") else "date"
    if column.always("email"):
        return "email"
    called = [kind for kind, weight in named_for(column.name).items() if weight == OUTRIGHT]
    if "phone" in called and column.always("phone"):
        return "phone"
    if "birth_date" in called and order is not None and is_two_numbers(column) and column.always("day"):
        return "date"
    # a code that is all digits today is still no number
    return "number" if not called and column.always("number") and not column.always("integer") else None
