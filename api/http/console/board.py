"""The console's pages of privacy requests: the board with its clocks, one request step by step, one taken down."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, tzinfo
from typing import Any, Final

from api.http.centre.link import HOME, Gate
from api.http.errors import BackendMissing, ScopeRefused
from api.http.keys import Credential
from api.http.privacy.certified import Certified, certified_of, erasure, public_key
from api.http.privacy.eraser import tried
from api.http.privacy.office import Office
from api.http.world import World
from consent.erasure import holds
from consent.erasure.book import Book
from consent.erasure.followed import followed
from consent.requests import judge, prove
from consent.requests.clocks import Clock, clocks
from consent.requests.desk import Desk, get, listed, steps
from consent.requests.errors import Unreadable
from consent.requests.grounds import GROUNDS, grounds_for
from consent.requests.model import ASKERS, ENDS, FROZEN, RIGHTS, Request, Wish
from infra.errors import Malformed, Missing

READ: Final = "privacy:read"
WRITE: Final = "privacy:write"
_ENDED: Final = 50
_REASONS: Final = ("complexity", "number_of_requests")
# What an officer may have looked at to know who asks.
SEEN: Final = ("passport", "login", "call_back", "in_person")
# How many identifiers the form has room for; a program may name more.
ROOM: Final = 3
_COPIES: Final = frozenset({"access", "portability"})


def desk_of(world: World, caller: Credential, scope: str) -> Desk:
    """Return the desk; raise `ScopeRefused` for a caller who may not, `BackendMissing` where there is none."""
    if not caller.may(scope):
        raise ScopeRefused(scope)
    if world.requests is None:
        raise BackendMissing("a desk for privacy requests")
    return world.requests


def office_of(world: World, caller: Credential) -> Office:
    """Return the office, for an officer who may write and read."""
    for scope in (READ, WRITE):
        desk_of(world, caller, scope)
    if world.privacy is None:
        raise BackendMissing("a desk for privacy requests")
    return world.privacy


def board(world: World, caller: Credential) -> dict[str, Any]:
    """Return the open requests with their clocks, the most urgent first, and those that ended last."""
    desk, now = desk_of(world, caller, READ), world.clock()
    ended = [one for one in listed(desk, every=True) if not one.open]
    newest = sorted(ended, key=lambda one: one.ended_at or one.received_at, reverse=True)
    return {
        "clocks": clocks(listed(desk), now),
        "ended": newest[:_ENDED],
        "takes": caller.may(WRITE) and world.privacy is not None,
        "rights": RIGHTS,
        "askers": ASKERS,
        "kinds": tuple(world.tongue.types),
        "room": range(ROOM),
        "purposes": world.consents.purposes() if world.consents is not None else (),
    }


def sheet(world: World, caller: Credential, request_id: str) -> dict[str, Any]:
    """Return one request with its steps and what this officer may do with it now; no identifier is among it."""
    desk, now = desk_of(world, caller, READ), world.clock()
    request = get(desk, request_id)
    (clock,) = clocks([request], now) or (None,)
    return {
        "request": request,
        "clock": clock,
        "steps": steps(desk, request_id),
        "ground": GROUNDS.get(request.ground or ""),
        "grounds": [GROUNDS[code] for code in grounds_for(request.right)],
        "reasons": _REASONS,
        "seen": SEEN,
        "may": _may(request) if caller.may(WRITE) else frozenset(),
        "copy": request.right in _COPIES and request.status == "notifying" and world.privacy is not None,
        "theirs": f"{HOME}/request/{Gate(world.tongue.key).counterfoil(request.id, now)}",
        **_erasure(world, desk, request, now),
    }


def _erasure(world: World, desk: Desk, request: Request, at: datetime) -> dict[str, Any]:
    """Return an erasure store by store, what it waits for, and its certificate, checked just now."""
    found = erasure(world, desk, request)
    if found is None:
        return {"erasure": None, "certified": None}
    door = world.privacy.door if world.privacy is not None else None
    certified = certified_of(world, desk, request)
    return {
        "erasure": followed(found, Book(desk.database, world.clock).steps(found.id)),
        "certified": certified,
        "own_key": public_key(world) is not None,
        "last": tried(door, found.id) if door is not None else None,
        "hands_over": world.privacy is not None and world.privacy.eraser is not None,
        "holds": holds.standing(desk.database, [token for _, token in found.tokens], at) if door is not None else (),
    }


def certificate(world: World, caller: Credential, request_id: str) -> Certified:
    """Return the certificate of an erasure; raise `Missing` before there is one."""
    desk = desk_of(world, caller, READ)
    certified = certified_of(world, desk, get(desk, request_id))
    if certified is None:
        raise Missing("this request has no certificate; an erasure gets one when every store was found clean")
    return certified


def _may(request: Request) -> frozenset[str]:
    """Return what can be done with a request where it stands; the desk itself has the last word."""
    if request.status in ENDS or request.status in FROZEN:
        return frozenset()
    judged = {"refuse", "extend", "cancel"}
    return frozenset(judged | {"attest", "approve"} if request.status in {"verifying", "waiting_subject"} else judged)


def act(world: World, caller: Credential, request_id: str, form: Mapping[str, str]) -> Request:
    """Do what an officer's form says, under the name of their key, and return the request."""
    desk, now, actor = desk_of(world, caller, WRITE), world.clock(), f"key:{caller.key_id}"
    match form.get("act"):
        case "attest":
            if form.get("seen") not in SEEN:
                raise Malformed(f"say what you saw: {', '.join(SEEN)}")
            return prove.attest(desk, request_id, form["seen"], at=now, actor=actor)
        case "approve":
            return judge.approve(desk, request_id, at=now, actor=actor, anyway=form.get("anyway") == "yes")
        case "refuse":
            return judge.refuse(desk, request_id, form.get("ground", ""), at=now, actor=actor)
        case "extend":
            return judge.extend(desk, request_id, form.get("reason", ""), at=now, actor=actor)
        case "cancel":
            return judge.cancel(desk, request_id, at=now, actor=actor)
    raise Malformed("the form names no act: attest, approve, refuse, extend or cancel")


def answer(world: World, caller: Credential, request_id: str, form: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the copy that a person asked for, to be given to them and nobody else, and how its name ends."""
    packed = form.get("as") == "zip"
    office, actor = office_of(world, caller), f"key:{caller.key_id}"
    office.slowly(caller.key_id)
    content = office.answers.handed_out(request_id, at=world.clock(), actor=actor, packed=packed)
    return content, "zip" if packed else "json"


def take(world: World, caller: Credential, form: Mapping[str, str]) -> Request:
    """Take down what a person asked for by letter, by phone or at the counter, and return the request."""
    office, now = office_of(world, caller), world.clock()
    right = next((one for one in RIGHTS if one == form.get("right")), None)
    asker = next((one for one in ASKERS if one == form.get("asked_by", "subject")), None)
    if right is None or asker is None:
        raise Unreadable("the form is not complete", f"choose one of {', '.join(RIGHTS)}, and who asks")
    named = [(form.get(f"kind{one}", ""), form.get(f"value{one}", "").strip()) for one in range(ROOM)]
    purpose, field, value = form.get("purpose", ""), form.get("field", "").strip(), form.get("correction", "").strip()
    if right == "rectification" and not (field.isidentifier() and value):
        raise Unreadable("a correction names a field and what is right", "write for example city and Dayton")
    if right == "objection" and purpose and (world.consents is None or purpose not in world.consents.purposes()):
        raise Unreadable("an unknown purpose", "choose one that the policy declares")
    wish = Wish(
        right=right,
        identifiers=tuple(dict.fromkeys(office.known(kind, said) for kind, said in named if said)),
        received_at=_received(form.get("received", ""), now, world.zone),
        actor=f"key:{caller.key_id}",
        jurisdiction=form.get("jurisdiction", "").strip().upper() or None,
        asked_by=asker,
        details={"purposes": [purpose]} if right == "objection" and purpose else {},
        sealed={"corrections": {field: value}} if right == "rectification" else {},
    )
    return office.take(wish, now)


def _received(day: str, now: datetime, zone: tzinfo) -> datetime:
    """Return when a letter came: the beginning of its day where the shop is, so that no day of the term is lost."""
    if not day.strip():
        return now
    try:
        said = datetime.combine(datetime.fromisoformat(day.strip()).date(), time(), zone)
    except ValueError:
        raise Malformed("the day is written as 2027-01-31") from None
    return said.astimezone(UTC)


def urgency(clock: Clock) -> str:
    """Return how much time is left in words."""
    days = abs(clock.days_left)
    told = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    return f"{told} late" if clock.days_left < 0 else f"{told} left"
