"""Points in time of the demo's two years, always UTC."""

from datetime import UTC, datetime, timedelta
from random import Random

OPENING = datetime(2016, 1, 4, tzinfo=UTC)
YEAR_START = datetime(2017, 1, 1, tzinfo=UTC)
CLOSING = datetime(2017, 12, 31, 23, tzinfo=UTC)


def moment(rng: Random, first: datetime = OPENING, last: datetime = CLOSING) -> datetime:
    """Return a moment of waking hours between two others."""
    days = max(0, (last - first).days)
    day = (first + timedelta(days=rng.randint(0, days))).replace(hour=0, minute=0, second=0, microsecond=0)
    # Seven in the morning to half past ten at night, in minutes of the day; never past the end.
    return min(last, max(first, day + timedelta(minutes=rng.randint(420, 1350), seconds=rng.randint(0, 59))))


def stamp(at: datetime) -> str:
    """Return a moment as RFC 3339 with a Z, the way every source of the demo writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
