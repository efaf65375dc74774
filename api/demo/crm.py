"""The customer database: operators' hands, own duplicates, old surnames, addresses that nobody brought up to date."""

from random import Random

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice, happens, maybe, scattered
from api.demo.model import Household, Person, Row
from api.demo.moments import moment, stamp
from api.demo.showcase import scripted
from api.demo.slips import (
    date_as_told,
    email_as_typed,
    family_as_typed,
    given_as_typed,
    mailbox_typo,
    phone_as_typed,
    placeholder_phone,
    street_as_typed,
)  # fmt: skip

COLUMNS = (
    "customer_id", "first_name", "last_name", "suffix", "dob", "sex", "email", "mobile", "landline", "address",
    "city", "zip", "country", "created_at", "updated_at",
)  # fmt: skip
SPOILERS: Spoilers = {
    "missing key": ("customer_id", beheading("customer_id")),
    "impossible date": ("customer_id", setting("dob", "1975-02-31")),
    "birth in the future": ("customer_id", setting("dob", "2093-06-01")),
    "broken email": ("customer_id", setting("email", "someone(at)example.org")),
}


def crm_rows(seed: int, household: Household) -> list[Row]:
    """Return what the customer database knows of one household."""
    rng = dice(seed, "crm", household.household_id)
    return [_row(seed, rng, person, nth) for person in household.shoppers for nth in range(person.traces.crm)]


def _row(seed: int, rng: Random, person: Person, nth: int) -> Row:
    key = f"C{scattered(seed, 'customer', person.number * 4 + nth, 7)}"
    old = nth > 0 and happens(rng, 0.7)
    created = moment(rng)
    values: dict[str, object] = {
        "customer_id": key,
        **_name(rng, person, old=old, again=nth > 0),
        "dob": maybe(rng, 0.85, date_as_told(rng, person.birth_date)),
        "sex": maybe(rng, 0.9, person.gender),
        "email": _email(rng, person, old=old),
        **_phones(rng, person, old=old),
        **_address(rng, person, old=old),
        "country": "US",
        "created_at": stamp(created),
        "updated_at": stamp(moment(rng, created)),
    }
    return Row(key, person.person_id, values | scripted(person, "crm", nth))


def _name(rng: Random, person: Person, *, old: bool, again: bool) -> dict[str, object]:
    former = person.former_family and (old or happens(rng, 0.15))
    family = person.former_family if former and person.former_family else person.family
    return {
        "first_name": given_as_typed(rng, person, nick=0.45 if again else 0.15, slip=0.12 if again else 0.03),
        "last_name": family_as_typed(rng, family, slip=0.12 if again else 0.03),
        "suffix": maybe(rng, 0.4, person.suffix),
    }


def _email(rng: Random, person: Person, *, old: bool) -> str | None:
    roll = rng.random()
    if roll < 0.012:
        return "test@test.com"
    if roll < 0.024:
        return "noreply@example.com"
    if roll < 0.18 or not person.emails:
        return None
    email = person.emails[-1] if old or happens(rng, 0.2) else person.emails[0]
    return mailbox_typo(rng, email) if happens(rng, 0.03) else email_as_typed(rng, email)


def _phones(rng: Random, person: Person, *, old: bool) -> dict[str, object]:
    mobile = person.former_mobile if old and person.former_mobile else person.mobile
    told = phone_as_typed(rng, mobile) if mobile and happens(rng, 0.8) else None
    told = placeholder_phone(rng) or told
    landline = phone_as_typed(rng, person.landline) if person.landline and happens(rng, 0.7) else None
    return {"mobile": told, "landline": landline}


def _address(rng: Random, person: Person, *, old: bool) -> dict[str, object]:
    stale = person.former_address if old or happens(rng, 0.15) else None
    home = stale or person.address
    if happens(rng, 0.06):
        return {"address": None, "city": None, "zip": maybe(rng, 0.5, home.postcode)}
    return {"address": street_as_typed(rng, home.street), "city": home.city, "zip": maybe(rng, 0.95, home.postcode)}
