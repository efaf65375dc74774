"""The officer's board of privacy requests: who sees it, what it shows, what its forms do."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import consent.store
import infra.runs
from api.http.keys import create_key
from api.http.privacy.office import Office
from consent.erasure.asked import Door
from consent.erasure.book import Book
from consent.overlay import DenyOverlay
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk, get, listed
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


@pytest.fixture
def office(town: Any, desk: Desk, tmp_path: Path) -> Office:
    """An office that takes requests down; its answers are told apart by their request."""

    class Answers:
        def handed_out(self, request_id: str, *, at: datetime, actor: str, packed: bool) -> bytes:
            del at
            return f"{request_id} {actor} {packed}".encode()

    overlay = DenyOverlay.open(tmp_path / "serving")
    door = Door(desk, town.world.database, overlay, "self", town.world.tongue.types, {1: town.world.tongue.key})
    office = Office(desk, None, tmp_path, town.world.tongue, lambda *_: "", Answers(), door)  # type: ignore[arg-type]
    town.world = replace(town.world, privacy=office)
    return office


async def taken(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    found = re.search(r'name="word" value="([0-9a-f]+)"', (await client.get("/requests")).text)
    assert found is not None
    asked = {"right": "access", "kind0": "email", "value0": "Ann.B@Example.org", **form}
    return await client.post("/requests", data={"word": found[1], **asked})


async def test_a_letter_is_taken_down(town: Any, desk: Desk, office: Office) -> None:
    async with officer(town, "one", "privacy:read", "privacy:write") as client:
        day = (town.world.clock() - timedelta(days=3)).date()
        answer = await taken(client, right="rectification", field="city", correction="Akron", received=day.isoformat(),
                             jurisdiction="us-oh", kind2="account", value2="acc-7")  # fmt: skip
        assert answer.status_code == 303
        (request,) = listed(desk)
        assert answer.headers["location"] == f"/requests/{request.id}"
        assert (request.right, request.jurisdiction, request.kinds) == ("rectification", "US-OH", ("email", "account"))
        assert request.received_at.date() == day
        assert request.opened_by.startswith("key:")
        assert "example.org" not in (await client.get(answer.headers["location"])).text.lower()
        for wrong in (
            {"right": "everything"}, {"asked_by": "nobody"}, {"value0": ""}, {"value0": "no address"},
            {"right": "rectification"}, {"received": "tomorrow"}, {"received": "2999-01-01"}, {"jurisdiction": "Ohio!"},
            {"right": "objection", "purpose": "nothing"}, {"kind0": "planet"},
        ):  # fmt: skip
            assert (await taken(client, **wrong)).status_code == 422, wrong
        assert len(listed(desk)) == 1
    async with officer(town, "reader", "privacy:read") as client:
        assert "Take a request down" not in (await client.get("/requests")).text
        assert (await taken(client)).status_code == 403
    del office


async def test_an_answer_is_handed_out_to_officers(town: Any, desk: Desk, office: Office) -> None:
    request = opened(town, desk, "access", 5)
    async with officer(town, "one", "privacy:read", "privacy:write") as client:
        page = (await client.get(f"/requests/{request.id}")).text
        assert "The answer" not in page, "not before it was carried out"
        form = {"word": re.findall(r'name="word" value="([0-9a-f]+)"', page)[0], "as": "zip"}
        answer = await client.post(f"/requests/{request.id}/answer", data=form)
        assert answer.headers["content-disposition"] == f'attachment; filename="{request.id}.zip"'
        assert answer.headers["cache-control"] == "no-store"
        assert answer.text.endswith(" True")
        assert (await client.post(f"/requests/{request.id}/answer", data={"as": "zip"})).status_code == 403
    async with officer(town, "reader", "privacy:read") as client:
        form = {"word": re.findall(r'name="word" value="([0-9a-f]+)"', (await client.get("/")).text)[0]}
        assert (await client.post(f"/requests/{request.id}/answer", data=form)).status_code == 403
    del office


async def test_a_certificate_that_does_not_hold_is_told_and_there_is_none_before_the_end(
    town: Any, desk: Desk, office: Office
) -> None:
    consent.store.METADATA.create_all(town.world.database)
    infra.runs.METADATA.create_all(town.world.database)
    now = town.world.clock()
    plain = replace(desk, config=RequestsConfig())
    wish = Wish(right="erasure", identifiers=(Claimed("email", Token(f"1:{9:064x}"), ""),), received_at=now,
                actor="subject", regulation="gdpr", vouched="link")  # fmt: skip
    request = open_request(plain, wish, now)
    office.freeze(now)
    book = Book(town.world.database, lambda: now)
    async with officer(town, "one", "privacy:read") as client:
        page = (await client.get(f"/requests/{request.id}")).text
        assert "store by store" in page
        assert "kindred privacy run" in page, "this server hands nothing to the job runner"
        assert (await client.get(f"/requests/{request.id}/certificate")).status_code == 404
        store = {"store": "lake", "kind": "delta", "files": 1, "bytes": 9, "hits_before": 1, "hits_after": 0,
                 "canary_found": True, "unscanned": []}  # fmt: skip
        forged = {"kind": "x", "outcome": "certified", "key_id": "0" * 16, "stores": [store], "exclusions": []}
        book.certify(request.id, forged, "00", exceptions=False)
        page = (await client.get(f"/requests/{request.id}")).text
        assert "It does not hold" in page
        assert "signature is missing" in page
        assert (await client.get(f"/requests/{request.id}/certificate")).json() == forged


async def test_a_forged_form_does_nothing(town: Any, desk: Desk) -> None:
    request = opened(town, desk)
    async with officer(town, "one", "privacy:read", "privacy:write") as client:
        answer = await client.post(f"/requests/{request.id}", data={"word": "0" * 64, "act": "cancel"})
        assert answer.status_code == 403
    assert get(desk, request.id).status == "verifying"
