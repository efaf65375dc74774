"""Signals and yeses by mail over HTTP: who may send them, what is kept, and that nothing is told by an answer."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tcstrings import tc_string

from api.http.app import create_app
from api.http.keys import create_key
from api.http.main import open_world
from api.http.signalling import SignalDesk
from api.http.world import World
from consent.officer import Desk, show
from consent.suppression import Cause, suppress, tokens_of
from infra.identifiers import token
from infra.workspace import Workspace

pytestmark = pytest.mark.anyio
TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
SIGNALS = """
gpc: {last_update: 2026-11-01}
tcf: {vendor: 7, purposes: {personalization: [1, 3, 4]}}
categories: {purposes: {analytics: [Analytics]}}
"""
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ANN = {"type": "email", "value": "ann@example.org"}
COOKIE = {"type": "cookie", "value": "ck-1"}


@pytest.fixture
def world(tmp_path: Path, token_key: bytes) -> Iterator[World]:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\n")
    (root / "consent" / "signals.yaml").write_text(SIGNALS)
    world = open_world(Workspace.open(root))
    yield replace(world, clock=lambda: NOW)
    world.database.dispose()


class Client:
    """A program that may write consent, one that may not, and what the ledger came to hold."""

    def __init__(self, world: World, key: bytes) -> None:
        assert isinstance(world.signals, SignalDesk)
        self.world, self.desk, self._key, self.at = world, world.signals.desk, key, NOW
        self.app = create_app(replace(world, clock=lambda: self.at))
        made = {"writer": {"consent:write"}, "reader": {"consent:read"}}
        self.keys = {
            name: create_key(world.database, name=name, scopes=scopes, purposes=(), at=NOW)
            for name, scopes in made.items()
        }

    async def post(
        self, path: str, body: Any, who: str = "writer", at: datetime = NOW, **headers: str
    ) -> httpx.Response:
        self.at = at
        told = {"authorization": f"Bearer {self.keys[who]}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://localhost"
        ) as client:
            return await client.post(path, json=body, headers=told)

    def said(self, one: dict[str, str]) -> list[tuple[str, str, str]]:
        found = show(self.desk, [token(self._key, one["type"], one["value"])])
        return [(e["purpose"], e["action"], e["mechanism"]) for e in found]


@pytest.fixture
async def client(world: World, token_key: bytes) -> Any:
    yield Client(world, token_key)
    assert world.collector is not None
    await world.collector.close()


async def test_a_wish_handed_on_counts_under_each_identifier(client: Client) -> None:
    cases: list[tuple[dict[str, Any], dict[str, str], bool]] = [
        ({"gpc": True}, {}, True),
        ({}, {"sec_gpc": "1"}, True),
        ({}, {"sec_gpc": "1, 1"}, True),
        ({}, {"sec_gpc": "0"}, False),
        ({"gpc": False}, {"sec_gpc": "1"}, True),
        ({}, {}, False),
    ]
    for number, (more, headers, wished) in enumerate(cases):
        mail, cookie = (
            {"type": kind, "value": f"a{number}{end}"} for kind, end in (("email", "@example.org"), ("cookie", ""))
        )
        for turn in range(2):
            answer = await client.post("/v1/consent:signal", {"identifiers": [mail, cookie, mail], **more}, **headers)
            assert answer.status_code == 200
            assert len(answer.json()["entries"]) == (2 if wished and not turn else 0)
            assert "sid" not in answer.text
        assert client.said(mail) == client.said(cookie) == ([("advertising", "refused", "gpc")] if wished else [])


async def test_a_string_and_categories_speak_for_the_browser(client: Client) -> None:
    body = {"identifiers": [ANN, COOKIE], "tcf": tc_string(updated=NOW), "categories": {"Analytics": False, "x": True}}
    answer = await client.post("/v1/consent:signal", body)
    assert answer.json()["flags"] == []
    assert sorted(client.said(COOKIE)) == [("analytics", "refused", "banner"), ("personalization", "given", "tcf")]
    assert client.said(ANN) == []
    assert all("evidence" not in entry for entry in answer.json()["entries"])


async def test_a_string_that_cannot_be_read_is_no_consent_and_no_error(client: Client) -> None:
    for text in ("", "garbage", "C" + "A" * 60_000, tc_string()[:30], "\u0000", "🦆"):
        answer = await client.post("/v1/consent:signal", {"identifiers": [COOKIE], "tcf": text})
        assert (answer.status_code, answer.json()["entries"]) == (200, [])


async def test_a_clock_that_is_off_is_flagged(client: Client) -> None:
    body = {"identifiers": [COOKIE], "gpc": True, "occurred_at": "2026-01-01T00:00:00Z"}
    assert (await client.post("/v1/consent:signal", body)).json()["flags"] == ["clock_skew"]
    assert client.said(COOKIE) == [("advertising", "refused", "gpc")]


async def test_what_cannot_be_meant_is_refused_without_repeating_it(client: Client) -> None:
    cases: list[tuple[str, Any]] = [
        ("signal", {"identifiers": [], "gpc": True}),
        ("signal", {"identifiers": [ANN] * 21}),
        ("signal", {"identifiers": [ANN], "gpc": "yes"}),
        ("signal", {"identifiers": [ANN], "categories": {"a": "true"}}),
        ("signal", {"identifiers": [{"type": "email", "value": "secret.example.org"}], "gpc": True}),
        ("request", {"identifier": ANN, "purpose": "spying"}),
        ("request", {"identifier": ANN, "purpose": "all"}),
        ("confirm", {"token": ""}),
    ]
    for verb, body in cases:
        answer = await client.post(f"/v1/consent:{verb}", body)
        assert (verb, answer.status_code) == (verb, 422)
        assert "example.org" not in answer.text
        assert (await client.post(f"/v1/consent:{verb}", body, "reader")).status_code == 403


async def test_a_yes_by_mail_over_http(client: Client) -> None:
    asked = {"identifier": ANN, "purpose": "email_marketing", "channel": "email", "notice": "newsletter@3"}
    slip = (await client.post("/v1/consent:request", asked)).json()
    assert slip["expires_at"] == (NOW + timedelta(hours=48)).isoformat()
    assert client.said(ANN) == []
    answers = [await client.post("/v1/consent:confirm", {"token": slip["token"]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert client.said(ANN) == [("email_marketing", "given", "double_opt_in")]


async def test_forged_and_expired_slips_look_alike(client: Client) -> None:
    slip = (await client.post("/v1/consent:request", {"identifier": ANN, "purpose": "email_marketing"})).json()["token"]
    late = await client.post("/v1/consent:confirm", {"token": slip}, at=NOW + timedelta(hours=48))
    forged = await client.post("/v1/consent:confirm", {"token": slip[::-1]})
    assert (late.status_code, late.json()) == (forged.status_code, forged.json())
    assert late.status_code == 404
    assert client.said(ANN) == []


async def test_browsers_are_told_that_their_wish_counts(client: Client) -> None:
    transport = httpx.ASGITransport(app=client.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        answer = await asking.get("/.well-known/gpc.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"gpc": True, "lastUpdate": "2026-11-01"}


async def test_a_desk_says_so_where_no_purpose_heeds_the_wish(client: Client) -> None:
    desk: Desk = client.desk
    deaf = {name: replace(terms, gpc=False) for name, terms in desk.policy.purposes.items()}
    assert isinstance(client.world.signals, SignalDesk)
    told = replace(client.world.signals, desk=replace(desk, policy=replace(desk.policy, purposes=deaf))).support()
    assert told["gpc"] is False


async def test_of_somebody_who_was_erased_nothing_is_kept(client: Client) -> None:
    assert isinstance(client.world.signals, SignalDesk)
    spellings = tokens_of(client.world.signals.keys, client.desk.kinds, "email", "ann@example.org")
    suppress(client.desk.database, spellings, Cause(reason="erasure", request_id="r1", at=NOW))
    answer = await client.post("/v1/consent:signal", {"identifiers": [ANN, COOKIE], "gpc": True})
    assert answer.status_code == 200
    assert client.said(ANN) == []
    assert client.said(COOKIE) == [("advertising", "refused", "gpc")]
    assert (await client.post("/v1/consent:signal", {"identifiers": [ANN], "gpc": True})).json()["entries"] == []
