"""A view decided anew at a read: what the ledger allows now of what the store holds. Pure.

The twin of a build for one person and one purpose. It computes nothing that a build computes: what it shows stands in
a stored view that was made from records which the purpose may use now, and from no other: a view cannot be cut down to
some of its records, for what was counted and chosen among them would still tell of the others. What no stored view
holds waits for a build.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from consent.model import Decision, Link
from profiles.online.person import rendered
from profiles.online.rules import Served

View = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds of a person: each purpose's view, each record's link, tokens and purposes at the build."""

    size: int
    links: Mapping[str, Link]
    tokens: Mapping[str, Collection[str]]
    purposes: Mapping[str, Collection[str]]
    views: Mapping[str, View] = field(repr=False)

    def used(self, purpose: str) -> frozenset[str]:
        """Return the records that a purpose's view was made from."""
        return frozenset(key for key, purposes in self.purposes.items() if purpose in purposes)


@dataclass(frozen=True, slots=True)
class Word:
    """What the ledger says now of a purpose: of the person, and of each record alone."""

    person: Decision
    records: Mapping[str, Decision]


@dataclass(frozen=True, slots=True)
class Fresh:
    """A view as it may be shown now, as ETag and answer, and the records that the purpose may use."""

    tag: bytes
    body: bytes = field(repr=False)
    usable: frozenset[str]


def fresh(purpose: str, word: Word, held: Held, served: Served, ended: Collection[str]) -> Fresh | None:
    """Return what a purpose may see of a person now, or None where it may see nothing or nothing is there for it.

    `ended` are the purposes that retention may have closed records to: to them no record is opened here.
    """
    if not word.person.allowed:
        return None
    usable = _usable(purpose, word, held, served, ended)
    donor = _donor(purpose, held, usable)
    if donor is None:
        return None
    used, view = held.used(donor), _of(purpose, held.views[donor], own=donor == purpose, served=served)
    if len(used) < held.size:
        view["withheld"] = [*view["withheld"], {"field": "*", "because": "consent"}]
    view["consent"] = {
        "purpose": purpose, "allowed": True, "reason": word.person.reason, "policy": word.person.policy_line,
    }  # fmt: skip
    tag, body = rendered(view)
    return Fresh(tag, body, used)


def remasked(purpose: str, view: View, served: Served) -> dict[str, Any]:
    """Return a view of another time as the purpose may see it now: without what a mask takes out now or took out then.

    What its masks left out then stays told as withheld; equal masks leave the view as it was.
    """
    shown = _of(purpose, view, own=True, served=served)
    told = {one["field"] for one in shown["withheld"]}
    withheld = [*shown["withheld"], *(one for one in view["withheld"] if one["field"] not in told)]
    same = {one["field"] for one in withheld} == {one["field"] for one in view["withheld"]}
    return {**view, **shown, "withheld": view["withheld"] if same else withheld}


def _usable(purpose: str, word: Word, held: Held, served: Served, ended: Collection[str]) -> frozenset[str]:
    before, basis = held.used(purpose), word.person.reason

    def may(record: str) -> bool:
        # Of a record without identifiers nobody can look up here what was said.
        opens = record in before or (purpose not in ended and bool(held.tokens.get(record)))
        return opens and served.may_use(purpose, basis, held.links[record], word.records[record])

    return frozenset(record for record in held.links if may(record))


def _donor(purpose: str, held: Held, usable: frozenset[str]) -> str | None:
    """Return the purpose whose view is shown: made from as many as possible of the usable records and of no other.

    Of equals its own goes first, then the one that withholds least, then the alphabet.
    """
    made = {name: held.used(name) for name in held.views}
    fit = [name for name, used in made.items() if used and used <= usable]
    order = {name: (-len(made[name]), name != purpose, len(held.views[name]["withheld"]), name) for name in fit}
    return min(fit, key=order.__getitem__, default=None)


def _of(purpose: str, view: View, *, own: bool, served: Served) -> dict[str, Any]:
    """Return a stored view as the purpose may see it: under its masks, and without what another's masks took out."""
    masked, short = set(served.masks.get(purpose, ())), served.shortened.get(purpose, {})
    lacking = set() if own else {w["field"] for w in view["withheld"] if w["because"] == "policy"}
    attributes = {
        name: value[: short[name]] if name in short else value
        for name, value in view["attributes"].items()
        if (name not in masked or name in short) and name not in lacking
    }
    withheld = [{"field": name, "because": "policy"} for name in sorted(masked)]
    withheld += [{"field": name, "because": "consent"} for name in sorted(lacking - masked)]
    return {
        "profile_id": view["profile_id"],
        "as_of": view["as_of"],
        "attributes": attributes,
        "traits": {name: value for name, value in view["traits"].items() if name not in masked},
        "identifiers": [one for one in view["identifiers"] if one["type"] not in masked],
        # Who is in an audience was decided for its purpose alone.
        "audiences": view["audiences"] if own else [],
        "withheld": withheld,
        "confidence": view["confidence"],
        "provenance": {name: told for name, told in view["provenance"].items() if name in attributes},
    }
