"""Sessions: what happens within a gap of each other belongs together. Pure; the rule that batch and online share.

Two moments are of one session if no pause between them is longer than the gap. So the sessions of a set of moments are
the same in whatever order these became known, and one more moment changes nothing but what lies within a gap of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """A session, from its first moment to its last."""

    first: datetime
    last: datetime


def sessions(moments: Iterable[datetime], gap: timedelta) -> list[Session]:
    """Return the sessions of some moments, the earliest first; the twin of `profiles.transforms.sessions`."""
    found: list[Session] = []
    for moment in sorted(moments):
        if found and moment - found[-1].last <= gap:
            found[-1] = Session(found[-1].first, moment)
        else:
            found.append(Session(moment, moment))
    return found


def reaching(found: Iterable[Session], border: datetime | None) -> int:
    """Return how many sessions reach beyond a border: as many as there are of the moments after it."""
    return sum(border is None or one.last > border for one in found)
