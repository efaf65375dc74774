"""Which traces each person leaves: customer records, cards, accounts, cookies, and how much of it is online."""

from dataclasses import replace
from random import Random

from api.demo.chance import dice, happens, maybe, uuid_of
from api.demo.directory import Directory
from api.demo.model import Footprint, Household, Person


def traced(rng: Random, household: Household, directory: Directory) -> Household:
    """Return the household with the traces of each of its shoppers, cards shared as families share them."""
    shoppers = household.shoppers
    sharing = len(shoppers) > 1 and happens(rng, 0.5)
    family_card: str | None = None
    out: dict[str, Person] = {}
    for person in shoppers:
        cards = _cards(rng, person, directory, own=family_card is None or (not sharing and happens(rng, 0.6)))
        card = cards[-1] if cards else maybe(rng, 0.85, family_card)
        family_card = family_card or card
        traces = _footprint(rng, household, person, directory)
        out[person.person_id] = replace(person, traces=replace(traces, cards=cards, till_card=card))
    tablet = uuid_of(rng) if household.trap == "shared_tablet" else None
    return replace(household, people=tuple(out.get(p.person_id, p) for p in household.people), tablet=tablet)


def _cards(rng: Random, person: Person, directory: Directory, *, own: bool) -> tuple[str, ...]:
    """Return the cards in this person's name: none, one, or one that replaced a lost one."""
    if not own:
        return ()
    count = 2 if happens(rng, 0.05) else 1
    return tuple("28" + directory.code("card", person.number * 2 + n, 10) for n in range(count))


def _footprint(rng: Random, household: Household, person: Person, directory: Directory) -> Footprint:
    age = person.age(2017)
    digital = min(0.95, max(0.12, 1.05 - age / 90))
    wanted = household.trap in {"shared_tablet", "father_son", "twins", "namesake"}
    account = _has_own_mailbox(household, person) and (
        happens(rng, digital * 0.62) or household.trap == "shared_tablet"
    )
    count = int(account) + int(account and happens(rng, 0.05))
    cookies = rng.choices((0, 1, 2, 3), (0.25, 0.4, 0.25, 0.1))[0] if happens(rng, digital) else int(account)
    in_crm = happens(rng, 0.92 if wanted and age >= 17 else 0.72 if age >= 20 else 0.3)
    return Footprint(
        crm=int(in_crm) * rng.choices((1, 2, 3), (0.76, 0.19, 0.05))[0],
        accounts=tuple("W" + directory.code("account", person.number * 2 + n, 7) for n in range(count)),
        guest_orders=_guest_orders(rng, digital, account=account),
        subscriptions=rng.choices((0, 1, 2), (0.62, 0.33, 0.05))[0] if person.emails else 0,
        cookies=tuple(uuid_of(rng) for _ in range(cookies)),
        device=maybe(rng, 0.35, uuid_of(rng)) if account else None,
        online=rng.choice((0.0, 0.05, 0.1, 0.25, 0.5)) if account else 0.0,
        analytics_allowed=not happens(rng, 0.06),
        kiosk=account and happens(rng, 0.2),
    )


def _has_own_mailbox(household: Household, person: Person) -> bool:
    """Say whether the shop would open an account: a mailbox opens one, and the first of the house has taken theirs."""
    before = {e for p in household.people if p.number < person.number for e in p.emails}
    return any(email not in before for email in person.emails)


def _guest_orders(rng: Random, digital: float, *, account: bool) -> int:
    if not happens(rng, 0.06 if account else digital * 0.3):
        return 0
    return rng.choices((1, 2, 3), (0.65, 0.25, 0.1))[0]


def kiosk_of(seed: int, household: Household) -> str:
    """Return the cookie of the terminal in the shop where this household goes; three shops have one."""
    return uuid_of(dice(seed, "kiosk", household.household_id % 3))
