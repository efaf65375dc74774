"""Help-desk tickets: people write what they should not, card numbers and bank accounts among it."""

from random import Random

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice, happens, maybe, scattered
from api.demo.model import Household, Person, Row
from api.demo.moments import YEAR_START, moment, stamp
from api.demo.slips import phone_as_typed

SPOILERS: Spoilers = {
    "missing key": ("ticket_id", beheading("ticket_id")),
    "impossible time": ("ticket_id", setting("created_at", "2017-02-30T10:00:00Z")),
}
# Published test numbers of the card schemes, and the specimens of the IBAN registry.
_CARDS = ("4111 1111 1111 1111", "5555 5555 5555 4444", "378282246310005", "6011-1111-1111-1117", "4012888888881881")
_IBANS = ("DE89 3704 0044 0532 0130 00", "GB29 NWBK 6016 1331 9268 19", "FR14 2004 1010 0505 0001 3M02 606")
_BODIES = (
    ("delivery", "My order {order} never came. Please call me at {phone}, {name}."),
    ("delivery", "Hi, you left my groceries at {street}, {city}, but I moved. Write to {email}. Thanks, {given}"),
    ("payment", "I was charged twice on my card {card}. Refund to {iban} please. {name}"),
    ("payment", "Payment failed with {card}, exp 09/19. My e-mail is {email} and my number {phone}."),
    ("loyalty", "Points are missing on card {loyalty}. It is in the name of {name}, born {born}."),
    ("loyalty", "Please move the points of my old card to {loyalty}. You reach me under {phone} after five."),
    ("account", "I cannot log in as {email}. Is it because I changed my name? {name}, {street}"),
    ("account", "Somebody else uses our tablet and now I see their basket. Best, {given}"),
    ("privacy", "Please stop writing to {email}. I never asked for this. {name}"),
    ("privacy", "What do you know about me? {name}, born {born}, {street}, {city} {postcode}."),
    ("product", "The yoghurt I bought on Monday was off. No need to call, but {phone} works."),
    ("product", "Do you have the gluten-free bread again? Thank you!"),
)


def helpdesk_rows(seed: int, household: Household) -> list[Row]:
    """Return the tickets of one household."""
    rng = dice(seed, "helpdesk", household.household_id)
    return [
        _ticket(seed, rng, person, nth)
        for person in household.shoppers
        for nth in range(rng.choices((0, 1, 2), (0.86, 0.11, 0.03))[0])
    ]


def _ticket(seed: int, rng: Random, person: Person, nth: int) -> Row:
    key = f"T{scattered(seed, 'ticket', person.number * 2 + nth, 7)}"
    topic, body = rng.choice(_BODIES)
    by_phone = person.mobile is not None and (not person.emails or happens(rng, 0.25))
    email = rng.choice(person.emails) if person.emails and not by_phone else None
    at = moment(rng, YEAR_START)
    values: dict[str, object] = {
        "ticket_id": key,
        "created_at": stamp(at),
        "channel": "phone" if by_phone else rng.choice(("email", "chat")),
        "topic": topic,
        "status": rng.choice(("solved", "solved", "open")),
        "from_email": email,
        "caller_phone": phone_as_typed(rng, person.mobile) if by_phone and person.mobile else None,
        "body": body.format(**_told(rng, person)),
    }
    return Row(key, person.person_id, values)


def _told(rng: Random, person: Person) -> dict[str, str]:
    phone = person.mobile or person.landline
    return {
        "order": str(rng.randint(10**9, 10**10)),
        "phone": phone_as_typed(rng, phone) if phone else "the number you have",
        "email": rng.choice(person.emails) if person.emails else "the address you have",
        "name": f"{person.given} {person.family}",
        "given": maybe(rng, 0.4, person.nickname) or person.given,
        "street": person.address.street,
        "city": person.address.city,
        "postcode": person.address.postcode,
        "born": person.birth_date.strftime("%m/%d/%Y"),
        "card": rng.choice(_CARDS),
        "iban": rng.choice(_IBANS),
        "loyalty": person.traces.till_card or "I lost it",
    }
