"""The fast path answers as the slow one does: same body, same status, same headers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from granian.rsgi import ProtocolClosed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.http.rsgi import Rsgi

ANNA, BEN, CORA, MERGED, SPLIT, HIDDEN = (letter * 32 for letter in "abcef0")
PURPOSES = ["service", "personalization", "advertising", "nonsense", "Service", "serv%69ce", "", "service&x=1"]
VALUES = [
    "anna.k@example.org",
    " ANNA.K@example.org",
    "nobody@example.org",
    "no email",
    "",
    "+1 202 555 0143",
    "9000123",
]

ids = st.sampled_from([ANNA, BEN, CORA, MERGED, SPLIT, HIDDEN, "x", "é", "a b", "a" * 65])
keys = st.sampled_from(["reader", "steward", "officer", "none", "wrong"])
conditions = st.sampled_from([None, "*", "same", "weak", '"other"', "same,other", "junk"])
queries = st.builds(
    lambda name, purpose, rest: f"{name}={purpose}{rest}",
    st.sampled_from(["purpose", "purpose", "purpose", "Purpose", "fields"]),
    st.sampled_from(PURPOSES),
    st.sampled_from(["", "", "&fields=traits.*", "&purpose=service", "&"]),
)
scalars = st.one_of(
    st.sampled_from(VALUES), st.sampled_from(["email", "phone", "loyalty", "telepathy"]), st.none(), st.integers()
)
identifiers = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["email", "phone", "loyalty"]), "value": st.sampled_from(VALUES)}),
    st.dictionaries(st.sampled_from(["type", "value", "more"]), scalars),
    scalars,
)
bodies = st.one_of(
    st.fixed_dictionaries({"identifier": identifiers, "purpose": st.sampled_from(PURPOSES)}),
    st.dictionaries(
        st.sampled_from(["identifier", "purpose", "fields", "more"]), st.one_of(identifiers, st.just(["traits.*"]))
    ),
    scalars,
).map(orjson.dumps)
raw_bodies = st.one_of(
    bodies, bodies.map(lambda b: b[:-1]), bodies.map(lambda b: b"\xef\xbb\xbf" + b), st.binary(max_size=20)
)
kinds = st.sampled_from(["application/json", "application/json", "application/json; charset=utf-8", "text/plain", None])


@pytest.fixture
def both(town: Any) -> Callable[..., None]:
    """Ask both applications the same thing, the fast one with its keys already known, and compare."""
    fast, slow = town.app, town.slow
    for name in ("reader", "steward", "officer"):
        town.world.ring.holder(f"Bearer {town.keys[name]}".encode())

    async def ask(app: Any, method: str, url: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, url, **more)

    def compare(method: str, url: str, who: str, condition: str | None, **more: Any) -> None:
        key = {"none": None, "wrong": "kd_wrong"}.get(who, town.keys.get(who))
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        if condition is not None:
            headers["if-none-match"] = _condition(town, condition)
        answers = []
        for app in (fast, slow):
            answers.append(asyncio.run(ask(app, method, url, headers=headers, **more)))
            answers[-1].headers.pop("server-timing")
        first, second = answers
        assert (first.status_code, first.content) == (second.status_code, second.content)
        assert sorted(first.headers.raw) == sorted(second.headers.raw)

    return compare


def _condition(town: Any, condition: str) -> str:
    from api.http.reading import etag

    tag = etag(town.profiles.view(ANNA, "service")).decode()
    return {"same": tag, "weak": f"W/{tag}", "same,other": f'"x", {tag}'}.get(condition, condition)


quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)


@quick
@given(profile_id=ids, query=queries, who=keys, condition=conditions)
def test_reads_by_id(both: Callable[..., None], profile_id: str, query: str, who: str, condition: str | None) -> None:
    both("GET", f"/v1/profiles/{profile_id}?{query}", who, condition)


@quick
@given(body=raw_bodies, who=keys, condition=conditions, kind=kinds)
def test_lookups(both: Callable[..., None], body: bytes, who: str, condition: str | None, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    both("POST", "/v1/profiles:lookup", who, condition, content=body, headers=headers)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/profiles/", "/v1/profiles:lookup", f"/v1/profiles/{ANNA}/", "/v1/profiles/a/b"])
def test_everything_else_is_the_slow_path_s(both: Callable[..., None], method: str, path: str) -> None:
    both(method, f"{path}?purpose=service", "reader", None)


def test_too_large_is_too_large_on_both(both: Callable[..., None]) -> None:
    both("POST", "/v1/profiles:lookup", "reader", None, content=b"x" * 70_000)


def test_the_fast_path_is_taken(town: Any) -> None:
    """Not only equal but really answered without the framework."""

    async def framework(*_: Any) -> None:
        raise AssertionError

    from api.http.fastpath import FastPath

    app = FastPath(framework, town.world)
    town.world.ring.holder(f"Bearer {town.keys['reader']}".encode())

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            read = await client.get(f"/v1/profiles/{ANNA}?purpose=service", headers=town.bearer())
            asked = {"identifier": {"type": "email", "value": "anna.k@example.org"}, "purpose": "service"}
            found = await client.post("/v1/profiles:lookup", json=asked, headers=town.bearer())
            assert (read.status_code, found.status_code) == (200, 200)
            assert read.content == found.content

    asyncio.run(ask())


class Left:
    """What a server hands on of a body that breaks off: taken whole it fails, piece by piece it merely ends."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []

    async def __call__(self) -> bytes:
        raise ProtocolClosed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{}"

    def response_bytes(self, status: int, _headers: object, body: bytes) -> None:
        self.answers.append((status, body))


@pytest.mark.parametrize("length", ["10", "60000"])
@pytest.mark.parametrize("path", ["/v1/profiles:lookup", "/v1/profiles:batchLookup", "/v1/features", "/v1/decide"])
def test_who_leaves_in_the_middle_of_a_body_is_no_failure_of_ours(town: Any, path: str, length: str) -> None:
    headers = {"content-length": length, "content-type": "application/json"}
    asked = SimpleNamespace(
        path=path, method="POST", headers=headers, http_version="1.1", scheme="http", query_string="",
        server="127.0.0.1:1", client="127.0.0.1:2",
    )  # fmt: skip
    left, metrics = Left(), town.world.metrics
    asyncio.run(Rsgi(town.app, town.world).__rsgi__(asked, left))
    ((status, body),) = left.answers
    assert (status, orjson.loads(body)["type"]) == (400, "urn:kindred:problem:cut-short")
    assert 'status="400"' in metrics.text()
    assert 'status="500"' not in metrics.text()
