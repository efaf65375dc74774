"""Every status that the OpenAPI document names for reads of profiles is shown, and no caller gets around the limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_past import kept
from read_routes import BATCH, BELOW, BY_ID, LOOKUP, ROUTES
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.http.app import create_app
from api.http.audit import ReadAudit
from api.http.credentials import KeyRing

ANNA, SPLIT, HIDDEN = "a" * 32, "f" * 32, "0" * 32
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
quick = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)


class Broken:
    """Profiles that fail in a way that nobody foresaw."""

    def __getattr__(self, _name: str) -> Any:
        raise RuntimeError


def body(route: str, who: str = ANNA, purpose: str = "service") -> bytes:
    value = {ANNA: "anna.k@example.org", SPLIT: "gone@example.org"}.get(who, "nobody@example.org")
    person = {"type": "email", "value": value}
    asked = {"people": [person]} if route == BATCH else {"identifier": person}
    return orjson.dumps({**asked, "purpose": purpose})


async def ask(
    town: Any,
    route: str,
    *,
    who: str = ANNA,
    purpose: str = "service",
    app: Any = None,
    content: Any = None,
    query: Any = None,
    **headers: str,
) -> httpx.Response:
    known = {**town.bearer("steward"), "content-type": "application/json"}
    sent = {k: v for k, v in {**known, **{k.replace("_", "-"): v for k, v in headers.items()}}.items() if v}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app or town.app), base_url="http://localhost"
    ) as client:
        if route in (LOOKUP, BATCH):
            data = body(route, who, purpose) if content is None else content
            return await client.post(route, content=data, headers=sent)
        url = route.replace("{profile_id}", who)
        return await client.request(
            "GET", url, params={"purpose": purpose, **(query or {})}, headers=sent, content=content
        )


async def stalled() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(5)


async def unchanged(town: Any, route: str) -> httpx.Response:
    tag = (await ask(town, route)).headers["etag"]
    return await ask(town, route, if_none_match=tag)


async def too_fast(town: Any, route: str) -> httpx.Response:
    ring = KeyRing(town.world.database, rate=1, burst=1, stopwatch=lambda: 0.0)
    app = create_app(replace(town.world, ring=ring))
    await ask(town, route, app=app)
    return await ask(town, route, app=app)


def world(town: Any, **changed: Any) -> Any:
    return create_app(replace(town.world, **changed))


async def withheld(town: Any, route: str) -> httpx.Response:
    """Ask for a moment at which the view rested on a record that is no more."""
    now, view = town.world.clock(), {"version": "1" * 16}
    past = kept(town.world.database, town.world.clock, now, [(now, ANNA, {"service": view}, ["gone"])])
    return await ask(town, route, app=world(town, past=past), query={"as_of": now.isoformat()})


SHOWN: dict[int, Callable[[Any, str], Awaitable[httpx.Response]]] = {
    200: ask,
    300: lambda town, route: ask(town, route, who=SPLIT),
    304: unchanged,
    400: lambda town, route: ask(town, route, content=b'{"a": "\xff"}'),
    401: lambda town, route: ask(town, route, authorization=""),
    403: lambda town, route: ask(town, route, purpose="nonsense"),
    404: lambda town, route: ask(town, route, who=HIDDEN),
    410: withheld,
    408: lambda town, route: ask(town, route, app=world(town, body_seconds=0.05), content=stalled()),
    413: lambda town, route: ask(town, route, content=b"x" * 600_000),
    422: lambda town, route: ask(town, route, purpose="No Purpose"),
    429: too_fast,
    500: lambda town, route: ask(town, route, app=world(town, profiles=Broken())),
    503: lambda town, route: ask(
        town, route, app=world(town, audit=ReadAudit(town.world.database, town.world.clock, capacity=0))
    ),
}  # fmt: skip


def documented() -> list[tuple[str, int]]:
    read = {200, 300, 304, 404}
    asked = {401, 403, 408, 413, 422, 429, 500, 503}
    routes = {LOOKUP: read | asked | {400}, BATCH: asked | {200, 400}, BY_ID: read | asked | {410}}
    routes |= dict.fromkeys(BELOW, read | asked)
    return sorted((route, status) for route, statuses in routes.items() for status in statuses)


def test_the_document_names_exactly_what_is_shown_here(town: Any) -> None:
    paths = schemathesis.openapi.from_asgi("/openapi.json", town.app).raw_schema["paths"]
    # History is read from the change feed, which this town has not: test_every_status.py shows it, and all the rest.
    assert {path for path in paths if path.startswith("/v1/profiles")} == {*ROUTES, f"{BY_ID}/history"}
    said = sorted((p, int(s)) for p in ROUTES for operation in paths[p].values() for s in operation["responses"])
    assert said == documented()


@pytest.mark.anyio
@pytest.mark.parametrize(("route", "status"), documented())
async def test_every_documented_status_is_shown(town: Any, route: str, status: int) -> None:
    token = town.world.tongue.known("email", "gone@example.org").token
    town.profiles.tokens[token] = SPLIT
    answer = await SHOWN[status](town, route)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "example.org" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.anyio
@pytest.mark.parametrize("route", ROUTES)
async def test_no_page_of_another_site_is_let_in(town: Any, route: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as client:
        headers = {"origin": "https://shop.example.com", "access-control-request-method": "POST"}
        answer = await client.options(route.replace("{profile_id}", ANNA), headers=headers)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.anyio
async def test_ten_thousand_headers_change_nothing(town: Any) -> None:
    more = {f"x_{number}": "y" for number in range(10_000)}
    for route in (LOOKUP, BATCH, BY_ID):
        assert (await ask(town, route, **more)).status_code == 200


odd = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["+", "%", "%2B", "%zz", "\0", "a\0b@example.org", "x" * 10_000, "é" * 5_000, "\u202e", "a@b", "+1"]
    ),
    st.text("+%\0@.\u00e9\U0001f600", min_size=1, max_size=200),
)


@quick
@given(value=odd, kind=st.sampled_from(["email", "phone", "loyalty", "cookie"]))
def test_no_identifier_is_a_server_error_or_comes_back(town: Any, value: str, kind: str) -> None:
    async def all_of_them() -> None:
        person = {"type": kind, "value": value}
        one = await ask(town, LOOKUP, content=orjson.dumps({"identifier": person, "purpose": "service"}))
        many = await ask(town, BATCH, content=orjson.dumps({"people": [person], "purpose": "service"}))
        assert one.status_code in {200, 404, 422}
        assert many.status_code in {200, 422}
        if many.status_code == 200 and one.status_code != 200:
            assert many.json() == {"results": [{"status": one.status_code}]}
        if len(value) > 5 and one.status_code != 200:
            assert value not in one.text

    asyncio.run(all_of_them())


@quick
@given(name=odd.filter(lambda text: text.strip("./") and "\0" not in text))
def test_no_id_is_a_server_error(town: Any, name: str) -> None:
    from urllib.parse import quote

    async def both() -> None:
        answer = await ask(town, BY_ID, who=quote(name, safe=""))
        assert answer.status_code in {404, 422}

    asyncio.run(both())


@pytest.mark.parametrize("who", ["admin", None])
def test_a_seeded_sample_of_the_whole_document_gets_declared_answers(town: Any, who: str | None) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", town.app)
    headers = {} if who is None else {"Authorization": f"Bearer {town.keys[who]}"}
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith("/history") or not operation.path.startswith(
            ("/v1/profiles", "/v1/identity", "/v1/decide", "/v1/consent", "/v1/review")
        ):
            continue

        @settings(max_examples=5, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def every(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        every()
        asked += 1
    assert asked >= 18
