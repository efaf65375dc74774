"""What people said about their data: given, refused, taken back, under one identifier here and another there.

The baskets are of 2017, but whoever runs the demo asks today: so these events are told relative to `today`, within the
eighteen months before it, and a yes lasts until 2030.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random

from api.demo.blemishes import Spoilers, beheading, setting
from api.demo.chance import dice, happens, scattered
from api.demo.model import Household, Person, Row
from api.demo.moments import stamp

SPOILERS: Spoilers = {
    "missing key": ("event_id", beheading("event_id")),
    "unknown action": ("event_id", setting("action", "perhaps")),
    "impossible time": ("event_id", setting("occurred_at", "soon")),
}
REFUSALS = ("refused", "withdrawn", "objected")
UNTIL = "2030-12-31T00:00:00Z"
_MAIL, _ADS, _SELF = "email_marketing", "advertising", "personalization"
# How often a form brings a yes and a no. Profiling is seldom asked about: a no to it takes the whole profile away.
_SIGNUP = (
    (_MAIL, 0.62, 0.12),
    (_SELF, 0.66, 0.12),
    ("analytics", 0.6, 0.08),
    (_ADS, 0.3, 0.12),
    ("profiling", 0.25, 0.01),
)
RESTRICTED_EVERY = 150


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing said: so many days before today, under an identifier, about a purpose."""

    days: int
    under: tuple[str, str]
    purpose: str
    action: str
    mechanism: str = "centre"
    channel: str | None = None
    expires: str | None = UNTIL


def consent_rows(seed: int, household: Household, today: date) -> list[Row]:
    """Return what the people of one household said, in no particular order."""
    rng = dice(seed, "consents", household.household_id)
    rows: list[Row] = []
    for person in household.shoppers:
        for nth, saying in enumerate(_sayings(rng, person)):
            rows.append(_row(seed, rng, person, nth, saying, today))
    somebody = household.shoppers[0]
    names = _identifiers(somebody)
    # Seldom, but in any demo of some size: somebody has had the use of an identifier restricted (GDPR, article 18).
    if household.position % RESTRICTED_EVERY == RESTRICTED_EVERY // 10 and names:
        rows.append(_row(seed, rng, somebody, 30, Saying(20, names[0], "all", "restricted", "agent"), today))
    if happens(rng, 0.01):
        nobodys = Saying(90, ("email", "test@test.com"), _MAIL, "given")
        rows.append(replace(_row(seed, rng, somebody, 31, nobodys, today), fault="names nobody"))
    return rows


def _row(seed: int, rng: Random, person: Person, nth: int, said: Saying, today: date) -> Row:
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    # A whole day's distance and a minute of its own per household keep ties only where a story wants them.
    at = noon - timedelta(days=said.days, minutes=person.household_id % 600)
    key = f"E{scattered(seed, 'consent', person.number * 32 + nth, 8)}"
    kind, value = said.under
    notice = rng.choice(("2025-01", "2025-06", "2026-02"))
    values: dict[str, object] = {
        "event_id": key,
        "occurred_at": stamp(at),
        **{k: value if k == kind else None for k in ("email", "phone", "cookie", "account")},
        "purpose": said.purpose,
        "action": said.action,
        "mechanism": said.mechanism,
        "jurisdiction": "US-OH" if person.script else rng.choice(("US-OH",) * 7 + ("US-CA", "DE", None)),
        "notice": f"privacy@{notice}",
        "expires_at": said.expires if said.action == "given" else None,
        "channel": said.channel,
    }
    return Row(key, person.person_id, values)


def _sayings(rng: Random, person: Person) -> list[Saying]:
    if person.script is not None:
        return _of_the_tour(person)
    out: list[Saying] = []
    names = _identifiers(person)
    if not names or not happens(rng, 0.72):
        return out
    first = names[0]
    out += _signup(rng, first)
    if happens(rng, 0.34):
        out += _change_of_mind(rng, names)
    cookies = [value for kind, value in names if kind == "cookie"]
    if cookies and happens(rng, 0.3):
        out += _banner(rng, ("cookie", cookies[0]))
    if happens(rng, 0.02):
        purpose = rng.choice(("profiling", "profiling", "identity_resolution"))
        out.append(Saying(rng.randint(5, 300), first, purpose, "objected", "agent"))
    return out


def _identifiers(person: Person) -> list[tuple[str, str]]:
    """Return the names under which a person speaks; landlines are the house's and speak for nobody."""
    names = [("email", e) for e in person.emails]
    if person.mobile:
        names.append(("phone", person.mobile))
    names += [("account", a) for a in person.traces.accounts[:1]]
    return names + [("cookie", c) for c in person.traces.cookies[:1]]


def _signup(rng: Random, first: tuple[str, str]) -> list[Saying]:
    days, how = rng.randint(60, 540), rng.choice(("centre", "import", "banner"))
    expires = stamp(datetime(2026, 1, 31, tzinfo=UTC)) if happens(rng, 0.03) else UNTIL
    out = []
    for purpose, yes, no in _SIGNUP:
        roll = rng.random()
        action = "given" if roll < yes else "refused" if roll < yes + no else None
        if action:
            out.append(Saying(days, first, purpose, action, how, expires=expires))
    return out


def _change_of_mind(rng: Random, names: list[tuple[str, str]]) -> list[Saying]:
    """Return a contradiction: a later no, a no under another name, a yes and a no at once, a narrow no, a return."""
    first, other = names[0], names[min(1, len(names) - 1)]
    last, purpose = rng.randint(2, 55), rng.choice((_MAIL, _MAIL, _SELF, _ADS))
    stories = (
        [Saying(last + 200, first, purpose, "given"), Saying(last, first, purpose, "withdrawn")],
        [Saying(last, other, purpose, "refused", "agent")],
        [Saying(last, first, purpose, "given"), Saying(last, other, purpose, "refused")],
        [Saying(last + 30, other, purpose, "objected", "agent")],
        [Saying(last, first, _MAIL, "refused", channel="email")],
        [Saying(last + 40, first, purpose, "withdrawn"), Saying(last, first, purpose, "given")],
        [Saying(last + 20, other, purpose, "refused"), Saying(last, other, purpose, "given", "import")],
    )
    return list(rng.choice(stories))


def _banner(rng: Random, cookie: tuple[str, str]) -> list[Saying]:
    days = rng.randint(2, 400)
    if happens(rng, 0.3):
        return [Saying(days, cookie, _ADS, "objected", "gpc")]
    action = "given" if happens(rng, 0.6) else "refused"
    return [Saying(days, cookie, purpose, action, "banner") for purpose in ("analytics", _ADS)]


def _of_the_tour(person: Person) -> list[Saying]:
    """Return the clear yes that the tour starts from; father and son have said nothing."""
    if person.script not in {"six", "plain"}:
        return []
    names = [("email", e) for e in person.emails]
    names += [("phone", person.mobile or "")] + [("account", a) for a in person.traces.accounts]
    names += [("cookie", c) for c in person.traces.cookies]
    purposes = (_SELF, _MAIL, "analytics", "profiling", _ADS) if person.script == "plain" else (_SELF, _MAIL)
    return [Saying(120, name, purpose, "given") for name in names for purpose in purposes]
