"""Whose permissions another policy would change: the same people asked under both, at one moment, without writing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from consent.borrowed import kept_as, lent
from consent.compiled import Compiled
from consent.model import PARTED, ConsentEntry, Holder, Link, Policy, Question
from infra.ids import Purpose, Sid

# A purpose that one of the policies does not declare allows nothing there.
UNDECLARED: Final = "undeclared"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A person as the last build knows them: tokens with links, contacts among them, places, and refusals they keep."""

    links: Mapping[str, Link]
    contacts: frozenset[str] = frozenset()
    jurisdictions: tuple[str, ...] = ()
    borrowed: tuple[tuple[Sid, datetime], ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """An answer that differs: for which purpose and where, from which reason to which."""

    purpose: str
    allowed: bool
    jurisdiction: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Foresight:
    """How many people would be asked, how many allow each purpose now and then, and what would change."""

    people: int
    allowed_now: Mapping[str, int]
    allowed_then: Mapping[str, int]
    changes: Mapping[Change, int]
    masks: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


class _Asking:
    """One policy asked about one person after the other, for each purpose of either policy."""

    def __init__(self, policy: Policy) -> None:
        self._policy, self._compiled = policy, Compiled(policy)

    def answer(
        self, person: Known, words: tuple[ConsentEntry, ...], purpose: Purpose, at: datetime
    ) -> tuple[bool, str]:
        """Return whether the purpose is allowed and why; contacts speak for themselves where the purpose has it so."""
        terms = self._policy.purposes.get(purpose)
        if terms is None:
            return False, UNDECLARED
        by_contact = terms.level == "contact"
        holders = tuple(
            Holder(Sid(token), "own" if by_contact and token in person.contacts else link)
            for token, link in person.links.items()
        ) + tuple(Holder(kept_as(*kept), PARTED) for kept in person.borrowed)
        question = Question(
            purpose=purpose, as_of=at, holders=holders, entries=words, jurisdictions=person.jurisdictions
        )
        decision = self._compiled.decide(question)
        return decision.allowed, decision.reason


def foresee(
    now: Policy,
    then: Policy,
    people: Iterable[Known],
    words: Mapping[str, tuple[ConsentEntry, ...]],
    words_of: Mapping[Sid, tuple[ConsentEntry, ...]],
    at: datetime,
) -> Foresight:
    """Return what another policy would change for people; `words` is the ledger by token, `words_of` by sid."""
    purposes = list(dict.fromkeys((*now.purposes, *then.purposes)))
    asked = (_Asking(now), _Asking(then))
    count, allowed = 0, (Counter[str](), Counter[str]())
    changes: Counter[Change] = Counter()
    for person in people:
        count += 1
        said = _said(person, words, words_of)
        for purpose in purposes:
            before, after = (one.answer(person, said, purpose, at) for one in asked)
            allowed[0][purpose] += before[0]
            allowed[1][purpose] += after[0]
            if before[0] != after[0]:
                place = ", ".join(person.jurisdictions) or UNKNOWN
                changes[Change(purpose, after[0], place, before[1], after[1])] += 1
    return Foresight(count, dict(allowed[0]), dict(allowed[1]), dict(sorted(changes.items())), _masks(now, then))


def _said(
    person: Known, words: Mapping[str, tuple[ConsentEntry, ...]], words_of: Mapping[Sid, tuple[ConsentEntry, ...]]
) -> tuple[ConsentEntry, ...]:
    own = (replace(entry, sid=Sid(token)) for token in person.links for entry in words.get(token, ()))
    kept = (entry for sid, until in person.borrowed for entry in lent(words_of.get(sid, ()), sid, until))
    return (*own, *kept)


def _masks(now: Policy, then: Policy) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return for each purpose the fields that it would no longer see whole, and those that it would see again."""
    found = {}
    for purpose in dict.fromkeys((*now.masks, *then.masks)):
        before, after = set(now.masks.get(purpose, ())), set(then.masks.get(purpose, ()))
        if before != after and purpose in now.purposes and purpose in then.purposes:
            found[str(purpose)] = (tuple(sorted(after - before)), tuple(sorted(before - after)))
    return found
