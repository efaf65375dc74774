"""One visit told as Segment events: a page, products looked at, a login in between, perhaps a logout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from api.demo.chance import happens, uuid_of
from api.demo.model import Person, Row
from api.demo.moments import stamp

_PAGES = ("/", "/offers", "/recipes", "/stores", "/search", "/cart")
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Macintosh)", "Mozilla/5.0 (Windows NT 10.0)")


@dataclass(frozen=True, slots=True)
class Screen:
    """What somebody looks at: a cookie, perhaps a device, and whether it may be measured."""

    cookie: str
    device: str | None
    channel: str
    analytics_allowed: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """Some minutes of one person on one screen; `login` is the account and the mailbox behind it."""

    actor: str
    person: Person | None
    screen: Screen
    at: datetime
    login: tuple[str, str] | None
    mail: str | None = None
    remembered: bool = False
    logs_out: bool = False


def told(rng: Random, visit: Visit, products: Sequence[int]) -> Iterator[Row]:
    """Yield the visit's events in their order: browsing before the login is anonymous, after it is not."""
    at, user = visit.at, visit.login[0] if visit.login and visit.remembered else None
    for kind, name, properties in _story(rng, visit, products):
        at += timedelta(seconds=rng.randint(5, 240))
        values = _envelope(rng, visit, at, kind, properties)
        if kind == "identify":
            user = visit.login[0] if visit.login else None
            values["traits"] = _traits(visit)
        else:
            values["event" if kind == "track" else "name"] = name
        if user and visit.login:
            values["userId"] = user
        yield Row(str(values["messageId"]), visit.actor, values)
        if name == "Signed Out":
            user = None


def _story(rng: Random, visit: Visit, products: Sequence[int]) -> Iterator[tuple[str, str, dict[str, object]]]:
    page = rng.choice(_PAGES)
    yield "page", page, {"url": f"https://shop.example.com{page}", "path": page}
    if visit.login and not visit.remembered and happens(rng, 0.4):
        yield _look(rng, products)
    if (visit.login and not visit.remembered) or visit.mail:
        yield "identify", "", {}
    for _ in range(rng.choices((0, 1, 2), (0.35, 0.45, 0.2))[0]):
        yield _look(rng, products)
    if happens(rng, 0.15):
        yield "track", "Product Added", {"product_id": str(rng.choice(products)), "quantity": rng.randint(1, 3)}
    if visit.logs_out:
        yield "track", "Signed Out", {}


def _look(rng: Random, products: Sequence[int]) -> tuple[str, str, dict[str, object]]:
    product = str(rng.choice(products))
    url = f"https://shop.example.com/product/{product}"
    return "track", "Product Viewed", {"product_id": product, "url": url}


def _traits(visit: Visit) -> dict[str, object]:
    person = visit.person
    if person is None:
        return {}
    if visit.login is None:
        return {"email": visit.mail}
    return {"email": visit.login[1], "firstName": person.given, "lastName": person.family}


def _envelope(rng: Random, visit: Visit, at: datetime, kind: str, properties: dict[str, object]) -> dict[str, object]:
    screen = visit.screen
    context: dict[str, object] = {"userAgent": _AGENTS[int(screen.cookie[:8], 16) % 3]}
    if screen.device:
        context["device"] = {"id": screen.device, "type": "tablet" if screen.channel == "web" else "phone"}
    if not screen.analytics_allowed:
        context["consent"] = {"categoryPreferences": {"analytics": False, "advertising": False}}
    elif int(screen.cookie[:8], 16) % 5 < 3:
        context["consent"] = {"categoryPreferences": {"analytics": True, "advertising": happens(rng, 0.5)}}
    return {
        "messageId": uuid_of(rng),
        "type": kind,
        "anonymousId": screen.cookie,
        "timestamp": stamp(at),
        "channel": screen.channel,
        "properties": properties,
        "context": context,
    }
