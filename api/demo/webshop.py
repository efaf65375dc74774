"""The web shop's people: accounts with a profile of their own, and guests who type everything afresh at each order."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice, happens, maybe
from api.demo.model import Household, Person, Row
from api.demo.moments import moment, stamp
from api.demo.showcase import scripted
from api.demo.slips import (
    email_as_typed,
    family_as_typed,
    given_as_typed,
    mailbox_typo,
    phone_as_typed,
    placeholder_phone,
    street_as_typed,
)  # fmt: skip

GUEST_COLUMNS = ("order_id", "name", "email", "phone", "street", "city", "zip", "ordered_at")
ACCOUNT_SPOILERS: Spoilers = {
    "missing key": ("account_id", beheading("account_id")),
    "broken email": ("account_id", setting("email", "no mailbox")),
}
GUEST_SPOILERS: Spoilers = {
    "missing key": ("order_id", beheading("order_id")),
    "impossible time": ("order_id", setting("ordered_at", "2017-13-45T25:61:00Z")),
}


def account_rows(seed: int, household: Household) -> list[Row]:
    """Return the accounts of one household."""
    rng = dice(seed, "accounts", household.household_id)
    return [
        _account(rng, person, nth, account)
        for person in household.shoppers
        for nth, account in enumerate(person.traces.accounts)
    ]


def account_email(person: Person, nth: int) -> str:
    """Return the mailbox that opened the nth account: the person's own rather than the one a partner shares."""
    if person.script:
        return person.emails[0]
    return person.emails[(nth + 1) % len(person.emails)] if nth else person.emails[-1 if person.number % 5 == 0 else 0]


def _account(rng: Random, person: Person, nth: int, account: str) -> Row:
    created = moment(rng)
    address: dict[str, object] = {
        "street": street_as_typed(rng, person.address.street),
        "city": person.address.city,
        "zip": person.address.postcode,
    }
    values: dict[str, object] = {
        "account_id": account,
        "email": email_as_typed(rng, account_email(person, nth)),
        "name": {
            "first": given_as_typed(rng, person, nick=0.25, slip=0.02),
            "last": family_as_typed(rng, person.family, slip=0.02),
        },
        "phone": phone_as_typed(rng, person.mobile) if person.mobile and happens(rng, 0.6) else None,
        "birth_date": maybe(rng, 0.35, person.birth_date.isoformat()),
        "default_address": maybe(rng, 0.7, address),
        "created_at": stamp(created),
        "updated_at": stamp(moment(rng, created)),
    }
    return Row(account, person.person_id, values | scripted(person, "webshop_accounts", nth))


def guest_rows(seed: int, household: Household, orders: Sequence[tuple[Person, int, datetime]]) -> list[Row]:
    """Return what the guests of one household typed at checkout, one row per order."""
    rng = dice(seed, "guests", household.household_id)
    return [_guest(rng, person, order_id, at) for person, order_id, at in orders]


def _guest(rng: Random, person: Person, order_id: int, at: datetime) -> Row:
    email: str | None = None
    if happens(rng, 0.06):
        email = "test@test.com"
    elif person.emails:
        email = rng.choice(person.emails)
        email = mailbox_typo(rng, email) if happens(rng, 0.08) else email_as_typed(rng, email)
    first, last = given_as_typed(rng, person, nick=0.3, slip=0.08), family_as_typed(rng, person.family, slip=0.08)
    typed = phone_as_typed(rng, person.mobile) if person.mobile and happens(rng, 0.85) else None
    values: dict[str, object] = {
        "order_id": str(order_id),
        "name": f"{first} {last}",
        "email": email,
        "phone": placeholder_phone(rng) or typed,
        "street": street_as_typed(rng, person.address.street),
        "city": person.address.city,
        "zip": person.address.postcode,
        "ordered_at": stamp(at),
    }
    return Row(str(order_id), person.person_id, values | scripted(person, "webshop_guests", 0))
