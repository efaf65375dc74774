"""The officer's board of privacy requests: who sees it, what it shows, what its forms do."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http.keys import create_key
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk, get
from consent.requests.intake import open_request
from consent.requests.model import Claimed, Request, Right, Wish
from consent.requests.store import METADATA
from consent.requests.vault import Vault
from infra.ids import Token

pytestmark = pytest.mark.anyio
PURPOSES = ("service",)


@pytest.fixture
def desk(town: Any, tmp_path: Path) -> Desk:
    METADATA.create_all(town.world.database)
    vault = Vault.open(tmp_path, b"k" * 32)
    desk = Desk(town.world.database, vault, lambda *_: None, RequestsConfig(four_eyes=("erasure",)))
    town.world = replace(town.world, requests=desk)
    return desk


@asynccontextmanager
async def officer(town: Any, name: str, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    now = town.world.clock()
    key = create_key(town.world.database, name=name, scopes={"console", *scopes}, purposes=PURPOSES, at=now)
    transport = httpx.ASGITransport(app=town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.post("/login", data={"key": key})
        yield client


def opened(town: Any, desk: Desk, right: Right = "erasure", number: int = 1, days: int = 0) -> Request:
    now = town.world.clock()
    wish = Wish(
        right=right,
        identifiers=(Claimed("email", Token(f"1:{number:064x}"), f"p{number}@example.org"),),
        received_at=now - timedelta(days=days),
        actor="officer:anne",
        regulation="gdpr",
    )
    return open_request(desk, wish, now)


async def done(client: httpx.AsyncClient, request: Request, **form: str) -> httpx.Response:
    page = (await client.get(f"/requests/{request.id}")).text
    found = re.search(r'name="word" value="([0-9a-f]+)"', page)
    assert found is not None
    return await client.post(f"/requests/{request.id}", data={"word": found[1], **form})


async def test_the_board_shows_the_most_urgent_first_and_no_identifier(town: Any, desk: Desk) -> None:
    late = opened(town, desk, "access", 1, days=60)
    fresh = opened(town, desk, "erasure", 2)
    async with officer(town, "reader", "privacy:read") as client:
        page = (await client.get("/requests")).text
        assert page.index(late.id[:8]) < page.index(fresh.id[:8])
        assert "days late" in page
        assert "days left" in page
        assert "p1@example.org" not in page
        sheet = (await client.get(f"/requests/{fresh.id}")).text
        assert "p2@example.org" not in sheet
        assert "Approve" not in sheet
        assert "not verified yet" in sheet
        assert (await client.get(f"/requests/{'0' * 32}")).status_code == 404
        assert (await done(client, fresh, act="cancel")).status_code == 403


async def test_the_board_is_for_officers(town: Any, desk: Desk) -> None:
    request = opened(town, desk)
    async with officer(town, "clerk", "profile:read") as client:
        assert (await client.get("/requests")).status_code == 403
        assert (await client.get(f"/requests/{request.id}")).status_code == 403
        assert 'href="/requests"' not in (await client.get("/")).text


async def test_four_eyes_lead_a_request_to_its_approval(town: Any, desk: Desk) -> None:
    request = opened(town, desk)
    async with (
        officer(town, "one", "privacy:read", "privacy:write") as one,
        officer(town, "two", "privacy:read", "privacy:write") as two,
    ):
        assert (await done(one, request, act="approve")).status_code == 403
        assert (await done(one, request, act="attest", seen="a face")).status_code == 422
        assert (await done(one, request, act="attest", seen="passport")).status_code == 303
        assert (await done(one, request, act="approve")).status_code == 403
        assert (await done(two, request, act="approve")).status_code == 303
        assert get(desk, request.id).status == "accepted"
        page = (await two.get(f"/requests/{request.id}")).text
        assert "Attested" in page
        assert "passport" in page


async def test_requests_are_extended_refused_and_taken_back(town: Any, desk: Desk) -> None:
    async with officer(town, "one", "privacy:read", "privacy:write") as client:
        request = opened(town, desk, "access", 3)
        due = request.due_at
        assert (await done(client, request, act="extend", reason="laziness")).status_code == 422
        assert (await done(client, request, act="extend", reason="complexity")).status_code == 303
        assert get(desk, request.id).due_at > due
        assert (await done(client, request, act="refuse", ground="no reason")).status_code == 422
        assert (await done(client, request, act="refuse", ground="identity")).status_code == 303
        page = (await client.get(f"/requests/{request.id}")).text
        assert "could not be verified" in page
        assert "What to do" not in page
        other = opened(town, desk, "erasure", 4)
        assert (await done(client, other, act="cancel")).status_code == 303
        assert get(desk, other.id).status == "cancelled"
        assert (await done(client, other)).status_code in {403, 422}


async def test_a_forged_form_does_nothing(town: Any, desk: Desk) -> None:
    request = opened(town, desk)
    async with officer(town, "one", "privacy:read", "privacy:write") as client:
        answer = await client.post(f"/requests/{request.id}", data={"word": "0" * 64, "act": "cancel"})
        assert answer.status_code == 403
    assert get(desk, request.id).status == "verifying"
