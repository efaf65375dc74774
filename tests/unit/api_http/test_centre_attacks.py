"""The centre and the board against whoever means ill: odd forms, forms of others, links of others, forms sent again."""

import hashlib
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from itsdangerous import URLSafeSerializer

from api.http.centre.closed import close_links, is_closed
from api.http.centre.link import COOKIE, COUNTERFOIL_LASTS, Gate
from api.http.keys import create_key
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk, get, listed
from consent.requests.store import METADATA
from consent.requests.vault import Vault
from infra.identifiers import token

pytestmark = pytest.mark.anyio
ANNA, BEN = "anna.k@example.org", "ben@example.org"
FORMS = ("", "/ask", "/take-back", "/answer", "/receipts")
ODD = ("", "\x00", "a\x00b", "\u202etxt", "\ud7ff\uffff", "𒐫" * 50, "<script>alert(1)</script>", "' OR 1=1 --",
       "../../etc", "{{ 7 * 7 }}", "%00%0d%0aset-cookie: a=b", "yes", "x" * 10_000)  # fmt: skip


@pytest.fixture
def desk(town: Any, tmp_path: Path) -> Desk:
    METADATA.create_all(town.world.database)
    desk = Desk(town.world.database, Vault.open(tmp_path, b"k" * 32), lambda *_: None, RequestsConfig())
    town.world = replace(town.world, requests=desk)
    return desk


@pytest.fixture
def gate(town: Any) -> Gate:
    return Gate(town.world.tongue.key)


def link(town: Any, value: str = ANNA) -> str:
    key = town.world.tongue.key
    return "/preferences/enter/" + Gate(key).link("email", token(key, "email", value), town.world.clock())


@pytest.fixture
async def people(town: Any, desk: Desk) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Anna's browser and Ben's."""
    del desk

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost")

    async with client() as anna, client() as ben:
        await anna.get(link(town))
        await ben.get(link(town, BEN))
        yield anna, ben


def word(page: httpx.Response) -> str:
    found = re.search(r'name="word" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


async def sent(client: httpx.AsyncClient, path: str = "", **form: str) -> httpx.Response:
    page = await client.get("/preferences")
    return await client.post(f"/preferences{path}", data={"word": word(page), **form})


async def test_odd_forms_are_answered_and_never_repeated(town: Any, people: Any) -> None:
    anna, _ = people
    held = word(await anna.get("/preferences"))
    draw = random.Random(7)  # noqa: S311 - the same odd forms every time
    names = ("purpose", "answer", "right", "field", "value", "sure", "request", "as", "entry", "\x00", "lang")
    for path in FORMS:
        for odd in ODD:
            form = {name: draw.choice((*ODD, "erasure", "rectification", "city", "objection")) for name in names}
            one = draw.choice(names)
            answer = await anna.post(f"/preferences{path}", data={"word": held, **form, one: odd})
            assert answer.status_code in {303, 403, 422, 503}, (path, form)
            assert "alert(1)" not in answer.text
            assert not answer.headers.get("set-cookie")
        for body in (b"\x00" * 100, b"word", b"\xff\xfe" * 100, b"a=" + b"b" * 70_000, b"=" * 4_000):
            kind = {"content-type": "application/x-www-form-urlencoded"}
            answer = await anna.post(f"/preferences{path}", content=body, headers=kind)
            assert answer.status_code in {403, 413, 422}
    assert all(one["purpose"] in town.world.consents.purposes() for one in town.consents.ledger)


async def test_odd_addresses_open_nothing(people: Any, gate: Gate, town: Any) -> None:
    anna, _ = people
    first = (await anna.get("/preferences/enter/x")).text
    for odd in ("%00", "%E2%80%AE", "a" * 3_000, "..%2f..%2fetc", "W10.x", "%7B%7B7*7%7D%7D"):
        for path in (
            f"/preferences/enter/{odd}",
            f"/preferences/request/{odd}",
            f"/preferences/request/{odd}/certificate",
        ):
            answer = await anna.get(path)
            assert answer.status_code in {403, 404}
            if answer.headers["content-type"].startswith("text/html"):
                assert answer.text == first
    for lang in ("%00", "de%00", "../de", "x" * 5_000):
        assert (await anna.get(f"/preferences?lang={lang}&saved=<b>&asked=<b>")).status_code == 200
    del gate, town


async def test_what_is_signed_for_one_thing_opens_no_other(people: Any, gate: Gate, town: Any, desk: Desk) -> None:
    anna, _ = people
    now = town.world.clock()
    await sent(anna, "/ask", right="access")
    (request,) = listed(desk)
    counterfoil, signed, cookie = gate.counterfoil(request.id, now), link(town).rpartition("/")[2], anna.cookies[COOKIE]
    gone = (await anna.get("/preferences/enter/x")).text
    for path in (
        f"enter/{counterfoil}",
        f"enter/{cookie}",
        f"request/{signed}",
        f"request/{cookie}",
        f"request/{counterfoil}a",
    ):
        assert (await anna.get(f"/preferences/{path}")).text == gone, path
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as stranger:
        for forged in (counterfoil, signed, cookie[:-1]):
            stranger.cookies.set(COOKIE, forged, path="/preferences")
            assert (await stranger.get("/preferences")).text == gone
    assert gate.followed(counterfoil, now) == request.id
    assert gate.followed(counterfoil, now + COUNTERFOIL_LASTS) is None
    assert gate.visitor(counterfoil, now) is None
    assert Gate(b"another key of thirty-two bytes!").followed(counterfoil, now) is None
    page = await anna.get(f"/preferences/request/{counterfoil}")
    assert page.status_code == 200
    assert ANNA not in page.text
    unknown = gate.counterfoil("0" * 32, now)
    assert (await anna.get(f"/preferences/request/{unknown}")).text == gone


async def test_what_is_others_is_out_of_reach(people: Any, desk: Desk, town: Any) -> None:
    anna, ben = people
    await sent(anna, "/ask", right="access")
    await sent(anna, purpose="analytics", answer="no")
    (request,) = listed(desk)
    entry = town.consents.ledger[0]["id"]
    assert (await sent(ben, "/take-back", request=request.id)).status_code == 422
    assert (await sent(ben, "/answer", request=request.id)).status_code in {422, 503}
    assert (await sent(ben, "/receipts", entry=entry)).status_code == 503
    assert get(desk, request.id).status == "accepted"
    stolen = word(await anna.get("/preferences"))
    assert (await ben.post("/preferences", data={"word": stolen, "answer": "stop"})).status_code == 403
    assert len(town.consents.ledger) == 1


async def test_a_form_that_is_sent_again_does_no_more(people: Any, desk: Desk) -> None:
    anna, _ = people
    form = {"word": word(await anna.get("/preferences")), "right": "erasure", "sure": "yes"}
    first, again = [await anna.post("/preferences/ask", data=form) for _ in range(2)]
    assert (first.headers["location"], again.headers["location"]) == (
        "/preferences?asked=erasure#rights", "/preferences?asked=before#rights",
    )  # fmt: skip
    (request,) = listed(desk)
    back = {"word": form["word"], "request": request.id}
    assert (
        (await anna.post("/preferences/take-back", data=back)).headers["location"].startswith("/preferences?asked=back")
    )
    assert (await anna.post("/preferences/take-back", data=back)).status_code == 422
    assert get(desk, request.id).status == "cancelled"


async def test_closed_links_and_the_visits_they_opened_are_over(people: Any, town: Any, gate: Gate) -> None:
    anna, ben = people
    old = link(town)
    answer = await sent(anna, "/close")
    assert "Goodbye" in answer.text
    gone = (await ben.get("/preferences/enter/x")).text
    assert (await ben.get(old)).text == gone
    assert (await ben.get("/preferences")).status_code == 200
    key, now = town.world.tongue.key, town.world.clock()
    held = token(key, "email", ANNA)
    later = gate.follow(gate.link("email", held, now + timedelta(seconds=1)), now)
    assert later is not None
    assert not is_closed(town.world.database, gate, later)
    close_links(town.world.database, gate, held, now + timedelta(hours=1))
    assert is_closed(town.world.database, gate, later)


async def test_a_link_of_before_links_said_when_they_were_made_opens_until_they_are_closed(
    town: Any, gate: Gate
) -> None:
    key, now = town.world.tongue.key, town.world.clock()
    held = token(key, "email", ANNA)
    signer = URLSafeSerializer(
        __import__("hmac").new(key, b"preference centre v1", hashlib.sha256).digest(),
        salt="link", signer_kwargs={"digest_method": hashlib.sha256},
    )  # fmt: skip
    older = gate.follow(signer.dumps(["email", held, int((now + timedelta(days=1)).timestamp())]), now)
    assert older is not None
    assert not is_closed(town.world.database, gate, older)
    close_links(town.world.database, gate, held, now)
    assert is_closed(town.world.database, gate, older)


@pytest.mark.parametrize("value", ["a\x00b", "\u202eDayton", "\ue000", "two\nlines", "\x07", " ", "x" * 401])
async def test_a_correction_is_text(people: Any, desk: Desk, value: str) -> None:
    anna, _ = people
    answer = await sent(anna, "/ask", right="rectification", field="city", value=value)
    assert answer.status_code == 422
    assert "write what is right" in answer.text
    assert listed(desk) == ()


async def test_names_of_every_script_are_text(people: Any, desk: Desk) -> None:
    anna, _ = people
    for value in ("Łódź", "東京", "می‌خواهم", "O'Brien-Ñandú", "e\u0301"):
        assert (await sent(anna, "/ask", right="rectification", field="city", value=value)).status_code == 303
    assert len(listed(desk)) == 5


async def test_pages_for_people_send_strict_headers(people: Any, desk: Desk, gate: Gate, town: Any) -> None:
    anna, _ = people
    await sent(anna, "/ask", right="access")
    (request,) = listed(desk)
    counterfoil = gate.counterfoil(request.id, town.world.clock())
    for path in ("", "/enter/x", f"/request/{counterfoil}", f"/request/{counterfoil}/certificate"):
        answer = await anna.get(f"/preferences{path}")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize(("told", "secure"), [("https", True), ("https, http", True), ("http", False), (None, False)])
async def test_the_cookie_is_secure_behind_a_proxy_with_tls(town: Any, told: str | None, *, secure: bool) -> None:
    headers = {} if told is None else {"x-forwarded-proto": told}
    transport = httpx.ASGITransport(app=town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        cookie = (await client.get(link(town), headers=headers)).headers["set-cookie"]
    assert ("Secure" in cookie) is secure
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/preferences" in cookie


async def test_the_board_answers_odd_forms(town: Any, desk: Desk) -> None:
    del desk
    scopes = {"console", "privacy:read", "privacy:write", "profile:read", "consent:write"}
    key = create_key(town.world.database, name="o", scopes=scopes, purposes={"service"}, at=town.world.clock())
    draw = random.Random(11)  # noqa: S311 - the same odd forms every time
    names = ("right", "asked_by", "received", "jurisdiction", "kind0", "value0", "purpose", "field", "correction", "q",
             "act", "seen", "ground", "reason", "as")  # fmt: skip
    transport = httpx.ASGITransport(app=town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.post("/login", data={"key": key})
        held = word(await client.get("/"))
        for path in ("/requests", f"/requests/{'0' * 32}", f"/requests/{'0' * 32}/answer", "/search", "/requests/%00"):
            for odd in ODD:
                form = {name: draw.choice((*ODD, "erasure", "email", "service")) for name in names}
                answer = await client.post(path, data={"word": held, **form, draw.choice(names): odd})
                assert answer.status_code in {303, 403, 404, 422, 503}, (path, form)
                assert "alert(1)" not in answer.text
                assert "x" * 200 not in answer.text
