"""The newsletter: a mailbox, sometimes a first name."""

from random import Random

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice, happens, maybe, scattered
from api.demo.model import Household, Person, Row
from api.demo.moments import moment, stamp
from api.demo.showcase import scripted
from api.demo.slips import email_as_typed, given_as_typed, mailbox_typo

COLUMNS = ("subscription_id", "email", "first_name", "source_page", "subscribed_at")
_PAGES = ("/offers", "/recipes", "/checkout", "/", "/stores")
SPOILERS: Spoilers = {
    "missing key": ("subscription_id", beheading("subscription_id")),
    "broken email": ("subscription_id", setting("email", "@example.org")),
}


def newsletter_rows(seed: int, household: Household) -> list[Row]:
    """Return the subscriptions of one household."""
    rng = dice(seed, "newsletter", household.household_id)
    return [
        _row(seed, rng, person, nth)
        for person in household.shoppers
        for nth in range(min(person.traces.subscriptions, len(person.emails)))
    ]


def _row(seed: int, rng: Random, person: Person, nth: int) -> Row:
    key = f"N{scattered(seed, 'subscription', person.number * 2 + nth, 7)}"
    email = person.emails[nth]
    if happens(rng, 0.02):
        email = "noreply@example.com"
    elif happens(rng, 0.03):
        email = mailbox_typo(rng, email)
    values: dict[str, object] = {
        "subscription_id": key,
        "email": email_as_typed(rng, email),
        "first_name": maybe(rng, 0.65, given_as_typed(rng, person, nick=0.4)),
        "source_page": rng.choice(_PAGES),
        "subscribed_at": stamp(moment(rng)),
    }
    return Row(key, person.person_id, values | scripted(person, "newsletter", nth))
