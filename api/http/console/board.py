"""The console's pages of privacy requests: the board with its clocks, and one request step by step."""

from collections.abc import Mapping
from typing import Any, Final

from api.http.errors import BackendMissing, ScopeRefused
from api.http.keys import Credential
from api.http.world import World
from consent.requests import judge, prove
from consent.requests.clocks import Clock, clocks
from consent.requests.desk import Desk, get, listed, steps
from consent.requests.grounds import GROUNDS, grounds_for
from consent.requests.model import ENDS, FROZEN, Request
from infra.errors import Malformed

READ: Final = "privacy:read"
WRITE: Final = "privacy:write"
_ENDED: Final = 50
_REASONS: Final = ("complexity", "number_of_requests")
# What an officer may have looked at to know who asks.
SEEN: Final = ("passport", "login", "call_back", "in_person")


def desk_of(world: World, caller: Credential, scope: str) -> Desk:
    """Return the desk; raise `ScopeRefused` for a caller who may not, `BackendMissing` where there is none."""
    if not caller.may(scope):
        raise ScopeRefused(scope)
    if world.requests is None:
        raise BackendMissing("a desk for privacy requests")
    return world.requests


def board(world: World, caller: Credential) -> dict[str, Any]:
    """Return the open requests with their clocks, the most urgent first, and those that ended last."""
    desk, now = desk_of(world, caller, READ), world.clock()
    ended = [one for one in listed(desk, every=True) if not one.open]
    newest = sorted(ended, key=lambda one: one.ended_at or one.received_at, reverse=True)
    return {"clocks": clocks(listed(desk), now), "ended": newest[:_ENDED]}


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
    }


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


def urgency(clock: Clock) -> str:
    """Return how much time is left in words."""
    days = abs(clock.days_left)
    told = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    return f"{told} late" if clock.days_left < 0 else f"{told} left"
