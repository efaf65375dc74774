"""Columns whose kind is known, seeded: what people leave in many spellings, and what only looks like it.

`tuned` is what discovery was made with; `held_out` comes from other generators, other countries and other lists.
Addresses are of reserved domains, US telephones of the reserved 555-01xx; everything else is drawn at random.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from stdnum import luhn
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

from consent.discovery.persons import family_names, given_names

Maker = Callable[[Random], str]
AREAS = "201 212 214 305 312 404 415 503 512 602 614 617 702 713 718 720 808 816 901 915 919 949".split()


@dataclass(frozen=True)
class Known:
    """A column with the kind that it holds; None where it holds nothing of the kind. `named` columns say what they are."""

    name: str
    values: list[str]
    kind: str | None
    named: bool


def digits(r: Random, count: int) -> str:
    return "".join(r.choice("0123456789") for _ in range(count))


def valid(r: Random, shape: str, module: object) -> str:
    """Return a random number that passes a checker of stdnum; # stands for a digit, @ for a letter."""
    while True:
        text = "".join(
            digits(r, 1) if c == "#" else r.choice("ABCDEFGHJKLMNPRSTUVWXYZ") if c == "@" else c for c in shape
        )
        try:
            module.validate(text)  # type: ignore[attr-defined]
        except (ValidationError, ValueError, IndexError, KeyError):
            continue
        return text


def day(r: Random, first: int, last: int) -> date:
    return date(first, 1, 1) + timedelta(days=r.randrange((last - first + 1) * 365))


def card(r: Random, front: str, length: int) -> str:
    body = front + digits(r, length - len(front) - 1)
    return body + luhn.calc_check_digit(body)


def iban(country: str, body: str) -> str:
    return country + mod_97_10.calc_check_digits(body + country) + body


def grouped(text: str, by: int, sign: str = " ") -> str:
    return sign.join(text[i : i + by] for i in range(0, len(text), by))


def us_phone(r: Random) -> str:
    return f"{r.choice(AREAS)}55501{digits(r, 2)}"


def ean13(r: Random) -> str:
    body = r.choice(["40", "50", "30", "00", "87"]) + digits(r, 10)
    total = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(body))
    return body + str(-total % 10)


def isbn10(r: Random) -> str:
    while True:
        body = digits(r, 9)
        check = -sum(int(d) * (10 - i) for i, d in enumerate(body)) % 11
        if check < 10:
            return body + str(check)


def titled(names: list[str]) -> list[str]:
    return sorted({name.title() for name in names if name.isascii() and len(name) > 2})


def tuned(seed: int, rows: int = 400) -> Iterator[Known]:
    """Yield the columns that discovery was made with."""
    r = Random(seed)
    given, family = titled(list(given_names())), titled(list(family_names()))
    some = r.sample(given, 300), r.sample(family, 600)
    first, last = lambda r: r.choice(some[0]), lambda r: r.choice(some[1])
    from stdnum.br import cpf
    from stdnum.de import idnr
    from stdnum.gb import nhs
    from stdnum.nl import bsn
    from stdnum.pl import pesel

    personal: list[tuple[str, str, Maker, bool]] = [  # kind, a telling name, how, whether values tell without a name
        ("email", "email", lambda r: f"{first(r)}.{last(r)}@example.{r.choice(['org', 'com', 'net'])}".lower(), True),
        ("email", "EMailAddress", lambda r: f"{first(r)[0]}{last(r)}{digits(r, 2)}@EXAMPLE.ORG", True),
        ("phone", "phone", lambda r: f"({(p := us_phone(r))[:3]}) {p[3:6]}-{p[6:]}", True),
        ("phone", "mobile", us_phone, True),
        ("phone", "msisdn", lambda r: f"+1{us_phone(r)}", True),
        ("phone", "telefon", lambda r: f"+49 151 {digits(r, 8)}", True),
        ("given_name", "first_name", first, True),
        ("given_name", "vorname", lambda r: first(r).upper(), True),
        ("family_name", "lastName", last, True),
        ("full_name", "holder", lambda r: f"{first(r)} {last(r)}", True),
        ("full_name", "customer_name", lambda r: f"{last(r).upper()}, {first(r)}", True),
        ("birth_date", "dob", lambda r: day(r, 1935, 2005).isoformat(), True),
        ("birth_date", "date_of_birth", lambda r: f"{day(r, 1935, 2005):%m/%d/%Y}", True),
        ("street", "address", lambda r: f"{r.randrange(1, 9999)} {last(r)} {r.choice(['St', 'Ave', 'Rd', 'Lane'])}", True),
        ("street", "strasse", lambda r: f"{last(r)}straße {r.randrange(1, 200)}", True),
        ("postcode", "zip", lambda r: f"{digits(r, 5)}", False),
        ("postcode", "postcode", lambda r: f"{r.choice('BLMS')}{r.randrange(1, 20)} {digits(r, 1)}{r.choice('AB')}{r.choice('DE')}", True),
        ("city", "city", lambda r: f"{last(r)}{r.choice(['ville', 'burg', ' City', 'ton'])}", False),
        ("national_id", "ssn", lambda r: f"{r.randrange(100, 600)}-{r.randrange(10, 99)}-{r.randrange(1000, 9999)}", True),
        ("national_id", "bsn", lambda r: valid(r, "#########", bsn), True),
        ("national_id", "cpf", lambda r: valid(r, "###.###.###-##", cpf), True),
        ("national_id", "pesel", lambda r: valid(r, f"{day(r, 1950, 1999):%y%m%d}#####", pesel), True),
        ("national_id", "nhs_number", lambda r: valid(r, "##########", nhs), False),
        ("national_id", "steuer_id", lambda r: valid(r, "###########", idnr), True),
        ("iban", "iban", lambda r: iban("DE", digits(r, 18)), True),
        ("credit_card", "card_number", lambda r: card(r, "4", 16), True),
        ("credit_card", "pan", lambda r: grouped(card(r, "51", 16), 4), True),
        ("ip_address", "client_ip", lambda r: f"203.0.113.{r.randrange(256)}", True),
        ("ip_address", "ip", lambda r: f"2001:db8:{digits(r, 4)}::{digits(r, 2)}", True),
        ("geo_position", "latitude", lambda r: f"{r.uniform(35, 45):.5f}", False),
        ("geo_position", "coordinates", lambda r: f"{r.uniform(35, 45):.5f}, {r.uniform(-90, -80):.5f}", True),
        ("cookie", "anonymousId", lambda r: str(uuid.UUID(int=r.getrandbits(128))), False),
        ("cookie", "_ga", lambda r: f"GA1.2.{digits(r, 9)}.1{digits(r, 9)}", True),
        ("device", "context.device.id", lambda r: f"{r.getrandbits(64):016x}", False),
        ("customer", "customer_id", lambda r: f"C{digits(r, 7)}", False),
        ("loyalty", "loyalty_card", lambda r: f"28{digits(r, 10)}", False),
        ("account", "account_no", lambda r: f"W{digits(r, 6)}", False),
        ("digest", "email_sha256", lambda r: f"{r.getrandbits(256):064x}", False),
        ("free_text", "remarks", lambda r: r.choice(["please call", "reach me at", "my number:"]) + f" ({r.choice(AREAS)}) 555-01{digits(r, 2)} about order {digits(r, 8)}", True),
        ("free_text", "body", lambda r: "my order is late and nobody answers" + (f", mail {first(r).lower()}@example.org" if r.random() < 0.1 else " me"), True),
    ]  # fmt: skip
    things: list[tuple[str, Maker]] = [
        ("sku", lambda r: f"{r.choice(['AB', 'KX', 'ZT'])}-{digits(r, 5)}"),
        ("order_no", lambda r: digits(r, 10)),
        ("invoice", lambda r: f"{6145550000 + r.randrange(2000)}"),
        ("price", lambda r: f"{r.uniform(1, 200):.2f}"),
        ("ean", ean13),
        ("created_at", lambda r: f"{day(r, 2016, 2026).isoformat()}T{r.randrange(10, 24)}:{r.randrange(10, 60)}:00Z"),
        ("shipped_on", lambda r: day(r, 2015, 2026).isoformat()),
        ("ts", lambda r: str(r.randrange(1_400_000_000, 1_800_000_000))),
        ("request", lambda r: str(uuid.UUID(int=r.getrandbits(128)))),
        ("description", lambda r: f"{r.choice(['Organic', 'Fresh', 'Frozen'])} {r.choice(['milk', 'bread', 'peas'])} {r.randrange(1, 9)} x {r.randrange(100, 900)} g, best before June"),
        ("color", lambda r: r.choice("White Black Brown Green Gray Gold Rose Olive Violet Navy Silver Tan Ruby Jade".split())),
        ("month", lambda r: r.choice("January February March April May June July August September October".split())),
        ("brand", lambda r: r.choice("Ford Kelly Abbott Wilson Nelson Perry Campbell Kraft Heinz Mars Wrigley Tyson".split())),
        ("status", lambda r: r.choice(["open", "closed", "pending"])),
        ("opt_in", lambda r: r.choice(["true", "false"])),
        ("email_opt_in", lambda r: r.choice(["true", "false"])),
        ("version", lambda r: f"{r.randrange(10)}.{r.randrange(20)}.{r.randrange(20)}.{r.randrange(9)}"),
        ("quantity", lambda r: str(r.randrange(1, 400))),
        ("url", lambda r: f"https://shop.example.org/p/{digits(r, 6)}"),
        ("icon", lambda r: f"img{digits(r, 3)}@2x.png"),
        ("isbn", isbn10),
        ("checksum", lambda r: f"{r.getrandbits(256):064x}"),
        ("tracking", lambda r: f"1Z{digits(r, 3)}AA{digits(r, 10)}"),
        ("company", lambda r: f"{last(r)} {r.choice(['Inc', 'LLC', 'GmbH', '& Sons Ltd', 'Group'])}"),
        ("product_name", lambda r: f"{r.choice(['Deluxe', 'Classic', 'Ultra'])} {r.choice(['Chair', 'Lamp', 'Table', 'Rug'])} {r.choice(['Oak', 'Pine', 'Steel'])}"),
        ("country", lambda r: r.choice("France Germany Italy Spain Sweden Norway Denmark Jordan Chad Georgia India Peru".split())),
        ("job_title", lambda r: r.choice("Baker Cook Miller Mason Carpenter Tailor Fisher Butcher Potter Gardener Taylor".split())),
    ]  # fmt: skip
    yield from _columns(r, personal, things, rows)


def _columns(
    r: Random, personal: list[tuple[str, str, Maker, bool]], things: list[tuple[str, Maker]], rows: int
) -> Iterator[Known]:
    for place, (kind, name, make, tells) in enumerate(personal):
        yield Known(name, [make(r) for _ in range(rows)], kind, named=True)
        if tells:
            yield Known(f"c{place}", [make(r) for _ in range(rows)], kind, named=False)
    for place, (name, make) in enumerate(things):
        yield Known(name, [make(r) for _ in range(rows)], None, named=True)
        yield Known(f"t{place}", [make(r) for _ in range(rows)], None, named=False)
