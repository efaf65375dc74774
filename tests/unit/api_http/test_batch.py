"""Many people in one answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.http.fastpath import FastPath
from api.http.people import People

ANNA, BEN, CORA, MERGED, SPLIT, HIDDEN = (letter * 32 for letter in "abcef0")
BATCH = "/v1/profiles:batchLookup"
EMAIL = {"type": "email", "value": " Anna.K@Example.org "}

people = st.one_of(
    st.sampled_from(
        ["anna.k@example.org", "ben@example.org", "nobody@example.org", "no email", "cora@example.net"]
    ).map(lambda value: {"type": "email", "value": value}),
    st.sampled_from([ANNA, BEN, CORA, MERGED, SPLIT, HIDDEN, "x", "é", ""]).map(lambda one: {"profile_id": one}),
    st.just({"type": "telepathy", "value": "x"}),
)
odd = st.one_of(people, st.none(), st.just({"type": "email"}), st.just({"value": "x", "profile_id": ANNA}))
bodies = st.one_of(
    st.fixed_dictionaries(
        {"people": st.lists(people, max_size=12), "purpose": st.sampled_from(["service", "personalization"])}
    ),
    st.fixed_dictionaries({"people": st.lists(odd, max_size=4), "purpose": st.sampled_from(["advertising", "", 1])}),
    st.fixed_dictionaries(
        {"people": st.lists(people, max_size=4), "purpose": st.just("service"), "fields": st.just(["traits.*"])}
    ),
).map(orjson.dumps)


def ask(app: Any, key: str, body: bytes) -> httpx.Response:
    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            return await client.post(BATCH, content=body, headers=headers)

    return asyncio.run(post())


@pytest.fixture
def asked(town: Any) -> Callable[..., list[dict[str, Any]]]:
    def post(*who: Any, purpose: str = "service", **more: Any) -> list[dict[str, Any]]:
        answer = ask(town.app, town.keys["reader"], orjson.dumps({"people": who, "purpose": purpose, **more}))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    return post


def test_each_person_is_answered_in_the_order_asked(asked: Callable[..., Any]) -> None:
    told = asked({"profile_id": BEN}, EMAIL, {"profile_id": MERGED}, {"profile_id": SPLIT}, {"profile_id": HIDDEN})
    assert [one["status"] for one in told] == [200, 200, 200, 300, 404]
    assert [told[n]["profile"]["profile_id"] for n in range(3)] == [BEN, ANNA, ANNA]
    assert told[3] == {"status": 300, "profile_id": SPLIT, "successors": [ANNA, BEN]}


def test_unknown_and_denied_and_loosely_tied_look_alike(town: Any, asked: Callable[..., Any]) -> None:
    known = town.world.tongue.known("phone", "(202) 555-0143")
    town.profiles.loose.add((known.token, "personalization"))
    phone, cora = {"type": "phone", "value": "(202) 555-0143"}, {"type": "email", "value": "cora@example.net"}
    told = asked(phone, cora, {"profile_id": CORA}, {"profile_id": "no id"}, purpose="personalization")
    assert told == [{"status": 404}] * 4


def test_one_typing_error_costs_nobody_else_their_answer(asked: Callable[..., Any]) -> None:
    told = asked({"type": "email", "value": "no email"}, EMAIL, {"type": "telepathy", "value": "anna"})
    assert [one["status"] for one in told] == [422, 200, 422]


def test_only_the_wanted_fields_are_sent(asked: Callable[..., Any]) -> None:
    told = asked(EMAIL, {"profile_id": BEN}, fields=["attributes.given_name"])
    assert [one["profile"]["attributes"] for one in told] == [{"given_name": "Anna"}, {"given_name": "Ben"}]
    assert "provenance" not in told[0]["profile"]


def test_every_person_is_in_the_audit(town: Any, asked: Callable[..., Any]) -> None:
    asked(EMAIL, {"profile_id": BEN}, {"profile_id": HIDDEN}, {"profile_id": "a card number"})
    window = town.world.audit._window
    key_id = town.keys["reader"][3:13]
    assert window[key_id, "service", "allowed"] == [ANNA, BEN]
    assert window[key_id, "service", "hidden"] == [HIDDEN, "-"]
    assert town.world.audit.waiting() == 4


def test_a_batch_costs_a_request_a_person(town: Any) -> None:
    from api.http.credentials import KeyRing

    ring = KeyRing(town.world.database, rate=10, burst=20, stopwatch=lambda: 0.0)
    object.__setattr__(town.world, "ring", ring)
    fifteen = orjson.dumps({"people": [EMAIL] * 15, "purpose": "service"})
    assert ask(town.app, town.keys["reader"], fifteen).status_code == 200
    refused = ask(town.app, town.keys["reader"], fifteen)
    assert refused.status_code == 429
    assert refused.headers["ratelimit-policy"] == '"requests";q=10;w=1'
    assert refused.headers["ratelimit"] == f'"requests";r=0;t={refused.headers["retry-after"]}'


def test_a_batch_is_no_way_around_the_people_of_a_day(town: Any) -> None:
    object.__setattr__(town.world, "people", People(town.world.database, town.world.clock, limit=1))
    two = orjson.dumps({"people": [EMAIL, {"profile_id": BEN}], "purpose": "service"})
    for tries in (1, 2):  # the second by the fast path, which leaves it to the slow one
        refused = ask(town.app, town.keys["reader"], two)
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:kindred:problem:day-full")
        assert "urn" in refused.text
        assert town.world.audit.waiting() == 2 * tries
    assert {decision for _, _, decision in town.world.audit._window} == {"hidden"}
    again = orjson.dumps({"people": [EMAIL, {"profile_id": ANNA}, {"profile_id": HIDDEN}], "purpose": "service"})
    assert ask(town.app, town.keys["reader"], again).status_code == 200


@pytest.mark.parametrize("size", [0, 1_001])
def test_no_more_than_a_thousand_and_no_less_than_one(town: Any, size: int) -> None:
    body = orjson.dumps({"people": [{"profile_id": HIDDEN}] * size, "purpose": "service"})
    assert ask(town.app, town.keys["reader"], body).status_code == 422


def test_a_thousand_long_addresses_fit(town: Any) -> None:
    body = orjson.dumps(
        {"people": [{"type": "email", "value": "é" * 200 + "@example.org"}] * 1_000, "purpose": "service"}
    )
    assert ask(town.app, town.keys["reader"], body).status_code == 200
    assert ask(town.app, town.keys["reader"], body * 2).status_code == 413


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(body=bodies, who=st.sampled_from(["reader", "steward", "officer"]))
def test_the_fast_path_answers_as_the_slow_one(town: Any, body: bytes, who: str) -> None:
    town.world.ring.holder(f"Bearer {town.keys[who]}".encode())
    fast, slow = (ask(app, town.keys[who], body) for app in (town.app, town.slow))
    for answer in (fast, slow):
        answer.headers.pop("server-timing")
    assert (fast.status_code, fast.content) == (slow.status_code, slow.content)
    assert sorted(fast.headers.raw) == sorted(slow.headers.raw)


def test_the_fast_path_is_taken(town: Any) -> None:
    async def framework(*_: Any) -> None:
        raise AssertionError

    town.world.ring.holder(f"Bearer {town.keys['reader']}".encode())
    body = orjson.dumps({"people": [EMAIL, {"profile_id": HIDDEN}], "purpose": "service"})
    assert ask(FastPath(framework, town.world), town.keys["reader"], body).status_code == 200
