"""Signals of consent at the door: in the ledger and obeyed before their request is answered."""

import asyncio
import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from api.http.app import create_app
from api.http.keys import create_key
from api.http.main import open_world
from api.http.wiring import Ledger
from api.http.world import World
from consent.officer import Statement, record, show
from consent.store import entries
from infra.clock import system_clock
from infra.identifiers import token
from infra.ids import Token
from infra.workspace import Workspace

pytestmark = pytest.mark.anyio
TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
WEB = """source: web
connector: {type: collector}
record: event
identifiers: {email: [traits.email, context.traits.email], customer: userId, cookie: anonymousId}
"""
SHY = WEB.replace("source: web", "source: shy") + "consent_gate: context.consent.categoryPreferences.Analytics\n"
SIGNALS = """
categories:
  purposes: {personalization: [Functional], analytics: [Analytics]}
"""
IDENTITY = "  cookie: {normaliser: text, anonymous: true}\n"
EVENT = {"type": "track", "event": "E", "anonymousId": "ck-1", "userId": "u-1", "traits": {"email": "ann@example.org"}}


@pytest.fixture
def workspace(tmp_path: Path, token_key: bytes) -> Workspace:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\n")
    (root / "sources" / "web.yaml").write_text(WEB)
    (root / "sources" / "shy.yaml").write_text(SHY)
    (root / "sources" / "bare.yaml").write_text("source: bare\nconnector: {type: collector}\n")
    (root / "consent" / "signals.yaml").write_text(SIGNALS)
    return Workspace.open(root)


@pytest.fixture
def world(workspace: Workspace) -> Iterator[World]:
    world = open_world(workspace)
    yield world
    world.database.dispose()


class Door:
    """The server's door, with the ledger behind it."""

    def __init__(self, world: World, key: bytes) -> None:
        assert isinstance(world.consents, Ledger)
        self.world, self.desk, self._key = world, world.consents.desk, key
        self.app = create_app(world)
        self.keys = {
            name: create_key(
                world.database, name=name, scopes={"events:write"}, purposes=(), source=name, at=world.clock()
            )
            for name in ("web", "shy", "bare")
        }

    async def send(self, event: Any, source: str = "web", path: str = "/v1/track", **headers: Any) -> httpx.Response:
        told = [(name.replace("_", "-"), one) for name, many in headers.items() for one in many]
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            content = event if isinstance(event, bytes) else json.dumps(event).encode()
            return await client.post(path, content=content, headers=told, auth=(self.keys[source], ""))

    def token(self, kind: str, value: str) -> Token:
        return token(self._key, kind, value)

    def said(self, kind: str = "cookie", value: str = "ck-1") -> list[tuple[str, str, str]]:
        entries = show(self.desk, [self.token(kind, value)])
        return [(e["purpose"], e["action"], e["mechanism"]) for e in entries]


@pytest.fixture
async def door(world: World, token_key: bytes) -> Any:
    door = Door(world, token_key)
    yield door
    assert world.collector is not None
    await world.collector.close()


WISH = [("advertising", "refused", "gpc")]


async def test_a_browser_s_wish_is_kept_under_all_that_the_event_names(door: Door) -> None:
    cases = [
        (["1"], True), (["1", "0"], True), (["0", "1"], True), (["1, 1"], True), ([" 1"], True), (["0"], False),
        (["true"], False), ([], False),
    ]  # fmt: skip
    for n, (values, wished) in enumerate(cases):
        event = {**EVENT, "anonymousId": f"c-{n}", "userId": f"u-{n}", "traits": {"email": f"a{n}@example.org"}}
        for _ in range(3):
            assert (await door.send(event, sec_gpc=values)).status_code == 200
        for kind, value in (("cookie", f"c-{n}"), ("customer", f"U{n}"), ("email", f"a{n}@example.org")):
            assert door.said(kind, value) == (WISH if wished else [])
            assert door.desk.overlay.denied(door.token(kind, value), "advertising") is wished


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
async def test_an_event_s_own_context_and_its_batch_s_tell_the_wish(door: Door, path: str) -> None:
    said: dict[str, Any] = {"context": {"gpc": True}}
    event = {**EVENT, **said} if path == "/v1/track" else {"batch": [EVENT], **said}
    assert (await door.send(event, path=path)).status_code == 200
    assert door.said() == WISH


async def test_a_source_that_declares_no_identifiers_refuses_for_no_stranger_s_number(door: Door) -> None:
    assert (await door.send({**EVENT, "userId": "1001"}, source="bare", sec_gpc=["1"])).status_code == 200
    assert door.said() == door.said("email", "ann@example.org") == WISH
    for kind in ("customer", "loyalty", "account"):
        assert door.said(kind, "1001") == []
    assert entries(door.desk.database) == 2


async def test_a_picture_s_address_tells_the_wish_too(door: Door) -> None:
    raw = json.dumps({**EVENT, "context": {"gpc": True}}).encode()
    transport = httpx.ASGITransport(app=door.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        data = base64.b64encode(raw).decode()
        answer = await client.get("/v1/pixel/track", params={"data": data}, auth=(door.keys["web"], ""))
    assert answer.status_code == 200
    assert door.said() == WISH


async def test_a_key_spelled_with_escapes_is_heard_too(door: Door) -> None:
    raw = json.dumps({**EVENT, "context": {"gpc": True}}).encode().replace(b'"gpc"', b'"\\u0067pc"')
    assert (await door.send(raw)).status_code == 200
    assert door.said() == WISH


async def test_a_broken_event_s_wish_counts_as_far_as_it_names_somebody(door: Door) -> None:
    for raw in (
        b'{"anonymousId":"ck-1","userId":5,"x":NaN,"context":{"gpc":true}}',
        b'{"anonymousId":"ck-1","deep":' + b"[" * 90 + b"]" * 90 + b',"context":{"gpc":true}}',
        b'{"anonymousId":"ck-1","long":"' + b"x" * 40_000 + b'","context":{"gpc":true}}',
    ):
        assert (await door.send(raw)).status_code == 200
    assert door.said() == WISH
    assert (await door.send(b'{"event":"E","context":{"gpc":true}}')).status_code == 200
    assert (await door.send(b"[1,2", sec_gpc=["1"])).status_code == 400


async def test_a_banner_speaks_for_its_browser(door: Door) -> None:
    for yes in (True, True, False):
        event = {**EVENT, "context": {"consent": {"categoryPreferences": {"Functional": yes}}}}
        assert (await door.send(event)).status_code == 200
    assert door.said() == [("personalization", "given", "banner"), ("personalization", "refused", "banner")]
    assert door.said("email", "ann@example.org") == door.said("customer", "U1") == []


async def test_of_an_event_that_says_no_to_being_kept_the_no_is_kept(door: Door) -> None:
    event = {**EVENT, "context": {"consent": {"categoryPreferences": {"Analytics": False, "Functional": True}}}}
    assert (await door.send(event, source="shy", sec_gpc=["1"])).status_code == 200
    assert sorted(door.said()) == [("advertising", "refused", "gpc"), ("analytics", "refused", "banner")]


async def test_nothing_is_kept_of_somebody_restricted(door: Door) -> None:
    now = system_clock()
    email = door.token("email", "ann@example.org")
    record(
        door.desk,
        Statement(kind="email", token=email, purpose="all", action="restricted", occurred_at=now, received_at=now),
    )
    assert door.world.collector is not None
    door.world.collector._desk.refresh()
    assert (await door.send(EVENT, sec_gpc=["1"])).status_code == 200
    assert entries(door.desk.database) == 1


async def test_many_at_once_are_a_few_transactions_and_each_is_kept(door: Door) -> None:
    events = [{**EVENT, "anonymousId": f"ck-{n % 60}", "userId": f"u-{n % 60}", "traits": {}} for n in range(180)]
    answers = await asyncio.gather(*(door.send(event, sec_gpc=["1"]) for event in events))
    assert {answer.status_code for answer in answers} == {200}
    assert entries(door.desk.database) == 120


async def test_what_cannot_be_kept_is_not_acknowledged_and_comes_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(*_: object) -> None:
        raise OperationalError("INSERT", {"secret": "ck-1"}, Exception("locked"))

    with monkeypatch.context() as patched:
        patched.setattr("consent.store.append", held)
        answers = await asyncio.gather(*(door.send(EVENT, sec_gpc=["1"]) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {503}
        assert all("retry-after" in answer.headers and "ck-1" not in answer.text for answer in answers)
        # What says nothing of consent is taken in all the same.
        assert (await door.send(EVENT)).status_code == 200
    assert (await door.send(EVENT, sec_gpc=["1"])).status_code == 200
    assert door.said() == WISH
