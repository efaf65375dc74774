"""Stewards over HTTP and in the console: what waits, both records side by side, three answers; and why not, and how."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.http.app import create_app
from api.http.audit import looks
from api.http.keys import create_key
from api.http.memory import MemoryStewards
from identity.stewardship.review import Task
from infra.ids import ProfileId, RecordKey

pytestmark = pytest.mark.anyio
ANNA, BEN, CORA = (ProfileId(letter * 32) for letter in "abc")
PAIR = Task(
    "1" * 16, "contradiction", "strong_negative", ANNA, BEN, RecordKey("18" * 16), RecordKey("91" * 16), -4_200_000
)
HELD = Task("2" * 16, "held", "births,phones", ANNA)
MARKUP = "\"><script>alert(1)</script>'"


@pytest.fixture
def stewards() -> MemoryStewards:
    return MemoryStewards([PAIR, HELD])


@pytest.fixture
def keys(town: Any) -> dict[str, str]:
    made = {
        name: create_key(town.world.database, name=name, scopes=scopes, purposes=purposes, at=town.world.clock())
        for name, scopes, purposes in (
            ("reviewer", {"identity:review", "console"}, {"identity_resolution"}),
            ("purposeless", {"identity:review"}, {"service"}),
        )
    }
    return {**town.keys, **made}


@pytest.fixture
async def asking(town: Any, stewards: MemoryStewards) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(replace(town.world, stewards=stewards))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def decisions(town: Any) -> list[tuple[str, str]]:
    town.world.audit.flush()
    return [(look.purpose, look.decision) for look in looks(town.world.database, ANNA)]


async def test_only_a_key_with_the_scope_sits_at_the_desk(asking: httpx.AsyncClient, keys: dict[str, str]) -> None:
    for who in ("reader", "steward", "officer"):
        for method, url in (
            ("GET", "/v1/review"),
            ("GET", f"/v1/review/{PAIR.id}"),
            ("POST", f"/v1/review/{PAIR.id}:decide"),
        ):
            body = {"json": {"answer": "same", "reason": "x"}} if method == "POST" else {}
            assert (await asking.request(method, url, headers=bearer(keys[who]), **body)).status_code == 403
    assert (await asking.get("/v1/review", headers=bearer(keys["admin"]))).status_code == 200


async def test_what_waits_is_listed_without_a_value(asking: httpx.AsyncClient, keys: dict[str, str]) -> None:
    answer = await asking.get("/v1/review", headers=bearer(keys["reviewer"]))
    told = answer.json()
    assert told["waiting"] == {"contradiction": 1, "held": 1}
    assert [(q["id"], q["bits"]) for q in told["questions"]] == [(PAIR.id, -4.2), (HELD.id, None)]
    assert told["questions"][1]["because"] == "held: beyond its border in births, phones"
    assert "Kowalski" not in answer.text
    held = await asking.get("/v1/review?kind=held&limit=1", headers=bearer(keys["reviewer"]))
    assert [q["id"] for q in held.json()["questions"]] == [HELD.id]


async def test_a_question_shows_both_records_and_is_audited(
    asking: httpx.AsyncClient, keys: dict[str, str], town: Any
) -> None:
    told = (await asking.get(f"/v1/review/{PAIR.id}", headers=bearer(keys["reviewer"]))).json()
    assert [record["source"] for record in told["records"]] == ["web", "crm"]
    assert told["records"][1]["attributes"]["given_name"] == "Ben"
    assert "token" not in str(told)
    assert told["evidence"]["bits"] == -4.2
    assert ("identity_resolution", "review") in decisions(town)
    whole = (await asking.get(f"/v1/review/{HELD.id}", headers=bearer(keys["reviewer"]))).json()
    assert len(whole["records"]) == 9


async def test_values_need_the_purpose_and_a_refusal_hides_them(
    asking: httpx.AsyncClient, keys: dict[str, str], town: Any
) -> None:
    assert (await asking.get(f"/v1/review/{PAIR.id}", headers=bearer(keys["purposeless"]))).status_code == 403
    ben = next(iter(town.profiles.headers[BEN]["tokens"]))
    town.profiles.denied.add((ben, "identity_resolution"))
    told = (await asking.get(f"/v1/review/{PAIR.id}", headers=bearer(keys["reviewer"]))).json()
    assert [record["published"] for record in told["records"]] == [True, False]
    assert told["evidence"] is None


async def test_an_answer_is_kept_with_who_why_and_until_when(
    asking: httpx.AsyncClient, keys: dict[str, str], stewards: MemoryStewards
) -> None:
    url = f"/v1/review/{PAIR.id}:decide"
    said = {"answer": "different", "reason": "two passports", "until": "2027-01-31T00:00:00Z"}
    answer = await asking.post(url, json=said, headers=bearer(keys["reviewer"]))
    assert answer.json() == {
        "id": PAIR.id, "answer": "different", "constraints": 1, "counts": "at the next resolution",
    }  # fmt: skip
    [(task_id, verdict, actor, reason, until)] = stewards.decided
    assert (task_id, verdict, reason) == (PAIR.id, "different", "two passports")
    assert actor.startswith("key:")
    assert until is not None
    assert [
        q["id"] for q in (await asking.get("/v1/review", headers=bearer(keys["reviewer"]))).json()["questions"]
    ] == [HELD.id]


async def test_a_contradiction_an_unknown_question_and_a_bad_answer_are_told(
    asking: httpx.AsyncClient, keys: dict[str, str], stewards: MemoryStewards
) -> None:
    stewards.forbidden.add(PAIR.id)
    key, said = bearer(keys["reviewer"]), {"answer": "same", "reason": "looks alike"}
    refused = await asking.post(f"/v1/review/{PAIR.id}:decide", json=said, headers=key)
    assert (refused.status_code, "must stay apart" in refused.text) == (403, True)
    assert (await asking.post(f"/v1/review/{'9' * 16}:decide", json=said, headers=key)).status_code == 404
    wrong = await asking.post(f"/v1/review/{PAIR.id}:decide", json={"answer": "perhaps", "reason": "x"}, headers=key)
    assert wrong.status_code == 422
    assert stewards.decided == []


async def test_why_not_names_the_gate(asking: httpx.AsyncClient, keys: dict[str, str]) -> None:
    def ask(other: str) -> dict[str, Any]:
        mine = {"type": "email", "value": "anna.k@example.org"}
        return {"a": mine, "b": {"type": "email", "value": other}, "purpose": "identity_resolution"}

    key = bearer(keys["steward"])
    told = (await asking.post("/v1/identity:whyNot", json=ask("ben@example.org"), headers=key)).json()
    assert (told["same"], told["because"]) == (False, "the identifier is shared by several persons")
    assert told["evidence"]["bits"] == -4.2
    far = (await asking.post("/v1/identity:whyNot", json=ask("cora@example.net"), headers=key)).json()
    assert "nothing brought them together" in far["because"]
    same = (await asking.post("/v1/identity:whyNot", json=ask("a.kowalski@example.com"), headers=key)).json()
    assert same == {"same": True, "because": "they are one person", "evidence": None}
    assert (await asking.post("/v1/identity:whyNot", json=ask("no@example.org"), headers=key)).status_code == 404
    counts = (await asking.get("/metrics", headers=bearer(keys["admin"]))).text
    assert 'kindred_http_request_seconds_count{route="/v1/identity:whyNot",purpose="identity_resolution"} 4' in counts


async def test_how_lists_the_ties_that_suffice(asking: httpx.AsyncClient, keys: dict[str, str]) -> None:
    url = f"/v1/profiles/{ANNA}/how?purpose=service"
    told = (await asking.get(url, headers=bearer(keys["steward"]))).json()
    assert len(told["merges"]) == 8
    assert [m["bits"] for m in told["merges"]] == sorted((m["bits"] for m in told["merges"]), reverse=True)
    assert len(told["refused"]) == 1
    assert (await asking.get(url, headers=bearer(keys["reader"]))).status_code == 403


@pytest.fixture
async def visiting(asking: httpx.AsyncClient, keys: dict[str, str]) -> httpx.AsyncClient:
    await asking.post("/login", data={"key": keys["reviewer"]})
    return asking


async def test_the_console_lists_shows_and_decides(visiting: httpx.AsyncClient, stewards: MemoryStewards) -> None:
    listed = (await visiting.get("/review")).text
    assert f"/review/{PAIR.id}" in listed
    assert "Kowalski" not in listed
    page = (await visiting.get(f"/review/{PAIR.id}")).text
    for said in ("One person or two?", "Ben", "One person</button>", "Two people</button>", "Ask again later"):
        assert said in page
    word = re.search(r'name="word" value="([0-9a-f]+)"', page)
    assert word is not None
    form = {"word": word[1], "answer": "different", "reason": MARKUP, "until": "2027-01-31"}
    answer = await visiting.post(f"/review/{PAIR.id}", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/review?decided=different")
    [(_, verdict, _, reason, until)] = stewards.decided
    assert (verdict, reason, str(until)[:10]) == ("different", MARKUP, "2027-02-01")
    assert PAIR.id not in (await visiting.get("/review")).text
    assert MARKUP not in (await visiting.get(f"/review?decided={MARKUP}&kind={MARKUP}")).text


async def test_a_forged_or_empty_form_decides_nothing(visiting: httpx.AsyncClient, stewards: MemoryStewards) -> None:
    form = {"word": "0" * 64, "answer": "same", "reason": "x"}
    assert (await visiting.post(f"/review/{PAIR.id}", data=form)).status_code == 403
    page = (await visiting.get("/review")).text
    word = re.findall(r'name="word" value="([0-9a-f]+)"', page)[0]
    assert (await visiting.post(f"/review/{PAIR.id}", data={"word": word, "answer": "same"})).status_code == 422
    bad_day = {"word": word, "answer": "same", "reason": "x", "until": "soon"}
    assert (await visiting.post(f"/review/{PAIR.id}", data=bad_day)).status_code == 422
    assert stewards.decided == []


async def test_a_visitor_without_the_scope_sees_no_queue(asking: httpx.AsyncClient, keys: dict[str, str]) -> None:
    await asking.post("/login", data={"key": keys["person"]})
    assert "/review" not in (await asking.get("/")).text
    assert (await asking.get("/review")).status_code == 403
