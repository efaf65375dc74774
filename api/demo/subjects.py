"""Whose an identifier is: the known subjects of the event sources, told from those whom nobody can tell apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from api.demo.baskets import BY_CARD, BY_LANDLINE, BY_MOBILE, TILL, Baskets
from api.demo.model import PLACEHOLDER_EMAILS, SHOP_PHONE, Person, Row
from api.demo.world import World
from infra.identifiers import normalise

_NOBODYS = {*PLACEHOLDER_EMAILS, SHOP_PHONE, "+10000000000"}
_SPELLING = {"email": "email", "phone": "phone", "account": "code", "loyalty": "code"}


@dataclass(frozen=True, slots=True)
class Subject:
    """The record that an event source has of one identifier: whose it is, and whether others use it too."""

    source: str
    key: str
    person_id: str
    shared: bool


def holders(world: World) -> dict[str, list[str]]:
    """Return who has each identifier, the one in whose name it is first."""
    out: dict[str, list[str]] = {}
    for claims in (_in_name, _in_use):
        for person in world.people:
            for kind, value in claims(person):
                whose = out.setdefault(f"{kind}:{value}", [])
                if person.person_id not in whose:
                    whose.append(person.person_id)
    return out


def _in_name(person: Person) -> Iterator[tuple[str, str]]:
    yield from (("loyalty", card) for card in person.traces.cards)
    yield from (("account", account) for account in person.traces.accounts)
    yield from (("email", email) for email in person.emails)
    yield from (("phone", phone) for phone in (person.mobile, person.former_mobile) if phone)


def _in_use(person: Person) -> Iterator[tuple[str, str]]:
    if person.traces.till_card:
        yield "loyalty", person.traces.till_card
    if person.landline and person.age(2017) >= 18:
        yield "phone", person.landline


def subjects(
    rows: dict[str, list[Row]], baskets: Baskets, households: set[int], whose: dict[str, list[str]]
) -> list[Subject]:
    """Return the known subjects that the event sources name, each once."""
    acted: dict[tuple[str, str], list[str]] = {}
    for source, key, person_id in (*_of_rows(rows), *_of_baskets(rows, baskets, households)):
        people = acted.setdefault((source, key), [])
        if person_id not in people:
            people.append(person_id)
    out = []
    for (source, key), people in sorted(acted.items()):
        known = whose.get(key, [])
        out.append(Subject(source, key, (known or people)[0], len({*known, *people}) > 1))
    return out


def subject_key(kind: str, raw: object) -> str | None:
    """Return `type:value` as ingestion spells it; nothing for a value that stands for nobody."""
    if not raw or str(raw).strip().lower() in _NOBODYS:
        return None
    value = normalise(_SPELLING[kind], str(raw))
    return None if value is None or value in _NOBODYS else f"{kind}:{value}"


def _of_rows(rows: dict[str, list[Row]]) -> Iterator[tuple[str, str, str]]:
    named: dict[str, Callable[[dict[str, Any]], tuple[tuple[str, object], ...]]] = {
        "web": lambda v: (("account", v.get("userId")), ("email", (v.get("traits") or {}).get("email"))),
        "helpdesk": lambda v: (("email", v["from_email"]), ("phone", v["caller_phone"])),
        "redemptions": lambda v: (("loyalty", v["card_no"]),),
    }
    for source, names in named.items():
        for row in rows[source]:
            keys = (subject_key(kind, raw) for kind, raw in names(row.values))
            key = next((k for k in keys if k), None)
            if key and row.fault is None and not filtered(row):
                yield source, key, row.person_id


def _of_baskets(rows: dict[str, list[Row]], baskets: Baskets, households: set[int]) -> Iterator[tuple[str, str, str]]:
    frame = baskets.frame[baskets.frame["household_id"].isin(households)]
    tills = frame[frame["channel"] == TILL][["buyer", "shown"]].drop_duplicates()
    for buyer, shown in zip(tills["buyer"], tills["shown"], strict=True):
        person = baskets.shoppers[buyer]
        kind, raw = {
            BY_CARD: ("loyalty", person.traces.till_card),
            BY_MOBILE: ("phone", person.mobile),
            BY_LANDLINE: ("phone", person.landline),
        }.get(int(shown), ("phone", None))
        key = subject_key(kind, raw)
        if key:
            yield "tills", key, person.person_id
    shopped = frame[frame["channel"] != TILL]
    typed = {int(r.key): r.values["email"] for r in rows["webshop_guests"] if r.fault is None}
    for buyer, order in zip(shopped["buyer"], shopped["basket_id"], strict=True):
        person = baskets.shoppers[buyer]
        if int(order) in typed:
            key = subject_key("email", typed[int(order)])
        else:
            key = subject_key("account", person.traces.accounts[-1 if order % 4 == 0 else 0])
        if key:
            yield "webshop_orders", key, person.person_id


def filtered(row: Row) -> bool:
    """Say whether a web event says of itself that it may not be kept."""
    context = row.values.get("context")
    consent = context.get("consent") if isinstance(context, dict) else None
    return consent is not None and consent["categoryPreferences"]["analytics"] is False
