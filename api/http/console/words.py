"""What codes are called on a page, and how numbers, times and weights are written there."""

from datetime import UTC, datetime, tzinfo
from typing import Any

_MINUS = "\N{MINUS SIGN}"
RULES = {
    "most_trusted": "most trusted source",
    "most_recent": "most recent",
    "most_frequent": "most frequent",
    "longest": "longest",
    "unopposed": "only claim",
    "alphabetical": "first in the alphabet",
}
_SPELLED = {
    "crm": "CRM",
    "rfm": "RFM",
    "url": "URL",
    "gpc": "GPC",
    "30d": "in 30 days",
    "90d": "in 90 days",
    "365d": "in a year",
}
WHY_NOT = {
    "below_threshold": "too little speaks for one person",
    "mean_weight": "the two groups agree too little on the whole",
    "strong_negative": "compared with each other, the two persons contradict themselves",
    "no_evidence": "nothing else joins the two groups",
    "shared": "an identifier alone joins nobody who holds it with others",
    "ambiguous": "it could belong to more than one person",
    "cannot_link": "a steward keeps them apart",
}
LINKS = {"own": "anchor", "verified": "verified", "probable": "probable"}


def label(name: str) -> str:
    """Return a field's or source's name as people read it."""
    said = [_SPELLED.get(word, word) for word in name.replace(".", " ").replace("_", " ").split(" ")]
    text = " ".join(said)
    return text[:1].upper() + text[1:]


def rule(name: str) -> str:
    """Return what a survivorship rule did."""
    return RULES.get(name, label(name).lower())


def why_not(code: str) -> str:
    """Return why an edge was not followed."""
    if code.startswith("limit:"):
        return f"one person may not have so many of: {label(code.removeprefix('limit:')).lower()}"
    return WHY_NOT.get(code, label(code).lower() if code else "not followed")


def bits(value: float) -> str:
    """Return a weight in bits with its sign (a true minus, as wide as a plus): `+9.8`."""
    return f"{_MINUS if value < 0 else '+'}{abs(value):.1f}"


def moment(value: str | datetime | None) -> datetime | None:
    """Return a stored time, aware; None where there is none or it cannot be read."""
    if isinstance(value, datetime) or value is None:
        return value
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def typed(text: str, zone: tzinfo) -> datetime | None:
    """Return the moment that a form's field of day and time says, where the shop is; None for what says none."""
    try:
        said = datetime.fromisoformat(text)
        return (said if said.tzinfo else said.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def clock(value: str | datetime | None, zone: tzinfo = UTC) -> str:
    """Return a moment in words, to the minute: `14 Sep 2026, 10:05`."""
    when = moment(value)
    return "" if when is None else f"{when.astimezone(zone):%-d %b %Y, %H:%M}"


def day(value: str | datetime | None, zone: tzinfo = UTC) -> str:
    """Return a date in words: `14 Sep 2026`."""
    when = moment(value)
    return "" if when is None else f"{when.astimezone(zone):%-d %b %Y}"


def money(value: Any) -> str:
    """Return an amount with thousands apart: `1,893.12`."""
    try:
        return f"{float(value):,.2f}"
    except (TypeError, ValueError):
        return str(value)


def percent(value: Any) -> str:
    """Return a share as per cent, never rounded up to certainty."""
    share = min(max(float(value), 0.0), 1.0) * 100
    return "100 %" if share == 100 else f"{min(share, 99.9):.1f} %"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
