"""When an event happened, by the collector's clock: of the sender's only the time between two moments counts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

# How far ahead of its receipt an event may be before its moment counts as wrong.
TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Placed:
    """A moment, and what is to be said of how it was found: `""`, `unreadable` or `future`."""

    at: datetime
    note: str


def corrected(original: str | None, sent_at: str | None, received_at: datetime) -> Placed:
    """Return when an event happened: receivedAt - (sentAt - original).

    Without a readable `sentAt` the original counts as it is, without an original the receipt. What cannot be read,
    and what would lie in the future by more than `TOLERANCE`, is put at the receipt and noted; the raw values stay
    in the entry.
    """
    if original is None:
        return Placed(received_at, "")
    happened = moment(original)
    if happened is None:
        return Placed(received_at, "unreadable")
    sent = None if sent_at is None else moment(sent_at)
    try:
        at = happened if sent is None else received_at - (sent - happened)
    except OverflowError:
        return Placed(received_at, "unreadable")
    return Placed(received_at, "future") if at > received_at + TOLERANCE else Placed(at, "")


def moved(placed: Placed, original: str | None) -> str:
    """Return `moved` where the sender's clock was so wrong that its event had to be placed elsewhere, else nothing."""
    happened = None if original is None else moment(original)
    return "moved" if happened is not None and abs(placed.at - happened) > TOLERANCE else ""


def moment(text: str) -> datetime | None:
    """Return the moment that ISO 8601 text means, in UTC; one without an offset is meant in UTC. None if it is none."""
    try:
        found = datetime.fromisoformat(text.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def written(at: datetime) -> str:
    """Return a moment as the wire writes it: UTC, milliseconds, Z."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def not_before(last: datetime, now: datetime) -> datetime:
    """Return the moment of a receipt: the clock's, unless it was set back. Receipts of one process never go back."""
    return max(last, now)
