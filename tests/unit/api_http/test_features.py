"""Rows of a feature set over HTTP."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from api.http.app import create_app
from api.http.audit import ReadAudit
from api.http.people import People
from profiles.features.declared import FeatureSet

ANNA, BEN, CORA, MERGED, SPLIT, HIDDEN = (letter * 32 for letter in "abcef0")
PATH = "/v1/features"
EMAIL = {"type": "email", "value": " Anna.K@Example.org "}
BASKET = FeatureSet.model_validate(
    {
        "feature_set": "basket",
        "version": 3,
        "purpose": "service",
        "features": [
            {"name": "given_name", "field": "attributes.given_name", "type": "text"},
            {"name": "orders", "field": "traits.orders", "type": "whole", "default": 0},
            {"name": "sneezes", "field": "traits.sneezes", "type": "whole", "default": -1},
        ],
    }
)


def post(app: Any, key: str, body: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            return await client.post(PATH, content=orjson.dumps(body), headers=headers)

    return asyncio.run(send())


@pytest.fixture
def shop(town: Any) -> Any:
    object.__setattr__(town.world, "features", {"basket": BASKET, "for_ads": replace_purpose(BASKET)})
    return town


def replace_purpose(declared: FeatureSet) -> FeatureSet:
    return declared.model_copy(update={"feature_set": "for_ads", "purpose": "advertising"})


@pytest.fixture
def asked(shop: Any) -> Callable[..., Any]:
    def ask(*people: Any, who: str = "reader", **more: Any) -> httpx.Response:
        body = {"feature_set": "basket", "purpose": "service", "people": people, **more}
        return post(create_app(shop.world), shop.keys[who], body)

    return ask


def test_a_row_a_person_in_the_order_asked(asked: Callable[..., Any], shop: Any) -> None:
    told = asked({"profile_id": BEN}, EMAIL, {"profile_id": MERGED}, {"profile_id": HIDDEN}).json()
    assert (told["feature_set"], told["version"], told["purpose"]) == ("basket", 3, "service")
    assert told["features"][1] == {"name": "orders", "type": "whole"}
    assert [row["profile_id"] for row in told["rows"]] == [BEN, ANNA, ANNA, None]
    anna = orjson.loads(shop.profiles.view(ANNA, "service"))
    assert told["rows"][1] == {
        "profile_id": ANNA, "found": True, "values": ["Anna", anna["traits"]["orders"], -1], "status": "ppd",
    }  # fmt: skip
    assert told["rows"][3] == {"profile_id": None, "found": False, "values": [None, 0, -1], "status": "ddd"}


def test_unknown_denied_and_unreadable_tell_no_more_than_a_look_up(asked: Callable[..., Any], shop: Any) -> None:
    loose = shop.world.tongue.known("phone", "(202) 555-0143")
    shop.profiles.loose.add((loose.token, "service"))
    shop.profiles.denied.add((shop.world.tongue.known("email", "ben@example.org").token, "service"))
    phone = {"type": "phone", "value": "(202) 555-0143"}
    rows = asked(phone, {"profile_id": BEN}, {"profile_id": "no id"}, {"type": "email", "value": "none"}).json()["rows"]
    hidden = {"profile_id": None, "found": False, "values": [None, 0, -1], "status": "ddd"}
    assert rows == [hidden, hidden, hidden, {**hidden, "because": "unreadable"}]


def test_a_split_names_who_answers_now(asked: Callable[..., Any]) -> None:
    (row,) = asked({"profile_id": SPLIT}).json()["rows"]
    assert (row["found"], row["because"], row["successors"]) == (False, "split", [ANNA, BEN])


def test_a_set_is_read_for_its_own_purpose_with_a_key_that_carries_it(asked: Callable[..., Any]) -> None:
    unknown = asked(EMAIL, feature_set="baskets")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:kindred:problem:unknown-feature-set")
    other = asked(EMAIL, purpose="personalization")
    assert (other.status_code, other.json()["type"]) == (422, "urn:kindred:problem:other-purpose")
    assert asked(EMAIL, purpose="advertising", feature_set="for_ads").status_code == 403
    assert asked(EMAIL, who="officer").status_code == 403
    assert asked(*[EMAIL] * 1_001).status_code == 422
    assert "example" not in unknown.text + other.text


def test_it_is_counted_and_audited_as_a_batch_is(asked: Callable[..., Any], shop: Any) -> None:
    asked(EMAIL, {"profile_id": HIDDEN}, {"profile_id": "a card number"})
    window, key_id = shop.world.audit._window, shop.keys["reader"][3:13]
    assert window[key_id, "service", "allowed"] == [ANNA]
    assert window[key_id, "service", "hidden"] == [HIDDEN, "-"]
    object.__setattr__(shop.world, "people", People(shop.world.database, shop.world.clock, limit=1))
    assert asked(EMAIL, {"profile_id": BEN}).json()["type"] == "urn:kindred:problem:day-full"
    behind = replace(shop.world, audit=ReadAudit(shop.world.database, shop.world.clock, capacity=0))
    body = {"feature_set": "basket", "purpose": "service", "people": [EMAIL]}
    assert post(create_app(behind), shop.keys["reader"], body).status_code == 503


def test_a_thousand_long_addresses_fit(asked: Callable[..., Any]) -> None:
    people = [{"type": "email", "value": "é" * 200 + "@example.org"}] * 1_000
    assert asked(*people).status_code == 200
