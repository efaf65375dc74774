"""Segment's Profile API: addresses, answers and errors as its documentation shows them."""

import base64
import logging
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.http.app import create_app
from api.http.keys import create_key
from api.http.world import Segment

pytestmark = pytest.mark.anyio
ANNA, MERGED, SPLIT, HIDDEN = (letter * 32 for letter in "aef0")
USERS = "/v1/spaces/shop/collections/users/profiles"
NOT_FOUND = {"error": {"code": "not_found", "message": "Profile was not found."}}


@pytest.fixture
async def segment(town: Any) -> Any:
    key = create_key(
        town.world.database, name="seg", scopes={"profile:read"}, purposes={"service"}, at=town.world.clock()
    )
    world = replace(town.world, segment=Segment("shop", {"user_id": "customer"}))
    headers = {"authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(world)), base_url="http://localhost", headers=headers
    ) as client:
        yield client


async def test_it_is_off_unless_it_is_asked_for(asking: httpx.AsyncClient, town: Any) -> None:
    answer = await asking.get(f"{USERS}/use_{ANNA}/traits", headers=town.bearer())
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "who", ["user_id:C-1001", "email:anna.k@example.org", "email:ANNA.K%40Example.org", f"use_{ANNA}", ANNA,
            "phone:+12025550143", "phone:%2B12025550143", f"use_{MERGED}"],
)  # fmt: skip
async def test_anybody_is_found_as_they_are_named(segment: httpx.AsyncClient, who: str) -> None:
    answer = await segment.get(f"{USERS}/{who}/traits?limit=200")
    assert answer.status_code == 200
    assert answer.json()["traits"]["given_name"] == "Anna"
    assert len(answer.headers["request-id"]) == 16
    url = f"{USERS}/use_{ANNA}/traits"
    assert answer.json()["cursor"] == {"url": url, "has_more": False, "next": "", "limit": 200}


@pytest.mark.parametrize("what", ["traits", "external_ids", "events", "metadata"])
async def test_an_answer_is_of_one_moment(town: Any, what: str) -> None:
    class Moving:
        """Profiles that nobody may look at who has not chosen a moment, once for an answer."""

        moments = 0

        def moment(self) -> Any:
            self.moments += 1
            return town.world.profiles

    key = create_key(
        town.world.database, name="seg", scopes={"profile:read"}, purposes={"service"}, at=town.world.clock()
    )
    moving: Any = Moving()
    world = replace(town.world, profiles=moving, segment=Segment("shop", {}))
    headers = {"authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(world)), base_url="http://localhost", headers=headers
    ) as client:
        assert (await client.get(f"{USERS}/email:anna.k@example.org/{what}")).status_code == 200
    assert moving.moments == 1


async def test_traits_come_in_tens_and_only_those_that_are_wanted(segment: httpx.AsyncClient) -> None:
    seen: dict[str, Any] = {}
    query: dict[str, Any] = {}
    while True:
        answer = (await segment.get(f"{USERS}/use_{ANNA}/traits", params=query)).json()
        assert len(answer["traits"]) <= 10
        seen |= answer["traits"]
        if not answer["cursor"]["has_more"]:
            break
        query = {"next": answer["cursor"]["next"]}
    assert {"orders", "given_name", "cheese_lovers"} <= set(seen)
    for asked, names in (
        ({"class": "audience"}, {"cheese_lovers"}),
        ({"include": "rfm,orders,nothing"}, {"rfm", "orders"}),
    ):
        answer = (await segment.get(f"{USERS}/use_{ANNA}/traits", params=asked)).json()
        assert set(answer["traits"]) == names


async def test_verbose_tells_where_a_value_is_from(segment: httpx.AsyncClient) -> None:
    asked = {"verbose": "true", "include": "given_name"}
    answer = (await segment.get(f"{USERS}/use_{ANNA}/traits", params=asked)).json()
    assert answer["traits"] == {
        "given_name": {"value": "Anna", "source_id": "crm", "updated_at": "2026-09-14T08:00:00Z"}
    }


async def test_external_ids_have_their_names(segment: httpx.AsyncClient, town: Any) -> None:
    held = {one["value"] for one in town.profiles.views["service", ANNA]["identifiers"] if one["type"] == "customer"}
    answer = (await segment.get(f"{USERS}/use_{ANNA}/external_ids?include=user_id")).json()
    assert {one["id"] for one in answer["data"]} == held
    assert len(held) == 2
    assert set(answer["data"][0]) == {
        "source_id", "collection", "id", "type", "created_at", "encoding", "first_message_id"
    }  # fmt: skip
    assert {one["type"] for one in answer["data"]} == {"user_id"}


async def test_events_both_ways_and_between_moments(segment: httpx.AsyncClient) -> None:
    both = {}
    for order in ("asc", "desc"):
        found: list[Any] = []
        query: dict[str, Any] = {"sort": order, "limit": 7}
        while True:
            answer = (await segment.get(f"{USERS}/use_{ANNA}/events", params=query)).json()
            found += answer["data"]
            if not answer["cursor"]["has_more"]:
                break
            query["next"] = answer["cursor"]["next"]
        both[order] = [one["message_id"] for one in found]
    assert both["asc"] == both["desc"][::-1]
    assert len(set(both["asc"])) == 25
    asked = {"start": "2026-11-17T00:00:00Z", "end": "2026-11-20T23:00:00", "exclude": "receipt"}
    answer = (await segment.get(f"{USERS}/use_{ANNA}/events", params=asked)).json()
    assert [one["event"] for one in answer["data"]] == ["Recipes", "Product Viewed"]
    assert set(answer["data"][0]) == {
        "external_ids", "context", "type", "message_id", "source_id", "timestamp", "properties", "event", "related"
    }  # fmt: skip


async def test_metadata_and_links(segment: httpx.AsyncClient) -> None:
    told = (await segment.get(f"{USERS}/use_{ANNA}/metadata")).json()["metadata"]
    assert set(told) == {
        "created_at", "updated_at", "expires_at", "first_message_id", "first_source_id", "last_message_id",
        "last_source_id",
    }  # fmt: skip
    assert (await segment.get(f"{USERS}/use_{ANNA}/links")).json() == {"data": []}


@pytest.mark.parametrize(
    "path", [f"{USERS}/use_{HIDDEN}/traits", f"{USERS}/email:nobody@example.org/traits", f"{USERS}/email:%FF%00/traits",
             f"{USERS}/use_{SPLIT}/traits", f"{USERS}/telepathy:x/traits", f"{USERS}/user_id:C-1001/secrets",
             f"/v1/spaces/other/collections/users/profiles/use_{ANNA}/traits", f"{USERS}/email:/traits",
             f"/v1/spaces/shop/collections/accounts/profiles/use_{ANNA}/traits", f"{USERS}/email:a%2Fb/c/traits"],
)  # fmt: skip
async def test_whoever_is_not_there_is_not_found_in_their_words(segment: httpx.AsyncClient, path: str) -> None:
    answer = await segment.get(path)
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert "request-id" in answer.headers


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "class=x", "verbose=yes", "next=%00", "next=7"])
async def test_wrong_parameters_are_told_without_their_values(segment: httpx.AsyncClient, query: str) -> None:
    answer = await segment.get(f"{USERS}/use_{ANNA}/traits?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request_error")
    for wrong in ("start=yesterday", "sort=up"):
        assert (await segment.get(f"{USERS}/use_{ANNA}/events?{wrong}")).status_code == 400
    wrong = (await segment.get(f"/v1/spaces/shop/collections/us!rs/profiles/use_{ANNA}/traits")).json()
    assert wrong["error"]["code"] == "validation_error"


async def test_only_a_key_of_one_purpose_as_a_user_without_password(segment: httpx.AsyncClient, town: Any) -> None:
    url = f"{USERS}/use_{ANNA}/traits"

    def basic(text: str) -> str:
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    for wrong in (
        basic(f"{town.keys['reader']}:"), basic(f"{town.keys['shop']}:"), basic("kd_x:"), "Basic !", "",
        f"Bearer {town.keys['reader']}", segment.headers["authorization"][:-4] + "OngK",
    ):  # fmt: skip
        answer = await segment.get(url, headers={"authorization": wrong})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "authentication_error")


async def test_no_address_is_written_down(
    segment: httpx.AsyncClient, town: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    town.profiles.timeline = lambda *_: 1 / 0
    await segment.get(f"{USERS}/email:anna.k@example.org/events?include=secret")
    assert "example.org" not in " ".join(record.getMessage() for record in caplog.records if "kindred" in record.name)
    text = town.world.metrics.text()
    assert "profiles/{rest:path}" in text
    assert "example.org" not in text
    assert town.world.audit.waiting() == 1
