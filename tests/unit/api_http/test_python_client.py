"""The Python client against the whole application over memory doubles, sync and async alike."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from kept_past import kept

from api.http.app import create_app
from kindred_client import (
    AsyncKindred,
    Denied,
    Gone,
    Invalid,
    Kindred,
    NotFound,
    Patience,
    Split,
    Unauthorized,
    Unreachable,
)
from profiles.features.declared import FeatureSet

ANNA = ("email", "anna.k@example.org")


class Watched(httpx.AsyncBaseTransport):
    """The application in this process; it remembers what was asked and answered."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self.seen: list[tuple[httpx.Request, int]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        self.seen.append((request, response.status_code))
        return response


class Bridged(httpx.BaseTransport):
    """The same for the client of threads: a loop for each request."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def asked() -> httpx.Response:
            response = await self._watched.handle_async_request(request)
            return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

        return asyncio.run(asked())


@pytest.fixture
def watched(town: Any) -> Watched:
    return Watched(town.app)


@pytest.fixture
def client(town: Any, watched: Watched) -> Callable[..., Kindred]:
    def opened(who: str = "reader", **more: Any) -> Kindred:
        return Kindred("http://localhost", town.keys[who], transport=Bridged(watched), **more)

    return opened


def test_a_person_is_found_by_any_identifier_and_by_id(client: Any, watched: Watched) -> None:
    kindred = client()
    anna = kindred.lookup(*ANNA, purpose="personalization")
    assert anna.attributes["given_name"] == "Anna"
    assert anna.traits["favourite_categories"] == ["cheese", "bread", "tea", "soft fruit"]
    assert anna.consent.allowed
    assert anna.withheld_fields["birth_date"] == "policy"
    assert anna.provenance["given_name"].source == "crm"
    assert anna == kindred.profile(anna.profile_id, purpose="personalization")
    assert kindred.profile("e" * 32, purpose="service").profile_id == anna.profile_id, "a merged id has a survivor"
    assert all("anna" not in str(request.url) for request, _ in watched.seen)
    shown = repr(anna)
    assert "Kowalski" not in shown
    assert "example.org" not in shown


def test_the_second_read_costs_no_body_and_a_denial_is_seen_at_once(client: Any, watched: Watched) -> None:
    kindred = client()
    first = kindred.lookup(*ANNA, purpose="service")
    assert kindred.lookup(*ANNA, purpose="service") is first
    assert [status for _, status in watched.seen] == [200, 304]
    officer = client("officer")
    receipt = officer.consent(*ANNA, purpose="service", action="objected", mechanism="centre")
    assert receipt.action == "objected"
    assert not officer.may(*ANNA, purpose="service").allowed
    with pytest.raises(NotFound):
        kindred.lookup(*ANNA, purpose="service")
    with pytest.raises(NotFound):
        kindred.profile(first.profile_id, purpose="service")
    assert kindred.lookup(*ANNA, purpose="personalization").profile_id == first.profile_id


def test_only_some_fields(client: Any) -> None:
    found = client().lookup(*ANNA, purpose="service", fields=["traits.orders"])
    assert (dict(found.traits), dict(found.attributes)) == ({"orders": 47}, {})


def test_events_go_on_over_pages(client: Any, watched: Watched) -> None:
    kindred = client()
    anna = kindred.lookup(*ANNA, purpose="service")
    told = list(kindred.events(anna.profile_id, purpose="service", page=7))
    assert len(told) == 25
    assert [event.at for event in told] == sorted((event.at for event in told), reverse=True)
    assert told[0].lines[0].name == "Cheddar, mature"
    assert sum("/events" in str(request.url) for request, _ in watched.seen) == 4


def test_the_same_word_twice_is_one_entry(town: Any, client: Any) -> None:
    officer = client("officer")
    said = {"purpose": "email_marketing", "action": "given", "repeat_key": "form-1"}
    assert officer.consent(*ANNA, **said).id == officer.consent(*ANNA, **said).id
    assert len(town.consents.ledger) == 1


def test_what_to_do_next_and_a_link_to_the_centre(town: Any, client: Any) -> None:
    assert client("shop").decide(*ANNA, channel="web", basket=["p1"]).chosen == "no_action"
    assert town.decider.decisions[0]["context"]["basket"] == ["p1"]
    assert client("shop").decide().propensity == 1.0
    assert client("admin").preferences(*ANNA, hours=2).path.startswith("/preferences/enter/")


def test_each_refusal_is_its_own_error_without_the_identifier(client: Any) -> None:
    asked = {
        Unauthorized: lambda: Kindred("http://localhost", "kd_no", transport=client()._http._transport).lookup(*ANNA, purpose="service"),  # noqa: E501
        Denied: lambda: client().lookup(*ANNA, purpose="advertising"),
        NotFound: lambda: client().lookup("email", "nobody@example.org", purpose="service"),
        Invalid: lambda: client().lookup("email", "jane.secret", purpose="service"),
        Split: lambda: client().profile("f" * 32, purpose="service"),
    }  # fmt: skip
    for kind, ask in asked.items():
        with pytest.raises(kind) as caught:
            ask()
        for one in (caught.value, caught.value.__cause__, caught.value.__context__):
            assert "@" not in f"{one} {one!r}"
            assert "jane.secret" not in f"{one} {one!r}"


def test_a_profile_is_read_as_of_a_moment(town: Any) -> None:
    now, who = town.world.clock(), "a" * 32
    records = sorted(town.profiles.headers[who]["records"])
    views = {"service": {"profile_id": who, "version": "1" * 16, "attributes": {"city": "Akron"}, "withheld": []}}
    told = [(now - timedelta(days=9), who, views, ["gone"]), (now - timedelta(days=5), who, views, records)]
    past = kept(town.world.database, town.world.clock, now - timedelta(days=9), told)
    watched = Watched(create_app(replace(town.world, past=past)))
    kindred = Kindred("http://localhost", town.keys["reader"], transport=Bridged(watched))
    then = kindred.profile(who, purpose="service", as_of=now - timedelta(days=2))
    assert (then.attributes["city"], then.version) == ("Akron", "1" * 16)
    assert kindred.profile(who, purpose="service", as_of=now - timedelta(days=2)) == then
    assert watched.seen[-1][1] == 304
    assert kindred.profile(who, purpose="service").attributes["city"] == "Dayton"
    with pytest.raises(Gone):
        kindred.profile(who, purpose="service", as_of=now - timedelta(days=7))
    with pytest.raises(Invalid):
        kindred.profile(who, purpose="service", as_of=now + timedelta(days=1))


def test_a_server_that_is_away_is_unreachable_after_some_tries() -> None:
    waits: list[float] = []
    with (
        Kindred("http://127.0.0.1:9", "kd_x", patience=Patience(tries=3), sleep=waits.append) as kindred,
        pytest.raises(Unreachable) as caught,
    ):
        kindred.lookup(*ANNA, purpose="service")
    assert (caught.value.tries, len(waits)) == (3, 2)
    assert caught.value.__context__ is None, "an error of httpx holds the request"


@pytest.mark.parametrize("url", ["http://kindred.example.com", "kindred.example.com", "ftp://127.0.0.1", ""])
def test_a_key_does_not_travel_in_the_open(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Kindred(url, "kd_x")
    assert "kd_x" not in repr(Kindred("https://kindred.example.com", "kd_x"))


@pytest.mark.parametrize("key", ["", " ", "kd_x\n", "kd_x ", "kd_\u00e9", "kd_\x00", "\ud800"])
def test_a_key_that_cannot_be_sent_is_told_at_once(key: str) -> None:
    for kind in (Kindred, AsyncKindred):
        with pytest.raises(ValueError, match="line end") as caught:
            kind("http://localhost", key)
        assert type(caught.value) is ValueError, "an error of encoding holds the key"


def test_half_of_a_surrogate_pair_is_refused_like_any_odd_value(town: Any, watched: Watched) -> None:
    kindred = Kindred("http://localhost", town.keys["reader"], transport=Bridged(watched))
    with pytest.raises(Invalid) as caught:
        kindred.lookup("email", "anna\ud800@example.org", purpose="service")
    assert caught.value.places == {"/body/identifier/value": "is not text that Unicode has"}
    assert caught.value.__context__ is None, "an error of encoding holds the identifier"
    with pytest.raises(NotFound):
        kindred.profile("\ud800", purpose="service")


@pytest.mark.anyio
async def test_the_async_client_does_the_same(town: Any, watched: Watched) -> None:
    async with AsyncKindred("http://localhost", town.keys["admin"], transport=watched) as kindred:
        first = await kindred.lookup(*ANNA, purpose="service")
        assert await kindred.lookup(*ANNA, purpose="service") is first
        assert (await kindred.profile(first.profile_id, purpose="service")).version == first.version
        events = [event async for event in kindred.events(first.profile_id, purpose="service", page=10)]
        assert len(events) == 25
        assert (await kindred.decide(*ANNA)).chosen == "no_action"
        assert (await kindred.preferences(*ANNA)).path
        await kindred.consent(*ANNA, purpose="service", action="objected")
        assert not (await kindred.may(*ANNA, purpose="service")).allowed
        with pytest.raises(NotFound):
            await kindred.lookup(*ANNA, purpose="service")


@pytest.mark.anyio
async def test_rows_of_a_feature_set(town: Any, watched: Watched) -> None:
    orders = {"name": "orders", "field": "traits.orders", "type": "whole", "default": 0}
    declared = FeatureSet.model_validate({"feature_set": "basket", "purpose": "service", "features": [orders]})
    object.__setattr__(town.world, "features", {"basket": declared})
    async with AsyncKindred("http://localhost", town.keys["admin"], transport=watched) as kindred:
        told = await kindred.features("basket", [ANNA, ("email", "nobody@example.org")], purpose="service")
    assert (told.feature_set, told.version, told.names) == ("basket", 1, ("orders",))
    assert [(row.found, row.status) for row in told.rows] == [(True, "p"), (False, "d")]
    assert told.rows[1].values == (0,)
    assert "values" not in repr(told.rows[0])


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(kind).items()
            if not name.startswith("_")
        }

    assert methods(Kindred) == methods(AsyncKindred)
