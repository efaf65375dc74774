"""What one more event makes of a person: whose view may show it, and what each view says then. Pure.

The twin of a build for what a build would do with one more event; what it leaves to the next build stands in
`docs/application.md`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from consent.model import Decision
from ingestion.live import LiveEvent, Named
from profiles import render
from profiles.config import ProfileSettings, Trait
from profiles.details import Reserved, is_shown
from profiles.mask import masked_identifier
from profiles.model import ABSENT, CERTAIN, SHOWN, Link
from profiles.online import sessions
from profiles.online.person import Person, words_of
from profiles.online.sessions import Known
from profiles.online.traits import Declared, Happening, after, together
from profiles.rulebook import Rulebook

_UNITS: Final = Decimal("0.0001")
Decisions = Mapping[str, Decision]


@dataclass(frozen=True, slots=True)
class Served:
    """What decides how a person is served: the policy as a rulebook, the traits, the masks of each purpose."""

    settings: ProfileSettings
    rulebook: Rulebook
    readable: Mapping[tuple[str, str], Collection[str]]
    masks: Mapping[str, tuple[str, ...]]
    shortened: Mapping[str, Mapping[str, int]]
    by_person: frozenset[str]
    contacts: frozenset[str]
    alone: frozenset[str]
    purposes: tuple[str, ...]
    trust: Mapping[str, float] = field(default_factory=dict)
    reserved: Reserved = field(default_factory=lambda: Reserved({}, frozenset()))
    _declared: dict[frozenset[str], Declared] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        settings: ProfileSettings,
        rulebook: Rulebook,
        trust: Mapping[str, float],
        mapped: Mapping[str, Iterable[str]] | None = None,
    ) -> "Served":
        """Return the rules of a workspace; `trust` is that of each source, `mapped` what stands for its fields."""
        proof = rulebook.proof(settings.links.certain_above_bits)
        return cls(
            settings, rulebook, rulebook.readable(), rulebook.masks(), rulebook.shortened(),
            frozenset(rulebook.purposes("person")), frozenset(rulebook.contact_types()), frozenset(proof.alone),
            tuple(sorted(rulebook.policy.purposes)), trust, Reserved.of(mapped or {}, rulebook.masked()),
        )  # fmt: skip

    def may_use(self, purpose: str, basis: str, link: Link, word: Decision) -> bool:
        """Say whether a purpose may use a record of a person whom it may see; the twin of `transforms.scopes.usable`.

        In a purpose that is granted by the person a grant reaches those of their records that are certainly theirs
        and say nothing themselves.
        """
        lent = basis == "consent" and purpose in self.by_person and word.reason in ABSENT and link in CERTAIN
        return link in self.readable[purpose, basis] and (word.allowed or lent)

    def declared(self, masked: frozenset[str]) -> Declared:
        """Return the traits that a purpose sees which these are masked for."""
        found = self._declared.get(masked)
        if found is None:
            found = self._declared[masked] = Declared.of(self.settings.traits, masked)
        return found

    def closed(self, link: Link) -> list[str]:
        """Return the purposes that an identifier tied like this leads nobody to."""
        terms = self.rulebook.policy.purposes
        return sorted(str(p) for p, one in terms.items() if link not in one.readable_links())


def new_record(person: Person, event: LiveEvent, record_key: str, link: Link, may: Iterable[str]) -> None:
    """Add the record of an event's subject to a person, with what it carries and may be used for."""
    tokens = {one.token for one in event.identifiers}
    purposes = sorted(may)
    person.header["records"][record_key] = {"tokens": sorted(tokens), "purposes": purposes}
    person.header["size"] = len(person.header["records"])
    for token in tokens:
        closer(person.header["tokens"], token, link)
    if person.graph:
        person.graph["records"].append(_drawn(event, record_key, link, purposes))


def grown_record(person: Person, event: LiveEvent, record_key: str, link: Link) -> None:
    """Add what a known record's event carries that the record did not."""
    held = person.header["records"][record_key]
    tokens = {one.token for one in event.identifiers}
    held["tokens"] = sorted({*held["tokens"], *tokens})
    for token in tokens:
        closer(person.header["tokens"], token, link)


def closer(tokens: dict[str, str], token: str, link: Link) -> None:
    """Tie a token to a person at least as closely as this."""
    order = ("own", "verified", "probable")
    before = tokens.get(token)
    tokens[token] = link if before is None else min(before, link, key=order.index)


def record_link(person: Person, event: LiveEvent, record_key: str, alone: Collection[str]) -> Link:
    """Return how closely an event's record is tied to a person: by an identifier that proves alone, or likely."""
    if record_key == person.header["anchor"]:
        return "own"
    held = person.header["tokens"]
    ties = [held.get(one.token) for one in event.identifiers if one.type in alone]
    return "verified" if any(tie in CERTAIN for tie in ties) else "probable"


def begun(person: Person, event: LiveEvent, decisions: Decisions, served: Served) -> None:
    """Give somebody who begins with this event a view for each purpose that may see them."""
    for purpose, decision in decisions.items():
        if not decision.allowed:
            continue
        masked = served.masks.get(purpose, ())
        person.views[purpose] = {
            "profile_id": person.profile_id, "as_of": render.moment(event.occurred_at), "attributes": {}, "traits": {},
            "identifiers": [], "audiences": [],
            "consent": {
                "purpose": purpose, "allowed": True, "reason": decision.reason, "policy": decision.policy_line,
            },
            "withheld": [{"field": name, "because": "policy"} for name in sorted(masked)],
            "confidence": 1.0, "provenance": {},
        }  # fmt: skip
        _describe(person, purpose, event, served)


def _describe(person: Person, purpose: str, event: LiveEvent, served: Served) -> None:
    """Put what the one record of a new person says into a view, as survivorship would: it is unopposed."""
    masked, short = served.masks.get(purpose, ()), served.shortened.get(purpose, {})
    contacts = {one.type: one.value for one in event.identifiers if one.type in served.contacts}
    for name, value in sorted({**event.attributes, **contacts}.items()):
        if name in masked and name not in short:
            continue
        shown = value[: short[name]] if name in short else value
        person.views[purpose]["attributes"][name] = shown
        person.views[purpose]["provenance"][name] = {
            "source": event.source, "record": person.profile_id, "observed_at": render.moment(event.occurred_at),
            "rule": "unopposed", "confidence": served.trust.get(event.source, 0.0),
        }  # fmt: skip
    person.words |= set(words_of(purpose, person.views[purpose]["attributes"]))


def happened(person: Person, event: LiveEvent, record_key: str, served: Served) -> None:
    """Have a person live through an event, in each view whose purpose may use its record."""
    order = event.order_id is not None
    units = Decimal(str(event.amount or 0)).quantize(_UNITS)
    one = Happening(
        event.occurred_at, order, order and (event.source, event.order_id) not in person.orders, units,
        int(event.quantity or 0),
    )  # fmt: skip
    may = sorted(set(person.header["records"][record_key]["purposes"]) & set(person.views))
    alike, gap, length = _alike(person), served.settings.sessions.gap, served.settings.timeline.length
    asked = {p: told for p in may if (told := _sessions(person.views[p], served))}
    known = {purpose: _known((person, alike), purpose, length) for purpose in asked}
    lived = _lived(person, event, record_key, served)
    # Most purposes see the same of somebody: what was told once need not be worked out again.
    reckoned: list[tuple[frozenset[str], datetime, Mapping[str, Any], dict[str, Any]]] = []
    for purpose in may:
        view = person.views[purpose]
        masked = frozenset(w["field"] for w in view["withheld"])
        before = datetime.fromisoformat(view["as_of"])
        now = max(before, event.occurred_at)
        was = view["traits"]
        same = [new for out, at, old, new in reckoned if out == masked and at == before and old == was]
        view["traits"] = dict(same[0]) if same else after(was, one, served.declared(masked), (before, now))
        reckoned.append((masked, before, was, dict(view["traits"])))
        if purpose in asked:
            both = known[purpose], known[purpose].after(lived, alike, purpose)
            view["traits"] |= sessions.after(view["traits"], both, asked[purpose], gap, now)
        view["as_of"] = render.moment(now)
        view["identifiers"] = _identified(view["identifiers"], event.identifiers, masked)
    person.timeline = _cut(lived, alike, length)


def _sessions(view: Mapping[str, Any], served: Served) -> list[Trait]:
    return sessions.declared(served.settings, {w["field"] for w in view["withheld"]})


def _known(of: tuple[Person, Mapping[str, tuple[str, ...]]], purpose: str, length: int) -> Known:
    person, alike = of
    return Known.of(person.timeline, alike, purpose, length)


def _alike(person: Person) -> dict[str, tuple[str, ...]]:
    """Return which purposes may use each record of a person."""
    return {key: tuple(one["purposes"]) for key, one in person.header["records"].items()}


def joined(person: Person, other: Person, served: Served) -> None:
    """Bring the past of a profile of nobody to the person whose it is, for each purpose that sees both."""
    mine, length = (person, _alike(person)), served.settings.timeline.length
    others = other, _alike(other)
    person.header["records"] |= other.header["records"]
    person.header["size"] = len(person.header["records"])
    for token, link in other.header["tokens"].items():
        closer(person.header["tokens"], token, "probable" if link == "probable" else "verified")
    if person.graph and other.graph:
        person.graph["records"] += other.graph["records"]
        person.graph["edges"] += other.graph["edges"]
    for purpose, view in person.views.items():
        theirs = other.views.get(purpose)
        if theirs is not None:
            masked = frozenset(w["field"] for w in view["withheld"])
            told, was = _sessions(view, served), (view["traits"], theirs["traits"])
            view["traits"] = together(*was, served.declared(masked))
            view["identifiers"] = _merged(view["identifiers"], theirs["identifiers"])
            view["as_of"] = max(view["as_of"], theirs["as_of"], key=datetime.fromisoformat)
            if told:
                known = (_known(mine, purpose, length), _known(others, purpose, length))
                now = datetime.fromisoformat(view["as_of"])
                view["traits"] |= sessions.together(was, known, told, served.settings.sessions.gap, now)
    person.timeline = _newest([*person.timeline, *other.timeline])


def _identified(held: list[dict[str, str]], named: Iterable[Named], masked: Collection[str]) -> list[dict[str, str]]:
    return _merged(held, [{"type": n.type, "value": n.value} for n in named if n.type not in masked])


def _merged(left: Iterable[dict[str, str]], right: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    found = {(one["type"], one["value"]): one for one in (*left, *right)}
    return [found[key] for key in sorted(found)]


def _lived(person: Person, event: LiveEvent, record_key: str, served: Served) -> list[dict[str, Any]]:
    """Return a timeline with one more event, whole: a line joins its order, everything else stands alone."""
    mine = (event.source, event.order_id, record_key)
    if event.order_id is not None:
        for entry in person.timeline:
            if (entry["source"], entry["order_id"], entry["record_key"]) == mine:
                entry["amount"] = float(Decimal(str(entry["amount"] or 0)) + Decimal(str(event.amount or 0)))
                entry["line_count"] += 1
                entry["lines"] = sorted([*entry["lines"], _line(event)], key=_dearest)
                entry["at"] = min(entry["at"], render.moment(event.occurred_at), key=datetime.fromisoformat)
                return _newest(person.timeline)
    return _newest([_entry(event, record_key, served), *person.timeline])


def _entry(event: LiveEvent, record_key: str, served: Served) -> dict[str, Any]:
    order = event.order_id is not None
    return {
        "at": render.moment(event.occurred_at),
        "kind": "order" if order else "event",
        "source": event.source,
        "record_key": record_key,
        "name": event.name or ("order" if order else event.type),
        "channel": event.channel,
        "order_id": event.order_id,
        "amount": (event.amount or 0.0) if order else event.amount,
        "line_count": int(order),
        "lines": [_line(event)] if order and event.product_id else [],
        "details": {} if order else _details(event, served),
    }


def _details(event: LiveEvent, served: Served) -> dict[str, str]:
    reserved = served.reserved.names(event.source)
    told = ((name, value) for name, value in event.properties.items() if is_shown(name, reserved))
    return {name: value[:SHOWN] for name, value in told}


def _line(event: LiveEvent) -> dict[str, Any]:
    return {
        "product_id": event.product_id or "", "name": None, "quantity": event.quantity or 0.0,
        "amount": event.amount or 0.0,
    }  # fmt: skip


def _dearest(line: Mapping[str, Any]) -> tuple[float, str]:
    return -line["amount"], line["product_id"]


def _newest(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda e: datetime.fromisoformat(e["at"]), reverse=True)


def _cut(entries: list[dict[str, Any]], purposes: Mapping[str, tuple[str, ...]], length: int) -> list[dict[str, Any]]:
    """Return so many entries of the records that the same purposes may use, as a build keeps them."""
    seen: dict[tuple[str, ...], int] = {}
    kept = []
    for entry in entries:
        alike = purposes.get(entry["record_key"], ())
        seen[alike] = seen.get(alike, 0) + 1
        if seen[alike] <= length:
            kept.append(entry)
    return kept


def _drawn(event: LiveEvent, record_key: str, link: Link, purposes: list[str]) -> dict[str, Any]:
    """Return the event's record as the identity graph draws it."""
    return {
        "record_key": record_key,
        "source": event.source,
        "kind": "subject" if event.known else "interval",
        "known": event.known,
        "link": link,
        "observed_at": render.moment(event.occurred_at),
        "label": "",
        "purposes": purposes,
        "attributes": dict(event.attributes),
        "identifiers": [
            {"type": o.type, "value": o.value, "masked": masked_identifier(o.type, o.value), "token": o.token}
            for o in event.identifiers
        ],
    }
