"""What stays of a merge that was undone, as a rule: refusals of the other, seen as they stood when the two parted."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from consent.model import PARTED, REFUSALS, RESTRICTED, ConsentEntry, Holder, Question
from infra.ids import Sid

# Words that deny, which a merge lends and a split leaves behind.
DENYING: Final = (*REFUSALS, RESTRICTED)


def denies(entry: ConsentEntry) -> bool:
    """Say whether a word is of those that a person keeps of another: a no, a restriction, or a child's age."""
    return entry.action in DENYING or entry.age_band is not None


def kept_as(sid: Sid, until: datetime) -> Sid:
    """Return the name under which a parted sid's words are held against the person who borrowed them."""
    return Sid(f"{sid}|{until.isoformat()}")


def lent(entries: Iterable[ConsentEntry], sid: Sid, until: datetime) -> tuple[ConsentEntry, ...]:
    """Return the words of a sid as they bear on somebody who parted from it at a moment.

    What denies counts only if it was said before; whatever lifts it counts whenever it is said. Its grants open
    nothing, and no answer tells of them. `profiles.transforms.borrowed.ledger` is the twin in Spark.
    """
    words = (entry for entry in entries if entry.sid == sid)
    return tuple(
        replace(entry, sid=kept_as(sid, until)) for entry in words if not denies(entry) or entry.received_at <= until
    )


def with_borrowed(
    question: Question, borrowed: Iterable[tuple[Sid, datetime]], words: Iterable[ConsentEntry]
) -> Question:
    """Return the question as it is asked of a person who keeps refusals of sids that are no longer theirs."""
    words = tuple(words)
    kept = [(sid, until) for sid, until in borrowed if all(holder.sid != sid for holder in question.holders)]
    holders = tuple(Holder(kept_as(sid, until), PARTED) for sid, until in kept)
    entries = tuple(entry for sid, until in kept for entry in lent(words, sid, until))
    return replace(question, holders=(*question.holders, *holders), entries=(*question.entries, *entries))
