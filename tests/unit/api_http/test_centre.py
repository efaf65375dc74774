"""The preference centre: who comes in, what they see, what their answers do, and in which language."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.audit import looks
from api.http.centre.link import COOKIE, LINK_LASTS, VISIT_LASTS, Gate
from infra.identifiers import token
from infra.ids import Token

pytestmark = pytest.mark.anyio
ANNA = "a" * 32
EMAIL = "anna.k@example.org"


def link(town: Any, value: str = EMAIL, kind: str = "email") -> str:
    key = town.world.tongue.key
    return "/preferences/enter/" + Gate(key).link(kind, token(key, kind, value), town.world.clock())


@pytest.fixture
async def visiting(town: Any, asking: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that followed Anna's link."""
    answer = await asking.get(link(town))
    assert (answer.status_code, answer.headers["location"]) == (303, "/preferences")
    return asking


def word(page: httpx.Response) -> str:
    found = re.search(r'name="word" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


async def answered(visiting: httpx.AsyncClient, **form: str) -> httpx.Response:
    page = await visiting.get("/preferences")
    return await visiting.post("/preferences", data={"word": word(page), **form})


async def test_the_page_shows_choices_data_and_readers(town: Any, visiting: httpx.AsyncClient) -> None:
    town.world.audit.note("k1", "service", ANNA, "served")
    page = await visiting.get("/preferences")
    assert page.status_code == 200
    assert EMAIL in page.text
    assert page.text.count('class="answers"') == len(town.world.consents.purposes()) - 1  # service rests on a contract
    town.world.audit.flush()
    again = await visiting.get("/preferences")
    assert "k1" in again.text
    assert "you, on this page" in again.text
    assert [look.key_id for look in looks(town.world.database, ANNA)] == ["k1", "subject"]


async def test_a_no_is_obeyed_by_the_next_read_and_a_yes_is_written_down(
    town: Any, visiting: httpx.AsyncClient
) -> None:
    reading = {"identifier": {"type": "email", "value": EMAIL}, "purpose": "personalization"}
    before = await visiting.post("/v1/profiles:lookup", json=reading, headers=town.bearer())
    assert before.status_code == 200
    answer = await answered(visiting, purpose="personalization", answer="no")
    assert (answer.status_code, answer.headers["location"]) == (303, "/preferences?saved=no")
    after = await visiting.post("/v1/profiles:lookup", json=reading, headers=town.bearer())
    assert after.status_code == 404
    await answered(visiting, purpose="personalization", answer="yes")
    said = [(e["purpose"], e["action"], e["mechanism"]) for e in town.consents.ledger]
    assert said == [("personalization", "withdrawn", "centre"), ("personalization", "given", "centre")]
    page = await visiting.get("/preferences?saved=no")
    assert 'role="status"' in page.text
    assert "yes taken back" in page.text


async def test_no_to_everything_can_be_taken_back_purpose_by_purpose(town: Any, visiting: httpx.AsyncClient) -> None:
    assert (await answered(visiting, answer="stop")).status_code == 303
    refusable = [p for p in town.world.consents.purposes() if p != "service"]
    assert [(e["purpose"], e["action"]) for e in town.consents.ledger] == [(p, "withdrawn") for p in refusable]


@pytest.mark.parametrize(
    "form",
    [
        {"purpose": "service", "answer": "no"},
        {"purpose": "service", "answer": "yes"},
        {"purpose": "nothing", "answer": "no"},
        {"purpose": "analytics", "answer": "maybe"},
        {"purpose": "analytics"},
        {},
    ],
)
async def test_only_what_is_offered_can_be_chosen(town: Any, visiting: httpx.AsyncClient, form: dict[str, str]) -> None:
    assert (await answered(visiting, **form)).status_code == 422
    assert town.consents.ledger == []


async def test_forms_of_others_are_refused(town: Any, visiting: httpx.AsyncClient) -> None:
    page = await visiting.get("/preferences")
    form = {"purpose": "analytics", "answer": "no"}
    assert (await visiting.post("/preferences", data={**form, "word": "0" * 64})).status_code == 403
    assert (await visiting.post("/preferences", data=form)).status_code == 403
    elsewhere = {"sec-fetch-site": "cross-site"}
    answer = await visiting.post("/preferences", data={**form, "word": word(page)}, headers=elsewhere)
    assert answer.status_code == 403
    assert (await visiting.post("/preferences", data={**form, "word": "x" * 5_000})).status_code == 422
    assert town.consents.ledger == []


async def test_without_a_link_nothing_is_shown(town: Any, asking: httpx.AsyncClient) -> None:
    signed = link(town)
    for url in ("/preferences", "/preferences/enter/x", f"{signed[:-2]}xx", "/preferences/enter/" + "a" * 5_000):
        answer = await asking.get(url)
        assert answer.status_code == 403, url
        assert "This link is not valid" in answer.text
        assert "set-cookie" not in answer.headers
    assert (await asking.post("/preferences", data={"answer": "stop"})).status_code == 403


async def test_links_and_visits_end(town: Any) -> None:
    key, now = town.world.tongue.key, town.world.clock()
    gate = Gate(key)
    signed = gate.link("email", Token("t"), now)
    bearer = gate.follow(signed, now)
    assert bearer is not None
    assert gate.follow(signed, now + LINK_LASTS) is None
    cookie = gate.visit(bearer, now)
    assert gate.visitor(cookie, now + VISIT_LASTS) is None
    assert gate.follow(cookie, now) is None
    assert gate.visitor(signed, now) is None
    late = gate.visit(bearer, now + LINK_LASTS - timedelta(minutes=1))
    assert gate.visitor(late, now + LINK_LASTS) is None
    assert Gate(b"another key of thirty-two bytes!").follow(signed, now) is None


@given(st.text(max_size=300))
def test_what_was_not_signed_here_opens_nothing(text: str) -> None:
    gate = Gate(b"k" * 32)
    from datetime import UTC, datetime

    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert gate.follow(text, now) is None
    assert gate.visitor(text, now) is None
    assert not gate.same_word("cookie", text)


async def test_an_unknown_identifier_sees_its_choices_and_no_data(town: Any, asking: httpx.AsyncClient) -> None:
    await asking.get(link(town, "nobody@example.org"))
    page = await asking.get("/preferences")
    assert page.status_code == 200
    assert "we hold nothing" in page.text
    assert page.text.count('class="answers"') == len(town.world.consents.purposes()) - 1
    assert (await answered(asking, purpose="analytics", answer="no")).status_code == 303


async def test_what_hangs_on_a_guess_is_not_shown(town: Any, asking: httpx.AsyncClient) -> None:
    held = token(town.world.tongue.key, "email", EMAIL)
    town.profiles.links = lambda _: {held: "probable"}
    await asking.get(link(town))
    page = await asking.get("/preferences")
    assert EMAIL not in page.text
    assert "Anna" not in page.text
    assert "more than one person" in page.text


async def test_the_page_says_nothing_to_caches_frames_or_scripts(visiting: httpx.AsyncClient) -> None:
    page = await visiting.get("/preferences")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert (await visiting.get("/preferences/style.css")).status_code == 200


async def test_markup_in_names_stays_text(town: Any, visiting: httpx.AsyncClient) -> None:
    for (_, person), view in town.profiles.views.items():
        if person == ANNA:
            view["attributes"]["given_name"] = "\"><script>alert(1)</script>'"
    assert "<script>" not in (await visiting.get("/preferences")).text


async def test_it_speaks_the_languages_of_its_files(visiting: httpx.AsyncClient) -> None:
    german = await visiting.get("/preferences", headers={"accept-language": "de-AT,de;q=0.9,en;q=0.5"})
    assert 'lang="de"' in german.text
    assert "Ihre Daten" in german.text
    assert german.headers["content-language"] == "de"
    chosen = await visiting.get("/preferences?lang=de", headers={"accept-language": "en"})
    assert "Ihre Daten" in chosen.text
    form = {"word": word(chosen), "purpose": "analytics", "answer": "no"}
    kept = await visiting.post("/preferences?lang=de", data=form)
    assert kept.headers["location"] == "/preferences?saved=no&lang=de"
    assert 'lang="en"' in (await visiting.get("/preferences?lang=xx")).text


async def test_leaving_ends_the_visit(visiting: httpx.AsyncClient) -> None:
    answer = await visiting.post("/preferences/leave")
    assert "Goodbye" in answer.text
    assert COOKIE not in visiting.cookies
    assert (await visiting.get("/preferences")).status_code == 403


async def test_an_application_gets_a_link_to_mail(town: Any, asking: httpx.AsyncClient) -> None:
    asked = {"identifier": {"type": "email", "value": EMAIL}, "hours": 2}
    refused = await asking.post("/v1/preferences:link", json=asked, headers=town.bearer("officer"))
    assert refused.status_code == 403
    answer = await asking.post("/v1/preferences:link", json=asked, headers=town.bearer("admin"))
    assert answer.status_code == 201
    assert EMAIL not in answer.text
    assert (await asking.get(answer.json()["path"])).status_code == 303


@pytest.fixture
def desk(town: Any, tmp_path: Path) -> Any:
    """A desk of privacy requests for the town."""
    from consent.requests.config import RequestsConfig
    from consent.requests.desk import Desk
    from consent.requests.store import METADATA
    from consent.requests.vault import Vault

    METADATA.create_all(town.world.database)
    vault = Vault.open(tmp_path, b"k" * 32)
    notes: list[Any] = []
    desk = Desk(town.world.database, vault, lambda *note: notes.append(note), RequestsConfig())
    town.world = replace(town.world, requests=desk)
    return desk


@pytest.fixture
async def asking_rights(town: Any, desk: Any) -> Any:
    """Anna's browser, where requests are taken down."""
    del desk
    transport = httpx.ASGITransport(app=town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.get(link(town))
        yield client


async def asked_for(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    page = await client.get("/preferences")
    return await client.post("/preferences/ask", data={"word": word(page), **form})


@pytest.mark.parametrize("right", ["access", "portability", "restriction"])
async def test_a_right_is_asked_for_by_one_button(desk: Any, asking_rights: httpx.AsyncClient, right: str) -> None:
    from consent.requests.desk import identifiers, listed

    answer = await asked_for(asking_rights, right=right)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/preferences?asked={right}#rights")
    (request,) = listed(desk)
    assert (request.right, request.status, request.channel) == (right, "accepted", "centre")
    assert [one.value for one in identifiers(desk, request.id)] == [EMAIL]
    page = await asking_rights.get("/preferences")
    assert "accepted" in page.text
    again = await asked_for(asking_rights, right=right)
    assert again.headers["location"] == "/preferences?asked=before#rights"
    assert len(listed(desk)) == 1


async def test_an_erasure_wants_a_tick(desk: Any, asking_rights: httpx.AsyncClient) -> None:
    from consent.requests.desk import listed

    assert (await asked_for(asking_rights, right="erasure")).status_code == 422
    assert listed(desk) == ()
    assert (await asked_for(asking_rights, right="erasure", sure="yes")).status_code == 303
    assert [one.right for one in listed(desk)] == ["erasure"]


async def test_a_correction_names_a_field_that_is_held(desk: Any, asking_rights: httpx.AsyncClient) -> None:
    from consent.requests.desk import listed, told

    for form in ({"field": "shoe_size", "value": "9"}, {"field": "city", "value": " "}, {"field": "city"}, {}):
        assert (await asked_for(asking_rights, right="rectification", **form)).status_code == 422
    assert (await asked_for(asking_rights, right="rectification", field="city", value="Akron")).status_code == 303
    (request,) = listed(desk)
    assert told(desk, request.id) == {"corrections": {"city": "Akron"}}


@pytest.mark.parametrize("form", [{}, {"right": "objection"}, {"right": "everything"}])
async def test_no_other_right_is_taken(desk: Any, asking_rights: httpx.AsyncClient, form: dict[str, str]) -> None:
    from consent.requests.desk import listed

    assert (await asked_for(asking_rights, **form)).status_code == 422
    assert listed(desk) == ()


async def test_a_stranger_s_request_looks_like_anybody_s(town: Any, desk: Any) -> None:
    from consent.requests.desk import listed

    transport = httpx.ASGITransport(app=town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.get(link(town, "nobody@example.org"))
        answer = await asked_for(client, right="erasure", sure="yes")
        assert (answer.status_code, answer.headers["location"]) == (303, "/preferences?asked=erasure#rights")
        assert "Correct my data" not in (await client.get("/preferences")).text
    assert len(listed(desk)) == 1
