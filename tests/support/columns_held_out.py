"""The half of the corpus that discovery was not made with: other countries, other spellings, other lists of names."""

import csv
from collections.abc import Iterator
from pathlib import Path
from random import Random

from columns import AREAS, Known, Maker, _columns, card, day, digits, grouped, iban, us_phone, valid

from api.demo.names import FEMALE, MALE


def names(reference: Path | None) -> tuple[list[str], list[str]]:
    """Return given names of the demo, and surnames that discovery's list does not go down to: ranks 5,001 to 10,000.

    Without the folder of reference lists, surnames are made up of syllables, which no list has.
    """
    given = sorted({name for group in (*FEMALE.values(), *MALE.values()) for name in group})
    if reference is None:
        return given, []
    with (reference / "surnames_us_2010" / "census_surnames_2010_top10k.csv").open(encoding="utf-8") as file:
        return given, [row["name"].title() for row in csv.DictReader(file) if int(row["rank"]) > 5000]


def held_out(seed: int, reference: Path | None, rows: int = 400) -> Iterator[Known]:
    """Yield columns from generators that no rule was made with."""
    from stdnum.es import dni
    from stdnum.fi import hetu
    from stdnum.fr import nir
    from stdnum.se import personnummer
    from stdnum.tr import tckimlik

    r = Random(seed)
    given, rare = names(reference)
    common = "Smith Johnson Garcia Nguyen Müller Rossi Dubois Kowalski Jensen Tanaka Okafor Silva Ivanov Novak Yilmaz".split()

    def family(r: Random) -> str:  # as in life: half of the people have a frequent name
        return r.choice(common) if not rare or r.random() < 0.5 else r.choice(rare)

    def born(r: Random) -> str:
        return f"{day(r, 1940, 2004):%d %b %Y}"

    personal: list[tuple[str, str, Maker, bool]] = [
        ("email", "contact", lambda r: f"{r.choice(given).lower().encode('ascii', 'ignore').decode() or 'x'}+{digits(r, 3)}@mail.example.com", True),
        ("email", "reply_to", lambda r: f"{r.choice(given)} <user{digits(r, 5)}@example.net>", True),
        ("phone", "handynummer", lambda r: f"0049 17{digits(r, 1)} {digits(r, 7)}", True),
        ("phone", "tel_no", lambda r: f"{(p := us_phone(r))[:3]}.{p[3:6]}.{p[6:]}", True),
        ("phone", "celular", lambda r: f"+55 11 9{digits(r, 4)}-{digits(r, 4)}", True),
        ("phone", "caller", lambda r: f"+33 6 {grouped(digits(r, 8), 2)}", True),
        ("phone", "phone_home", lambda r: f"030 {digits(r, 4)} {digits(r, 3)}", False),
        ("given_name", "prenom", lambda r: r.choice(given), True),
        ("given_name", "fname", lambda r: r.choice(given).lower(), True),
        ("family_name", "cognome", family, True),
        ("family_name", "surname", lambda r: family(r).upper(), True),
        ("full_name", "passenger", lambda r: f"{r.choice(['Mr.', 'Ms', 'Dr', ''])} {r.choice(given)} {r.choice('ABCDE')}. {family(r)}".strip(), True),
        ("full_name", "name", lambda r: f"{r.choice(given)} {family(r)}", True),
        ("full_name", "assignee", lambda r: f"{family(r)}, {r.choice(given)}", True),
        ("birth_date", "born_on", born, True),
        ("birth_date", "geburtsdatum", lambda r: f"{day(r, 1940, 2004):%d.%m.%Y}", True),
        ("birth_date", "bday", lambda r: f"{day(r, 1940, 2004):%Y%m%d}", True),
        ("birth_date", "birth_ts", lambda r: f"{day(r, 1940, 2004).isoformat()} 00:00:00", True),
        ("street", "adresse", lambda r: f"{r.randrange(1, 120)} rue {r.choice(['de la', 'du', 'des'])} {family(r)}", True),
        ("street", "indirizzo", lambda r: f"Via {family(r)}, {r.randrange(1, 120)}", True),
        ("street", "straat", lambda r: f"{family(r)}laan {r.randrange(1, 200)}", True),
        ("street", "addr1", lambda r: f"{r.randrange(1, 900)} {r.choice(['N', 'South', 'E'])} {family(r)} {r.choice(['Blvd', 'Parkway', 'Court', 'Terrace'])} Apt {digits(r, 2)}", True),
        ("street", "line1", lambda r: f"PO Box {digits(r, 4)}", True),
        ("postcode", "plz", lambda r: digits(r, 5), False),
        ("postcode", "code_postal", lambda r: digits(r, 5), False),
        ("postcode", "postal_code", lambda r: f"{r.choice('KLMNV')}{digits(r, 1)}{r.choice('ABC')} {digits(r, 1)}{r.choice('ABC')}{digits(r, 1)}", True),
        ("postcode", "zipcode", lambda r: f"{digits(r, 5)}-{digits(r, 4)}", True),
        ("city", "wohnort", lambda r: r.choice(["Bad ", "Neu", "Alt", ""]) + r.choice(common) + r.choice(["dorf", "heim", "stadt"]), False),
        ("national_id", "dni", lambda r: valid(r, "########@", dni), True),
        ("national_id", "hetu", lambda r: valid(r, f"{day(r, 1940, 1999):%d%m%y}-###@", hetu), True),
        ("national_id", "insee", lambda r: valid(r, f"{r.choice('12')}{day(r, 1940, 1999):%y%m}75###########"[:15], nir), True),
        ("national_id", "personnummer", lambda r: valid(r, f"{day(r, 1940, 1999):%y%m%d}-####", personnummer), True),
        ("national_id", "tc", lambda r: valid(r, "###########", tckimlik), True),
        ("national_id", "ni_number", lambda r: f"{r.choice('ABCE')}{r.choice('ABCE')} {grouped(digits(r, 6), 2)} {r.choice('ABCD')}", True),
        ("national_id", "social_security_no", lambda r: f"{r.randrange(100, 600)}{r.randrange(10, 99)}{r.randrange(1000, 9999)}", False),
        ("iban", "konto", lambda r: grouped(iban("NL", f"ABNA{digits(r, 10)}"), 4), True),
        ("iban", "payout", lambda r: iban("GB", f"WEST{digits(r, 14)}"), True),
        ("credit_card", "cc", lambda r: grouped(card(r, "37", 15), 5, "-"), True),
        ("credit_card", "payment", lambda r: card(r, "6011", 16), True),
        ("ip_address", "remote_addr", lambda r: f"198.51.100.{r.randrange(256)}", True),
        ("ip_address", "src", lambda r: f"192.0.2.{r.randrange(256)}", True),
        ("geo_position", "lng", lambda r: f"{r.uniform(-90, -80):.6f}", False),
        ("geo_position", "where", lambda r: f"POINT({r.uniform(-90, -80):.4f} {r.uniform(35, 45):.4f})", True),
        ("cookie", "visitor_id", lambda r: f"v{r.getrandbits(80):020x}", False),
        ("cookie", "fbp", lambda r: f"fb.1.{digits(r, 13)}.{digits(r, 10)}", True),
        ("device", "idfa", lambda r: f"{r.getrandbits(128):032X}", False),
        ("device", "adapter", lambda r: grouped(f"{r.getrandbits(48):012x}", 2, ":"), True),
        ("customer", "kundennummer", lambda r: digits(r, 8), False),
        ("customer", "client_no", lambda r: f"CL-{digits(r, 6)}", False),
        ("loyalty", "membership_number", lambda r: f"{digits(r, 3)} {digits(r, 3)} {digits(r, 3)}", False),
        ("account", "userId", lambda r: f"u_{digits(r, 9)}", False),
        ("digest", "hashed_email", lambda r: f"{r.getrandbits(128):032x}", False),
        ("free_text", "comment", lambda r: r.choice(["the till charged my card twice", "thanks, all fine now", f"paid with {grouped(card(r, '4', 16), 4)} last week", "refund please to my account"]), True),
        ("free_text", "note", lambda r: r.choice(["left parcel with the neighbour at door", f"customer asked to be rung on {r.choice(AREAS)}-555-01{digits(r, 2)} after six"]), True),
    ]  # fmt: skip
    things: list[tuple[str, Maker]] = [
        ("licence_plate", lambda r: f"{r.choice('ABK')}{r.choice('ABK')} {digits(r, 4)}"),
        ("part", lambda r: f"{digits(r, 3)}-{digits(r, 3)}-{digits(r, 4)}"),
        ("flight", lambda r: f"{r.choice(['LH', 'BA', 'AF'])}{digits(r, 4)}"),
        ("cas", lambda r: f"{digits(r, 5)}-{digits(r, 2)}-{digits(r, 1)}"),
        ("ticker", lambda r: r.choice("AAPL MSFT TSLA NVDA ORCL IBM SAP BMW VOW SIE ALV DTE".split())),
        ("amount_eur", lambda r: f"{r.randrange(1, 9)}.{digits(r, 3)},{digits(r, 2)} €"),
        ("gtin14", lambda r: digits(r, 14)),
        ("container", lambda r: f"MSCU{digits(r, 7)}"),
        ("icd", lambda r: f"{r.choice('ABCJM')}{digits(r, 2)}.{digits(r, 1)}"),
        ("zone", lambda r: r.choice(["America/New_York", "Europe/Paris", "Asia/Tokyo", "UTC"])),
        ("hashtag", lambda r: r.choice(["#summer", "#sale", "#love", "#new"])),
        ("duration", lambda r: f"PT{r.randrange(60)}M{r.randrange(60)}S"),
        ("elapsed", lambda r: f"{r.randrange(24):02d}:{r.randrange(60):02d}:{r.randrange(60):02d}"),
        ("reference", lambda r: digits(r, 16)),
        ("serial", lambda r: digits(r, 9)),
        ("batch_no", lambda r: f"{digits(r, 2)}-{digits(r, 3)}"),
        ("lot", lambda r: digits(r, 11)),
        ("ticket", lambda r: f"{20260000000 + r.randrange(90000)}"),
        ("stone", lambda r: r.choice("Ruby Pearl Amber Jade Opal Jasper Crystal Onyx Topaz Emerald Garnet Coral".split())),
        ("flower", lambda r: r.choice("Rose Lily Violet Iris Daisy Poppy Ivy Jasmine Heather Olive Holly Lavender".split())),
        ("song", lambda r: f"{r.choice(['Blue', 'Long', 'Lonely', 'Last'])} {r.choice(['Summer', 'Night', 'River', 'Train'])} {r.choice(['Song', 'Dance', 'Again'])}"),
        ("us_city", lambda r: r.choice("Austin Houston Lincoln Madison Jackson Denver Columbus Cleveland Dayton Orlando Charlotte Phoenix Dallas Savannah".split())),
        ("store", lambda r: f"{r.choice(common)} {r.choice(['Market', 'Plaza', 'Mall', 'Outlet'])} #{digits(r, 3)}"),
        ("founded", lambda r: str(r.randrange(1850, 2020))),
        ("released", lambda r: f"{day(r, 2009, 2026):%d/%m/%Y}"),
        ("ratio", lambda r: f"{r.random():.6f}"),
        ("build", lambda r: f"{r.randrange(9)}.{r.randrange(9)}.{r.randrange(30)}"),
        ("package", lambda r: f"@scope/{r.choice(['core', 'util', 'http'])}@{r.randrange(9)}.{r.randrange(9)}.0"),
        ("log", lambda r: f"worker {r.randrange(9)} took {r.randrange(1000, 9999)} ms for batch {digits(r, 8)} of 2026-11-0{r.randrange(1, 9)}"),
        ("review", lambda r: f"{r.choice(['Great', 'Poor', 'Fair'])} quality for the price, would {r.choice(['buy', 'not buy'])} again in {r.choice(['May', 'June', 'summer'])}"),
        ("size", lambda r: f"{r.randrange(10, 99)}x{r.randrange(10, 99)}x{r.randrange(10, 99)} cm"),
        ("siren", lambda r: card(r, "5", 9)),
        ("epoch_ms", lambda r: str(r.randrange(1_400_000_000_000, 1_800_000_000_000))),
        ("grid", lambda r: f"{r.choice(['TQ', 'SU', 'NN'])} {digits(r, 3)} {digits(r, 3)}"),
    ]  # fmt: skip
    yield from _columns(r, personal, things, rows)
