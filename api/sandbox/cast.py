"""The sandbox's people: the same for the same seed, at reserved domains and numbers, some of them for a purpose."""

import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import Final
from unicodedata import normalize

from api.demo.people import address, given_name, surname
from api.sandbox.goods import Bought, orders

MOST: Final = 2_000
# Each area code has a hundred numbers that are nobody's: 555-0100 to 555-0199.
_AREAS: Final = (202, 303, 312, 404, 415, 503, 512, 602, 614, 617, 619, 702, 713, 718, 801, 813, 816, 901, 907, 919)
_DOMAINS: Final = ("example.org", "example.com", "example.net")
_PURPOSES: Final = ("personalization", "email_marketing")


@dataclass(frozen=True, slots=True)
class Invented:
    """One person; `said` are their words by purpose, `questions` what they wait for an answer to."""

    number: int
    id: str
    given: str = field(repr=False)
    family: str = field(repr=False)
    born: str = field(repr=False)
    street: str = field(repr=False)
    city: str = field(repr=False)
    postcode: str = field(repr=False)
    email: str = field(repr=False)
    phone: str = field(repr=False)
    customer: str = field(repr=False)
    account: str = field(repr=False)
    loyalty: str = field(repr=False)
    orders: tuple[Bought, ...] = field(repr=False)
    said: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]

    @property
    def records(self) -> tuple[str, str, str]:
        """The keys of the records that the person is made of: of the CRM, the web shop, the tills."""
        return (f"{self.id[:31]}a", f"{self.id[:31]}b", f"{self.id[:31]}c")

    @property
    def identifiers(self) -> tuple[tuple[str, str], ...]:
        """Each identifier with its type."""
        return (
            ("email", self.email), ("phone", self.phone), ("customer", self.customer), ("account", self.account),
            ("loyalty", self.loyalty),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody, and those whom a test asks for: each of the named ones is one of `people`."""

    people: tuple[Invented, ...]
    merged_id: str
    split_id: str
    shared_phone: str = field(repr=False)

    @property
    def willing(self) -> Invented:
        """Who said yes to everything, bought often and waits for an answer."""
        return self.people[0]

    @property
    def denied(self) -> Invented:
        """Who refused personalization and mail; for service they are known."""
        return self.people[1]

    @property
    def restricted(self) -> Invented:
        """Who stopped every use: unknown to every purpose."""
        return self.people[2]

    @property
    def survivor(self) -> Invented:
        """Whom the merged id leads to."""
        return self.people[3]

    @property
    def successors(self) -> tuple[Invented, Invented]:
        """Who answer for the id that was split."""
        return self.people[4], self.people[5]

    @property
    def sharers(self) -> tuple[Invented, Invented]:
        """Who have a phone together, which therefore leads to nobody."""
        return self.people[6], self.people[7]


def cast(seed: int, count: int) -> Cast:
    """Return so many people; the first eight are there in every cast."""
    if not 8 <= count <= MOST:
        raise ValueError(f"the sandbox holds 8 to {MOST} people")
    return Cast(
        people=tuple(_invented(seed, number) for number in range(count)),
        merged_id=_id(seed, "merged"),
        split_id=_id(seed, "split"),
        # Reserved for stories, and in no area of ours.
        shared_phone="+1 206-555-0100",
    )


def _invented(seed: int, number: int) -> Invented:
    rng = Random(f"{seed}/{number}")
    born = rng.randint(1945, 2005)
    given, family = given_name(rng, rng.choice("FM"), born), surname(rng)
    home = address(rng)
    typed = normalize("NFKD", f"{given}.{family}".lower())
    plain = "".join(c for c in typed if c.isascii() and (c.isalnum() or c == "."))
    return Invented(
        number=number,
        id=_id(seed, str(number)),
        given=given,
        family=family,
        born=f"{born}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        street=home.street,
        city=home.city,
        postcode=home.postcode,
        email=f"{plain}.{number}@{rng.choice(_DOMAINS)}",
        phone=f"+1 {_AREAS[number // 100]}-555-01{number % 100:02d}",
        customer=f"C-{100_000 + number}",
        account=f"A-{100_000 + number}",
        loyalty=f"80{1_000_000 + number * 7}",
        orders=orders(rng, number),
        said=_said(rng, number),
        questions=_questions(rng, number),
    )


def _said(rng: Random, number: int) -> tuple[tuple[str, str], ...]:
    scripted = {
        0: tuple((purpose, "given") for purpose in _PURPOSES),
        1: tuple((purpose, "refused") for purpose in _PURPOSES),
        2: (("service", "restricted"),),
    }
    if number in scripted:
        return scripted[number]
    # Who says nothing is not asked for anything: silence is no yes where a yes is needed.
    chances = {"personalization": 0.7, "email_marketing": 0.5}
    drawn = {purpose: rng.random() for purpose in _PURPOSES}
    words = {purpose: "given" if drawn[purpose] < chances[purpose] else "refused" for purpose in _PURPOSES}
    return tuple((purpose, word) for purpose, word in words.items() if word == "given" or drawn[purpose] > 0.9)


def _questions(rng: Random, number: int) -> tuple[str, ...]:
    asked = rng.choice(("Where is my order?", "A jar arrived broken", "Please correct my invoice", "", "", ""))
    if number == 0:
        return ("Where is my order?",)
    return (asked,) if asked else ()


def _id(seed: int, name: str) -> str:
    return hashlib.sha256(f"sandbox/{seed}/{name}".encode()).hexdigest()[:32]
