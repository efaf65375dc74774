"""A stretch of time by arrival, as people write it and as a run's arguments carry it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from infra.errors import Malformed

_AGO: Final = re.compile(r"(\d{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment, and up to but not at another."""

    since: datetime
    until: datetime

    def __contains__(self, at: datetime) -> bool:
        """Say whether a moment lies within."""
        return self.since <= at < self.until

    def __str__(self) -> str:
        """Say it to people."""
        return f"{self.since:%Y-%m-%d %H:%M:%S}Z to {self.until:%Y-%m-%d %H:%M:%S}Z"


def span(since: str, until: str | None, zone: str, now: datetime) -> Span:
    """Return the stretch that two texts mean; without the second it ends now."""
    found = Span(moment(since, "--since", zone, now), moment(until, "--until", zone, now) if until else now)
    if found.since >= found.until:
        raise Malformed(f"--since {since} is not before --until {until or 'now'}; write the earlier moment first")
    return found


def moment(text: str, option: str, zone: str, now: datetime) -> datetime:
    """Return the moment that a text means: how long ago (`7d`, `12h`), or ISO 8601, in the zone if it names none."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
        return (found.replace(tzinfo=ZoneInfo(zone)) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed(
            f"{option}: not a moment; write how long ago, such as 7d or 12h, or 2026-05-01 or 2026-05-01T10:00:00Z"
        ) from None
