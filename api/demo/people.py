"""From places at a table to invented people: names, births, addresses, mailboxes, phones."""

from calendar import monthrange
from dataclasses import replace
from datetime import date
from random import Random

from api.demo.chance import common_first, happens, maybe
from api.demo.directory import Directory
from api.demo.households import Place
from api.demo.model import Address, Household, Person
from api.demo.names import BACKS, FEMALE, FRONTS, KINDS, MALE, NICKNAMES, STREETS, SURNAMES, TOWNS, TWINS

YEAR = 2017


def surname(rng: Random) -> str:
    """Return a family name: mostly from the list, else a composed and rarer one."""
    if happens(rng, 0.62):
        return common_first(rng, SURNAMES)
    return rng.choice(FRONTS) + rng.choice(BACKS)


def given_name(rng: Random, gender: str, born: int) -> str:
    """Return a given name of the time."""
    names = FEMALE if gender == "F" else MALE
    era = max(start for start in names if start <= born)
    return common_first(rng, names[era])


def address(rng: Random) -> Address:
    """Return an address on no map."""
    town, zone = rng.choice(TOWNS)
    flat = f" Apt {rng.randint(1, 48)}" if happens(rng, 0.25) else ""
    street = f"{rng.randint(2, 4899)} {rng.choice(STREETS)} {rng.choice(KINDS)[0]}{flat}"
    return Address(street, town, f"{zone}{rng.randint(1, 99):02d}")


def people(
    rng: Random, household_id: int, position: int, table: list[Place], trap: str | None, like: Person | None
) -> tuple[Person, ...]:
    """Return the people of one household, without mailboxes, phones and traces yet."""
    home, family = address(rng), surname(rng)
    former = maybe(rng, 0.14, address(rng))
    out: list[Person] = []
    for index, place in enumerate(table):
        born = _birth(rng, YEAR - place.age)
        given = _unused(rng, place.gender, born.year, {p.given for p in out})
        out.append(
            Person(
                person_id=f"P{household_id:04d}-{index + 1}",
                household_id=household_id,
                number=position * 16 + index,
                given=given,
                family=family if place.relation != "partner" else _partner(rng, family),
                gender=place.gender,
                birth_date=born,
                address=home,
                former_address=former if place.age >= 14 else None,
            )
        )
    out = [_named(rng, p) for p in _trapped(rng, out, trap, like)]
    return tuple(out)


def _birth(rng: Random, year: int) -> date:
    month = rng.randint(1, 12)
    return date(year, month, rng.randint(1, monthrange(year, month)[1]))


def _unused(rng: Random, gender: str, born: int, used: set[str]) -> str:
    given = given_name(rng, gender, born)
    while given in used:
        given = given_name(rng, gender, born)
    return given


def _partner(rng: Random, family: str) -> str:
    roll, other = rng.random(), surname(rng)
    if roll < 0.74:
        return family
    return f"{other}-{family}" if roll < 0.82 and "-" not in family + other else other


def _trapped(rng: Random, table: list[Person], trap: str | None, like: Person | None) -> list[Person]:
    """Give twins one birthday, a son his father's name, and a namesake the name of somebody elsewhere."""
    if trap == "twins":
        first, second = table[-2], table[-1]
        if first.gender == second.gender:
            names = rng.choice(TWINS[first.gender])
            first, second = replace(first, given=names[0]), replace(second, given=names[1])
        return [*table[:-2], first, replace(second, birth_date=first.birth_date, family=first.family)]
    if trap == "father_son":
        father = replace(table[0], suffix="Sr")
        return [father, *table[1:-1], replace(table[-1], given=father.given, family=father.family, suffix="Jr")]
    if trap == "namesake" and like is not None:
        born = like.birth_date if happens(rng, 0.08) else table[0].birth_date
        if happens(rng, 0.15):
            born = _birth(rng, like.birth_date.year)
        head = replace(table[0], given=like.given, family=like.family, gender=like.gender, birth_date=born)
        return [head, *table[1:]]
    return table


def _named(rng: Random, person: Person) -> Person:
    """Add the nickname that some use and the surname that some had before they married."""
    nickname = maybe(rng, 0.55, NICKNAMES.get(person.given))
    married = person.age(YEAR) >= 22 and happens(rng, 0.13 if person.gender == "F" else 0.015)
    return replace(person, nickname=nickname, former_family=surname(rng) if married else None)


def reachable(rng: Random, household: Household, directory: Directory) -> Household:
    """Return the household with mailboxes and phones, of which some are shared."""
    landline = maybe(rng, 0.45, directory.phone(household.position, 0))
    out: list[Person] = []
    for index, person in enumerate(household.people):
        age, old = person.age(YEAR), index * 2 + 1
        mobile = directory.phone(household.position, old) if age >= 12 and happens(rng, 0.93) else None
        former = directory.phone(household.position, old + 1) if mobile and happens(rng, 0.15) else None
        emails = _mailboxes(rng, person, directory) if age >= 13 else ()
        one = replace(person, mobile=mobile, former_mobile=former, emails=emails, landline=landline)
        out.append(_shared(rng, household, out, one))
    return replace(household, people=tuple(out))


def _mailboxes(rng: Random, person: Person, directory: Directory) -> tuple[str, ...]:
    count = rng.choices((0, 1, 2, 3), (0.05, 0.5, 0.33, 0.12))[0]
    year, family = person.birth_date.year, person.family
    boxes = [directory.email(rng, person.given, family, person.nickname, year) for _ in range(count)]
    if person.former_family and count > 1:
        boxes[-1] = directory.email(rng, person.given, person.former_family, None, year)
    return tuple(boxes)


def _shared(rng: Random, household: Household, before: list[Person], person: Person) -> Person:
    """Let some partners use the other's mailbox or phone, always where that is the household's trap."""
    if len(before) != 1 or person.age(YEAR) < 18 or household.trap in {"father_son", "twins"}:
        return person
    other = before[0]
    if other.emails and (household.trap == "shared_email" or happens(rng, 0.03)):
        own = person.emails[:1] if happens(rng, 0.4) else ()
        person = replace(person, emails=(other.emails[0], *own))
    if other.mobile and happens(rng, 0.05):
        person = replace(person, mobile=other.mobile, former_mobile=None)
    return person
