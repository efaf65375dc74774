"""The sweep: what has run out since the build is denied to readers, as a refusal is, until a build has seen it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy import Engine

from consent import store
from consent.lapse import Span, ends, lapsed, lifetimes, seen_from
from consent.model import Policy
from consent.overlay import Denial, DenyOverlay, Moved
from infra.ids import Token

_AT_ONCE: Final = 250


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

    When this returns every reader obeys. Done again from an earlier mark, it writes the same denials again. The end of
    a yes that came after the build denies nothing that the build allowed: it marks that its token moved once more.
    """
    if now <= mark.reached:
        return mark, 0
    reached = replace(mark, reached=now, sequence=max(mark.sequence, store.last_sequence(database)))
    ended = store.ended(database, store.Window(mark.reached, now, mark.sequence), lifetimes(policy))
    news, denied = _news(ended, policy, Span(mark.built, now), mark.reached), 0
    # In parts, so that the first need not wait for the last.
    while part := list(islice(news, _AT_ONCE)):
        overlay.restrict_all(part)
        denied += sum(isinstance(one, Denial) for one in part)
    return reached, denied


def ahead(database: Engine, policy: Policy, after: datetime, until: datetime) -> list[tuple[datetime, Token]]:
    """Return when within a stretch of time a word ends, and under which token, the earliest first.

    It names too many rather than too few: who is named is only decided anew.
    """
    window = store.Window(after, until, store.last_sequence(database))
    return sorted(
        (moment, one.token)
        for one in store.ended(database, window, lifetimes(policy))
        for moment in {end for end in ends(one.entries, policy) if after < end <= until}
    )


def _news(ended: Iterable[store.Ended], policy: Policy, span: Span, looked: datetime) -> Iterator[Denial | Moved]:
    for one in ended:
        seen = seen_from(one.entries, policy, span.until)
        if purposes := lapsed(one.entries, policy, span):
            yield Denial(one.token, purposes, seen, one.sequence)
        elif looked < seen and seen not in {entry.received_at for entry in one.entries}:
            yield Moved(one.token, seen, one.sequence)
