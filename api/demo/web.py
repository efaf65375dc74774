"""Web and app events as Segment's SDKs send them: cookies before and after logins, a shared tablet, a kiosk."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice, happens, uuid_of
from api.demo.model import Household, Person, Row
from api.demo.moments import YEAR_START, moment
from api.demo.traces import kiosk_of
from api.demo.visits import Screen, Visit, told
from api.demo.webshop import account_email

SPOILERS: Spoilers = {
    "missing key": ("messageId", beheading("messageId")),
    "impossible time": ("messageId", setting("timestamp", "yesterday")),
}


def web_rows(seed: int, household: Household, products: Sequence[int]) -> list[Row]:
    """Return the events of one household, who acted in each known to the truth alone."""
    rng = dice(seed, "web", household.household_id)
    visits = [v for person in household.shoppers for v in _own_visits(rng, person)]
    visits += _tablet_visits(rng, household)
    visits += _kiosk_visits(rng, seed, household)
    visits += _strangers(rng, household)
    return [row for visit in visits for row in told(rng, visit, products)]


def _login(person: Person, nth: int = 0) -> tuple[str, str]:
    return person.traces.accounts[nth], account_email(person, nth)


def _own_visits(rng: Random, person: Person) -> Iterator[Visit]:
    """Yield what a person does on cookies and a device of their own."""
    traces = person.traces
    for number, cookie in enumerate(traces.cookies):
        allowed = traces.analytics_allowed or number > 0
        known = False
        for at in _times(rng, rng.randint(2, 6)):
            login = None
            if traces.accounts and happens(rng, 0.55):
                login = _login(person, number % len(traces.accounts))
            mail = person.emails[0] if not traces.accounts and person.emails and happens(rng, 0.12) else None
            screen = Screen(cookie, None, "web", analytics_allowed=allowed)
            # Once logged in, a browser often stays so: no identify call, but the account on every event.
            remembered = login is not None and known and happens(rng, 0.5)
            yield Visit(person.person_id, person, screen, at, login, mail=mail, remembered=remembered)
            known = known or login is not None
    if traces.device:
        screen = Screen(uuid_of(rng), traces.device, "mobile", analytics_allowed=traces.analytics_allowed)
        for nth, at in enumerate(_times(rng, rng.randint(2, 5))):
            yield Visit(person.person_id, person, screen, at, _login(person), remembered=nth > 0)


def _tablet_visits(rng: Random, household: Household) -> Iterator[Visit]:
    """Yield alternating logins on the tablet of the house, some visits without one."""
    users = [p for p in household.shoppers if p.traces.accounts]
    if household.tablet is None or len(users) < 2:
        return
    screen = Screen(household.tablet, uuid_of(rng), "web", analytics_allowed=True)
    for turn, at in enumerate(_times(rng, rng.randint(8, 14))):
        person = users[turn % 2] if happens(rng, 0.85) else rng.choice(users)
        login = _login(person) if happens(rng, 0.7) else None
        yield Visit(person.person_id, person, screen, at, login, logs_out=login is not None and happens(rng, 0.5))


def _kiosk_visits(rng: Random, seed: int, household: Household) -> Iterator[Visit]:
    """Yield logins at the terminal in the shop, which dozens use and leave."""
    screen = Screen(kiosk_of(seed, household), None, "kiosk", analytics_allowed=True)
    for person in household.shoppers:
        if person.traces.kiosk:
            for at in _times(rng, rng.randint(1, 2)):
                yield Visit(person.person_id, person, screen, at, _login(person), logs_out=True)


def _strangers(rng: Random, household: Household) -> Iterator[Visit]:
    """Yield visitors whom nobody will ever know; they keep the share of anonymous events as shops see it."""
    for number in range(rng.choices((0, 1, 2, 3), (0.45, 0.3, 0.17, 0.08))[0]):
        screen = Screen(uuid_of(rng), None, "web", analytics_allowed=not happens(rng, 0.1))
        visitor = f"V{household.household_id:04d}-{number + 1}"
        for at in _times(rng, rng.randint(1, 2)):
            yield Visit(visitor, None, screen, at, None)


def _times(rng: Random, count: int) -> list[datetime]:
    """Return so many moments of the year in their order, no two within the same two hours."""
    kept: list[datetime] = []
    for at in sorted(moment(rng, YEAR_START) for _ in range(count)):
        if not kept or at - kept[-1] > timedelta(hours=2):
            kept.append(at)
    return kept
