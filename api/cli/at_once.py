"""The demo's act of the online path: what has just happened is in the profile, the past before a log-in too."""

import time
from collections.abc import Callable
from typing import Any, Final

from api.cli.acting import Stage, proven
from api.cli.client import Client
from api.cli.console import say, table
from api.cli.world import open_world
from api.http import keys
from infra.clock import Clock, system_clock

_PURPOSE: Final = "profiling"
_WITHIN: Final = 10.0
_VISITS: Final = 3


def at_once(stage: Stage) -> None:
    """Show (h): browse, and the profile moves; log in, and the anonymous past joins; object, and it is closed."""
    world, run = open_world(stage.root), f"{time.time_ns():x}"
    key = keys.create_key(
        world.database, name="act h", scopes={"events:write"}, purposes=(), source="live", at=system_clock()
    )
    sender, cookie = Client(stage.client.base, key), f"demo-visitor-{run}"
    heard = Heard(stage, system_clock)
    known = stage.cast["six_records"]["identifiers"][0]
    before = _seen(stage, known["type"], known["value"])
    say(f"before: nobody has the cookie; {known['type']} leads to {before['profile_id']}")
    proven("a cookie of nobody is unknown", holds=stage.client.lookup("cookie", cookie, _PURPOSE)[0] == 404)
    for page in range(_VISITS):
        _send(sender, "page", {"anonymousId": cookie, "name": f"Page {page}", "messageId": f"page-{page}-{run}"})
    took = _until(lambda: _events(stage, "cookie", cookie) == _VISITS)
    visitor = _seen(stage, "cookie", cookie)
    proven(f"the visitor is served with {_VISITS} events after {took * 1000:.0f} ms", holds=took < _WITHIN)
    took = _until(lambda: heard.of(visitor["profile_id"])[:1] == ["created"])
    proven(f"the change feed tells of the visitor {took * 1000:.0f} ms after that", holds=took < _WITHIN)
    logged_in = {"anonymousId": cookie, "traits": {known["type"]: known["value"]}, "messageId": f"login-{run}"}
    _send(sender, "identify", logged_in)
    took = _until(lambda: _id(stage, "cookie", cookie) == before["profile_id"])
    proven(f"{took * 1000:.0f} ms after the log-in the cookie leads to the person", holds=took < _WITHIN)
    after = _seen(stage, "cookie", cookie)
    rows = [(who, told["profile_id"], told["traits"].get("events")) for who, told in
            (("the person before", before), ("the visitor", visitor), ("the person after", after))]  # fmt: skip
    table("browsed, and logged in", ["who", "profile", "events"], rows)
    more = after["traits"]["events"] - before["traits"].get("events", 0)
    proven("the anonymous past is theirs now", holds=more == _VISITS + 1)
    took = _until(lambda: heard.of(visitor["profile_id"])[-1:] == ["merged"])
    proven(f"and {took * 1000:.0f} ms later that they were merged with a person", holds=took < _WITHIN)
    _objected(stage, known, cookie)
    took = _until(lambda: heard.of(before["profile_id"])[-1:] == ["consent"])
    proven(f"{took * 1000:.0f} ms later the feed tells to let go of the person", holds=took < _WITHIN)
    table("heard", ["profile", "kinds"], [(who, " ".join(kinds)) for who, kinds in heard.kinds.items()])
    stage.client.post("/v1/consent", {"identifier": known, "purpose": _PURPOSE, "action": "given"})


class Heard:
    """What an application hears that follows the change feed from now on."""

    def __init__(self, stage: Stage, clock: Clock) -> None:
        key = keys.create_key(
            open_world(stage.root).database, name="act h, following", scopes={"changes:read"}, purposes={_PURPOSE},
            at=clock(),
        )  # fmt: skip
        self._client, self._place = Client(stage.client.base, key), ""
        self.kinds: dict[str, list[str]] = {}
        self._follow()
        self.kinds.clear()  # everybody who was there before

    def of(self, profile_id: str) -> list[str]:
        """Return what has been heard of a person by now, in its order."""
        self._follow()
        return self.kinds.get(profile_id, [])

    def _follow(self) -> None:
        more = True
        while more:
            since = f"&since={self._place}" if self._place else ""
            status, page = self._client.get(f"/v1/changes?purpose={_PURPOSE}&limit=1000{since}")
            if status != 200:
                proven("the change feed answers", holds=False)
            for one in page["changes"]:
                self.kinds.setdefault(one["profile_id"], []).append(one["kind"])
            self._place, more = page["next"], page["more"]


def _objected(stage: Stage, known: dict[str, str], cookie: str) -> None:
    told = {"identifier": known, "purpose": _PURPOSE, "action": "objected"}
    status, _ = stage.client.post("/v1/consent", told)
    took = _until(lambda: stage.client.lookup("cookie", cookie, _PURPOSE)[0] == 404)
    proven("the objection is acknowledged", holds=status in {200, 201})
    proven(f"{took * 1000:.0f} ms later the new cookie leads nobody to them either", holds=took < 1.0)


def _send(sender: Client, kind: str, event: dict[str, Any]) -> None:
    status, answer = sender.post(f"/v1/{kind}", {**event, "writeKey": sender.key})
    proven(f"the collector takes the {kind} in", holds=status == 200 and bool(answer["success"]))


def _seen(stage: Stage, kind: str, value: str) -> dict[str, Any]:
    status, answer = stage.client.lookup(kind, value, _PURPOSE)
    return answer if status == 200 else {"profile_id": None, "traits": {}}


def _id(stage: Stage, kind: str, value: str) -> str | None:
    found: str | None = _seen(stage, kind, value)["profile_id"]
    return found


def _events(stage: Stage, kind: str, value: str) -> int:
    return int(_seen(stage, kind, value)["traits"].get("events", 0))


def _until(wanted: Callable[[], bool]) -> float:
    """Return after how many seconds it was so, or `_WITHIN` where it was not by then."""
    begun = time.monotonic()
    while not wanted():
        if time.monotonic() - begun > _WITHIN:
            return _WITHIN
        time.sleep(0.01)
    return time.monotonic() - begun
