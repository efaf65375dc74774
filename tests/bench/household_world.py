"""Invented households with all that makes them hard: shared phones, cards and surnames, typos, tills, devices."""

from dataclasses import asdict
from datetime import date
from hashlib import sha256
from random import Random
from typing import Any

from identity.config import IdentityConfig
from identity.fields.features import Value, features

GIVEN = [
    "Ann", "Anna", "Robert", "Bob", "Maria", "José", "Peter", "Petra", "Kim", "Lee", "Laura", "Lara", "Jon",
    "John", "Zoë", "Emma", "Emily", "Noah", "Mia", "Liam", "Olga", "Ivan", "Yusuf", "Aisha", "Mateo", "Chloe",
    "Grace", "Henry", "Ruth", "Paul", "Paula", "Frank", "Frances", "Nina", "Nora", "Otto", "Ada", "Alan",
    "Alma", "Hugo",
]  # fmt: skip
FAMILY = [
    "Carver", "Miller", "Müller", "Okafor", "Nguyen", "Smith", "Smythe", "Ibáñez", "Kowalski", "Rossi",
    "Berg", "Bergmann", "Haddad", "Silva", "Novak", "Jensen", "Walsh", "Ito", "Oyelaran", "Dubois", "Fischer",
    "Garcia", "Lopez", "Khan", "Patel", "Adams", "Quinn", "Stone", "Vance", "Weber",
]  # fmt: skip
STREETS = ("Elm St", "Oak Ave", "Bay Rd", "Depot St", "Mill Ln", "High St", "Lake Dr", "Pine Ct", "Hill Rd", "Park Pl")
TODAY = date(2026, 11, 1)


def world(households: int, seed: int) -> list[dict[str, Any]]:
    """Return what sources say of the people of so many households: record key, attributes, identifiers, known."""
    random = Random(seed)  # noqa: S311 - invented people
    records: list[dict[str, Any]] = []
    for home in range(households):
        _home(random, home, records)
    random.shuffle(records)
    return [{**record, "arrival": number} for number, record in enumerate(records)]


def row(told: dict[str, Any], config: IdentityConfig) -> dict[str, Any]:
    """Return a told record as a row of `record_features`."""
    held = [Value(kind, value, f"1:{kind}:{value}") for kind, value in told["identifiers"].items()]
    made = features(told["attributes"], held, config.identifiers, TODAY)
    kept = {name: told[name] for name in ("record_key", "source", "key", "kind", "known", "arrival")}
    return {**kept, **asdict(made)}


def _home(random: Random, home: int, records: list[dict[str, Any]]) -> None:
    family = random.choice(FAMILY)
    street = f"{random.randint(1, 99)} {random.choice(STREETS)}"
    postcode = f"43{random.randint(0, 60):03d}"
    shared = {"phone": f"+16145550{100 + home % 100}", "loyalty": f"28{home:05d}", "device": f"tablet-{home}"}
    people = random.sample(GIVEN, random.choice((1, 2, 2, 3, 4)))
    for number, given in enumerate(people):
        born = date(random.randint(1945, 2008), random.randint(1, 12), random.randint(1, 28))
        fields = {
            "given_name": given, "family_name": family if random.random() < 0.9 else random.choice(FAMILY),
            "birth_date": born.isoformat(), "street": street, "postcode": postcode,
        }  # fmt: skip
        own = {"email": f"{given.lower()}.h{home}n{number}@example.org", "account": f"W{home:05d}{number}"}
        for copy in range(random.choice((1, 1, 2, 3))):
            told = _blurred(random, fields)
            held = {kind: value for kind, value in {**own, **shared}.items() if random.random() < 0.35}
            records.append(_record(f"{home}-{number}-{copy}", told, held))
        if random.random() < 0.4:
            records.append(_record(f"{home}-{number}-login", {}, {"account": own["account"], "email": own["email"]}))
    if random.random() < 0.5:
        records.append(_record(f"{home}-till", {}, {"loyalty": shared["loyalty"]}))
    if random.random() < 0.3:
        records.append(_record(f"{home}-tablet", {}, {"device": shared["device"]}, known=False))


def _blurred(random: Random, fields: dict[str, str]) -> dict[str, str]:
    told = {
        name: value for name, value in fields.items() if name in ("given_name", "family_name") or random.random() < 0.8
    }
    if random.random() < 0.15:
        name = random.choice(("given_name", "family_name"))
        at = random.randrange(len(told[name]))
        told[name] = told[name][:at] + random.choice("aeioustnr") + told[name][at + 1 :]
    if random.random() < 0.05:
        told["given_name"] = told["given_name"][0]
    return told


def _record(key: str, attributes: dict[str, str], identifiers: dict[str, str], *, known: bool = True) -> dict[str, Any]:
    return {
        "record_key": sha256(key.encode()).hexdigest()[:32], "source": "s", "key": key, "kind": "person",
        "known": known, "attributes": attributes, "identifiers": identifiers,
    }  # fmt: skip
