"""The loyalty programme: one card a household in many, in the name of one of them, births as Americans write them."""

from random import Random

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice, happens, maybe
from api.demo.model import Household, Person, Row
from api.demo.moments import moment, stamp
from api.demo.showcase import scripted
from api.demo.slips import family_as_typed, given_as_typed, phone_as_typed, placeholder_phone

COLUMNS = ("card_no", "holder", "born", "email", "phone", "zip", "status", "enrolled_at")
SPOILERS: Spoilers = {
    "missing key": ("card_no", beheading("card_no")),
    "impossible time": ("card_no", setting("enrolled_at", "last spring")),
}


def loyalty_rows(seed: int, household: Household) -> list[Row]:
    """Return the cards of one household, each in its holder's name."""
    rng = dice(seed, "loyalty", household.household_id)
    return [
        _row(rng, person, nth, card) for person in household.shoppers for nth, card in enumerate(person.traces.cards)
    ]


def _row(rng: Random, person: Person, nth: int, card: str) -> Row:
    family = family_as_typed(rng, person.family)
    first = given_as_typed(rng, person, nick=0.15)
    holder = f"{first} {family}" if happens(rng, 0.8) else f"{family}, {first}"
    if person.suffix and happens(rng, 0.3):
        holder = f"{first} {family} {person.suffix}"
    values: dict[str, object] = {
        "card_no": card,
        "holder": holder,
        "born": maybe(rng, 0.7, person.birth_date.strftime("%m/%d/%Y")),
        "email": _email(rng, person),
        "phone": _phone(rng, person),
        "zip": maybe(rng, 0.85, person.address.postcode),
        "status": "replaced" if nth + 1 < len(person.traces.cards) else "active",
        "enrolled_at": stamp(moment(rng)),
    }
    return Row(card, person.person_id, values | scripted(person, "loyalty", nth))


def _email(rng: Random, person: Person) -> str | None:
    roll = rng.random()
    if roll < 0.03:
        return "null"
    if roll < 0.04:
        return "test@test.com"
    return maybe(rng, 0.55, person.emails[0]) if person.emails else None


def _phone(rng: Random, person: Person) -> str | None:
    nobodys = placeholder_phone(rng)
    if nobodys:
        return nobodys
    phone = person.landline if person.landline and happens(rng, 0.4) else person.mobile
    return phone_as_typed(rng, phone) if phone and happens(rng, 0.85) else None
