"""Reads numbers and moments out of text, and only where the spelling says so beyond doubt.

What an engine's own cast accepts (`1d`, `1_000`, ` 7`, `Infinity`) differs between Python and Spark; these
patterns are the common ground on which the audience language stands in both.
"""

import re
from datetime import UTC, datetime

NUMBER = r"[+-]?[0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"
# ISO 8601 as RFC 3339 narrows it, years 1000 to 2999; without a zone it is UTC.
MOMENT = (
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?"
)
_NUMBER = re.compile(NUMBER)
_MOMENT = re.compile(MOMENT)


def number(text: str) -> float | None:
    """Return the number that a text spells beyond doubt, else None."""
    return float(text) if _NUMBER.fullmatch(text) else None


def moment(text: str) -> datetime | None:
    """Return the moment that a text spells beyond doubt, in UTC, else None."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:  # 30 February has the right spelling
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
