"""Pairs of records that a matcher is led to join and must not, with some that it must, by the kind of trap."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

from api.demo.model import PLACEHOLDER_EMAILS, SHOP_PHONE_TYPED, Household, Person, Row
from api.demo.subjects import subject_key
from api.demo.world import World

Record = tuple[str, str]
EACH, PLACEHOLDER_PAIRS = 6, 60


@dataclass(frozen=True, slots=True)
class Trap:
    """Two records and whether they are one person."""

    trap: str
    a: Record
    b: Record
    same: bool


def traps(world: World, records: dict[str, list[Record]], rows: dict[str, list[Row]]) -> list[Trap]:
    """Return every trap that was set, `records` being each person's rows in the person sources."""
    out: list[Trap] = []
    by_id = {p.person_id: p for p in world.people}
    logins = {r.person_id: r for r in rows["web"] if "userId" in r.values and r.fault is None}
    for household in world.households:
        out += _of_names(household, records, by_id)
        out += _of_sharing(household, records)
        out += _of_tablet(household, logins)
    return out + list(_of_kiosk(rows["web"])) + list(_of_placeholders(rows))


def _pair(trap: str, a: Person, b: Person, records: dict[str, list[Record]]) -> list[Trap]:
    """Return pairs across two people, which are none, and pairs within each, which are one."""
    mine, theirs = records.get(a.person_id, []), records.get(b.person_id, [])
    apart = [Trap(trap, x, y, same=False) for x, y in product(mine, theirs)][:EACH]
    within = [Trap(trap, x, y, same=True) for own in (mine, theirs) for x, y in list(combinations(own, 2))[:2]]
    return apart + (within if apart else [])


def _of_names(household: Household, records: dict[str, list[Record]], by_id: dict[str, Person]) -> list[Trap]:
    people = household.people
    if household.trap == "twins":
        return _pair("twins", people[-2], people[-1], records)
    if household.trap == "father_son":
        return _pair("father_son", people[0], people[-1], records)
    if household.namesake_of:
        return _pair("namesake", by_id[household.namesake_of], people[0], records)
    return []


def _of_sharing(household: Household, records: dict[str, list[Record]]) -> Iterator[Trap]:
    for a, b in combinations(household.shoppers, 2):
        if a.traces.till_card and a.traces.till_card == b.traces.till_card:
            yield from _card_pairs(a, b, records)
        if set(a.emails) & set(b.emails):
            yield from _pair("shared_email", a, b, records)


def _card_pairs(a: Person, b: Person, records: dict[str, list[Record]]) -> list[Trap]:
    """Return the shared card's record beside the records of the one who only uses it."""
    holder, user = (a, b) if a.traces.till_card in a.traces.cards else (b, a)
    card = holder.traces.till_card
    if card is None or card not in holder.traces.cards:
        return []
    return [Trap("shared_card", ("loyalty", card), other, same=False) for other in records.get(user.person_id, [])[:3]]


def _of_tablet(household: Household, logins: dict[str, Row]) -> list[Trap]:
    if household.tablet is None:
        return []
    users = [logins[p.person_id] for p in household.shoppers if p.person_id in logins]
    return [_accounts("shared_tablet", a, b) for a, b in combinations(users, 2)]


def _of_kiosk(rows: Sequence[Row]) -> Iterator[Trap]:
    """Yield neighbouring logins at one terminal, which is where a window of time goes wrong."""
    by_terminal: dict[str, list[Row]] = {}
    for row in rows:
        if row.values.get("channel") == "kiosk" and "userId" in row.values and row.fault is None:
            by_terminal.setdefault(str(row.values["anonymousId"]), []).append(row)
    for visits in by_terminal.values():
        visits.sort(key=lambda r: (str(r.values["timestamp"]), r.key))
        seen = {_accounts("kiosk", a, b) for a, b in pairwise(visits) if a.person_id != b.person_id}
        yield from sorted(seen, key=lambda t: (t.a, t.b))


def _accounts(trap: str, a: Row, b: Row) -> Trap:
    first, second = sorted(subject_key("account", r.values["userId"]) or "" for r in (a, b))
    return Trap(trap, ("web", first), ("web", second), same=False)


def _of_placeholders(rows: dict[str, list[Row]]) -> Iterator[Trap]:
    carriers: dict[str, list[tuple[Record, str]]] = {}
    columns = {
        "crm": ("email", "mobile"), "loyalty": ("email", "phone"), "webshop_guests": ("email", "phone"),
        "newsletter": ("email",),
    }  # fmt: skip
    for source, names in columns.items():
        for row in rows[source]:
            if row.fault is None and not row.copy:
                for value in _stand_ins(row.values[name] for name in names):
                    carriers.setdefault(value, []).append(((source, row.key), row.person_id))
    for value in sorted(carriers):
        chain = pairwise(carriers[value])
        pairs = [(a, b) for (a, one), (b, other) in chain if one != other]
        yield from (Trap("placeholder", a, b, same=False) for a, b in pairs[:PLACEHOLDER_PAIRS])


def _stand_ins(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        text = str(value or "").lower()
        if text in PLACEHOLDER_EMAILS or text in {"000-000-0000", SHOP_PHONE_TYPED}:
            yield text
