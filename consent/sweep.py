"""The sweep: what has run out since the build is denied to readers, as a refusal is, until a build has seen it."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from consent import store
from consent.lapse import Span, lapsed, lifetimes, seen_from
from consent.model import Policy
from consent.overlay import DenyOverlay


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the sweeping of one build has come: when it judged, to which moment and which entry we have looked."""

    built: datetime
    reached: datetime
    sequence: int = 0

    @classmethod
    def of(cls, built: datetime) -> "Mark":
        """Return the mark from which a sweep misses nothing that the build could not see."""
        return cls(built, built)


def sweep(database: Engine, overlay: DenyOverlay, policy: Policy, mark: Mark, now: datetime) -> tuple[Mark, int]:
    """Deny what no longer holds, and return how far that came and under how many identifiers something was denied.

    When this returns every reader obeys. Done again from an earlier mark, it writes the same denials again.
    """
    if now <= mark.reached:
        return mark, 0
    reached = replace(mark, reached=now, sequence=max(mark.sequence, store.last_sequence(database)))
    window, denied = store.Window(mark.reached, now, mark.sequence), 0
    for one in store.ended(database, window, lifetimes(policy)):
        purposes = lapsed(one.entries, policy, Span(mark.built, now))
        if purposes:
            at = seen_from(one.entries, policy, now)
            overlay.restrict([one.token], purposes, at=at, sequence=one.sequence)
            denied += 1
    return reached, denied
