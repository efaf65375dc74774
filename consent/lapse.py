"""What runs out between two builds: the purposes that a sid's words carried when the build looked and no longer do.

Serving shows what the last build allowed, and a yes may end before the next one. What is judged here is one sid
alone, for whoever holds it; `consent.decide` is the law, and this module only asks it about two moments.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from consent.decide import Lens, decide, standing
from consent.matrix import ANYWHERE, NO_ROW, everywhere, selection
from consent.model import GIVEN, UNREFUSABLE, ConsentEntry, Holder, MatrixRow, Policy, PurposeTerms, Question
from infra.ids import Purpose


@dataclass(frozen=True, slots=True)
class Span:
    """The time between what a build saw and now."""

    since: datetime
    until: datetime


def lapsed(entries: Iterable[ConsentEntry], policy: Policy, span: Span) -> tuple[Purpose, ...]:
    """Return the purposes that one sid's words allowed at the build and no longer allow.

    Nobody can tell here by which row of the matrix the build judged, so one row under which the answer fell is
    enough: a no too many lasts until the next build, a yes too many would be a breach.
    """
    known = tuple(entries)
    return tuple(
        name
        for name, terms in policy.purposes.items()
        if any(_fell(known, policy, terms, policy.rows[row], span) for row in _rows(policy, terms))
    )


def seen_from(entries: Iterable[ConsentEntry], policy: Policy, until: datetime) -> datetime:
    """Return the moment from which a build sees all that has been said under a sid and all that has run out."""
    known = [e for e in entries if e.received_at <= until]
    return max([*(e.received_at for e in known), *(end for e in known for end in _ends(e, policy) if end <= until)])


def ends(entries: Iterable[ConsentEntry], policy: Policy) -> Iterator[datetime]:
    """Yield the moments at which words end or begin to count; between two of them their answer stays as it is.

    How old somebody is grows on other days; growing older opens and never closes.
    """
    for entry in entries:
        yield from _ends(entry, policy)
        yield from (moment for moment in (entry.effective_from, entry.received_at) if moment is not None)


def lifetimes(policy: Policy) -> tuple[int, ...]:
    """Return the numbers of days after which the policy lets a yes run out, the shortest first."""
    return tuple(sorted({row.expires_after_days for row in policy.rows if row.expires_after_days is not None}))


def _ends(entry: ConsentEntry, policy: Policy) -> Iterator[datetime]:
    if entry.action == GIVEN:
        yield from (entry.told_at + timedelta(days=days) for days in lifetimes(policy))
        if entry.expires_at is not None:
            yield entry.expires_at


def _rows(policy: Policy, terms: PurposeTerms) -> tuple[int, ...]:
    return tuple(row for row in everywhere(selection(policy, terms, terms.channel, None)) if row != NO_ROW)


def _fell(entries: tuple[ConsentEntry, ...], policy: Policy, terms: PurposeTerms, row: MatrixRow, span: Span) -> bool:
    """Say whether a row's answer went from yes to no, or a refusal that a yes had lifted stands again.

    The second reaches farther than the first: a refusal closes everybody who holds the sid, though their own yes
    may have come under another.
    """
    alone = replace(policy, rows=(replace(row, jurisdiction=ANYWHERE),), jurisdiction=None)
    before, now = (_allowed(entries, alone, terms, at) for at in (span.since, span.until))
    if before and not now:
        return True
    if row.basis in UNREFUSABLE:
        return False
    refused, refuses = (_refusals(entries, policy, terms, row, at) for at in (span.since, span.until))
    return not refuses <= refused


def _allowed(entries: tuple[ConsentEntry, ...], policy: Policy, terms: PurposeTerms, at: datetime) -> bool:
    holders = tuple(Holder(sid, "own") for sid in {e.sid for e in entries})
    return decide(Question(purpose=terms.name, as_of=at, holders=holders, entries=entries), policy).allowed


def _refusals(
    entries: tuple[ConsentEntry, ...], policy: Policy, terms: PurposeTerms, row: MatrixRow, at: datetime
) -> frozenset[str]:
    known = [e for e in entries if e.received_at <= at and e.controller == policy.controller]
    lens = Lens(policy, terms, row, terms.channel, None, at)
    return frozenset(identifier for _, identifier in standing(known, lens).refusals)
