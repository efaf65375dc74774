"""Session traits after one more event, from what the timeline shows of the time around it. Pure.

A timeline is cut, so it tells all that happened since its oldest entry, and of what was before only what the traits
say. Within it any order of arrival comes out as in a build; what comes from before it waits for the next one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from profiles.config import SESSIONS, ProfileSettings, Trait
from profiles.online.traits import second
from profiles.sessions import Session, reaching, sessions

Entry = Mapping[str, Any]
_EVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Known:
    """The moments of a person that a purpose may use, and since when all of them are known."""

    moments: tuple[datetime, ...]
    since: datetime

    @classmethod
    def of(cls, timeline: Iterable[Entry], alike: Mapping[str, tuple[str, ...]], purpose: str, length: int) -> "Known":
        """Return what a timeline tells a purpose; `alike` says which purposes may use each record.

        So many entries are kept of the records that the same purposes may use: from there on it tells nothing.
        """
        of: dict[tuple[str, ...], list[datetime]] = {}
        for entry in timeline:
            purposes = alike.get(entry["record_key"], ())
            if purpose in purposes:
                of.setdefault(purposes, []).append(datetime.fromisoformat(entry["at"]))
        since = max((min(found) for found in of.values() if len(found) >= length), default=_EVER)
        return cls(tuple(at for found in of.values() for at in found if at >= since), since)

    def after(self, timeline: Iterable[Entry], alike: Mapping[str, tuple[str, ...]], purpose: str) -> "Known":
        """Return what a timeline that has one more entry, and is not cut yet, tells of the same time."""
        told = (e["at"] for e in timeline if purpose in alike.get(e["record_key"], ()))
        moments = (datetime.fromisoformat(at) for at in told)
        return Known(tuple(at for at in moments if at >= self.since), self.since)


def declared(settings: ProfileSettings, masked: Collection[str]) -> list[Trait]:
    """Return the session traits that a purpose sees."""
    return [trait for trait in settings.traits if trait.compute in SESSIONS and trait.name not in masked]


def after(
    traits: Mapping[str, Any], known: tuple[Known, Known], told: Sequence[Trait], gap: timedelta, as_of: datetime
) -> dict[str, Any]:
    """Return the traits once what was known is something else; `known` is before and after, of the same time."""
    return _told([(traits, sessions(known[0].moments, gap))], known[1], told, gap, as_of)


def together(
    sides: tuple[Mapping[str, Any], Mapping[str, Any]],
    known: tuple[Known, Known],
    told: Sequence[Trait],
    gap: timedelta,
    as_of: datetime,
) -> dict[str, Any]:
    """Return the session traits of a person whose past lay in two profiles."""
    since = max(one.since for one in known)
    moments = [tuple(at for at in one.moments if at >= since) for one in known]
    before = [(side, sessions(own, gap)) for side, own in zip(sides, moments, strict=True)]
    return _told(before, Known(moments[0] + moments[1], since), told, gap, as_of)


def _told(
    before: Sequence[tuple[Mapping[str, Any], Sequence[Session]]],
    known: Known,
    told: Sequence[Trait],
    gap: timedelta,
    as_of: datetime,
) -> dict[str, Any]:
    """Return the traits of what is known now; `before` is what was said, with the sessions it was said of."""
    now, values = sessions(known.moments, gap), {}
    for trait in told:
        if trait.compute == "session_count":
            border = as_of - timedelta(days=trait.window_days) if trait.window_days else None
            unseen = [side[trait.name] - reaching(found, border) for side, found in before if trait.name in side]
            values[trait.name] = reaching(now, border) + sum(unseen)
        elif now:
            # What was said of the session that is the latest now; said of an earlier one it counts no more.
            said = [
                s[trait.name] for s, found in before if trait.name in s and found and found[-1].last >= now[-1].first
            ]
            values[trait.name] = _edge(trait, now[-1], said, cut=now[-1].first == known.since)
    return values


def _edge(trait: Trait, latest: Session, said: Sequence[str], *, cut: bool) -> str:
    if trait.compute == "session_end":
        return second(latest.last)
    # A session that goes back to where the timeline was cut began when it was said to begin.
    return min([second(latest.first), *(said if cut else ())])
