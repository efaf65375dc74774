"""The collector under what is broken, too large, too slow or too much: bounded, and told what would be right."""

import asyncio
import gzip
import json
import tracemalloc
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from api.http.collector.app import Bounds
from api.http.collector.body import Body, Room
from api.http.collector.errors import Crowded
from api.http.credentials import Bucket
from infra.log.port import LogBusy, LogUnavailable
from ingestion.collector.entry import merged

pytestmark = pytest.mark.anyio
TRACK = {"type": "track", "userId": "u-1", "event": "Order Completed", "messageId": "m-1"}


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (lambda packed: packed[:-9], 400, "invalid_gzip"),
        (lambda packed: packed + b"more", 400, "invalid_gzip"),
        (lambda _packed: b"no gzip", 400, "invalid_gzip"),
        (lambda _packed: gzip.compress(b" " * 600_000), 413, "payload_too_large"),
        (lambda _packed: gzip.compress(b"\0" * 200_000_000), 413, "payload_too_large"),
    ],
)
async def test_bad_gzip_and_bombs(gate: Any, sending: Any, spoil: Any, status: int, code: str) -> None:
    body = spoil(gzip.compress(json.dumps(TRACK).encode()))
    tracemalloc.start()
    try:
        answer = await sending.post("/v1/t", headers=gate.basic() | {"content-encoding": "gzip"}, content=body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert peak < 8_000_000
    assert gate.collector._room.used == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/t", b"", 400, "invalid_json"),
        ("/v1/t", b'{"userId":', 400, "invalid_json"),
        ("/v1/t", b'{"userId":"u"} {}', 400, "invalid_json"),
        ("/v1/t", b"\xff\xfe{\0}\0", 400, "invalid_json"),
        ("/v1/b", b"[]", 400, "no_batch"),
        ("/v1/b", b'{"batch":{}}', 400, "no_batch"),
        ("/v1/b", b'{"batch":[' + b",".join([b"{}"] * 2_501) + b"]}", 400, "too_many_events"),
        ("/v1/import", b'{"batch":[' + b",".join([b"{}"] * 100_000) + b"]}", 400, "too_many_events"),
        ("/v1/import", b'{"batch":[' + b",".join([b'{"a":1}'] * 100_000) + b"]}", 413, "payload_too_large"),
        ("/v1/b", b"x" * 10_000_000, 413, "payload_too_large"),
        ("/v1/b", b'{"batch":' + b"[" * 500_000, 400, "invalid_json"),
        ("/v1/b", b"[" * 500_000, 400, "no_batch"),
        ("/v1/webhook", b"{", 400, "invalid_json"),
        ("/v1/b", b'{"batch":[' + b",".join([b"{}"] * 2_500) + b'],"context":{"x":"' + b"y" * 30_000 + b'"}}', 413,
         "payload_too_large"),
    ],
)  # fmt: skip
async def test_requests_that_cannot_be_read_are_refused_whole(
    gate: Any, sending: Any, path: str, body: bytes, status: int, code: str
) -> None:
    answer = await sending.post(path, headers=gate.basic(), content=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["success"]) == (status, code, False)
    assert set(answer.json()) == {"success", "code", "message"}
    assert gate.log.kept == {}


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        (b'{"userId":"u","event":"E","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep"),
        (b'{"userId":"u","event":"E","x":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}", "too_deep"),
        (b'{"userId":"u","event":"E","x":Infinity}', "not_a_number"),
        (b'{"userId":"u","event":"E","x":"\\udead"}', "lone_surrogate"),
        (b'{"userId":"u","event":"E","x":"\\u0000"}', "nul"),
        (b'{"userId":"u","event":"E","x":"\x00"}', "control_character"),
        (b'{"userId":"u","event":"E","x":"\xc3\x28"}', "not_utf8"),
        (b'{"userId":"u","event":"E","x":{' + b'"":1,' * 10_000 + b'"a":1}}', "too_large"),
    ],
)
async def test_poison_is_quarantined_and_its_neighbours_are_not(
    gate: Any, sending: Any, event: bytes, rule: str
) -> None:
    good = json.dumps(TRACK).encode()
    events = [good, event.replace(b"{", b'{"type":"track",', 1), good]
    answer = await sending.post("/v1/b", headers=gate.basic(), content=b'{"batch":[%b]}' % b",".join(events))
    assert answer.status_code == 200
    said = answer.json()["events"]
    assert [one["verdict"] for one in said] == ["accepted", "quarantined", "accepted"]
    assert said[1]["because"]["rule"] == rule
    assert len(gate.kept()) == 3


@pytest.mark.parametrize(
    ("event", "read"),
    [
        (b'{"userId":"a","userId":"b","event":"E"}', {"userId": "b"}),
        (b'{"userId":12345678901234567890123,"event":"E","properties":{"n":9007199254740993,"d":1.10}}',
         {"userId": "12345678901234567890123", "properties": {"n": "9007199254740993", "d": "1.10"}}),
        (b'{"userId":"u","event":"E","properties":{"__proto__":{"a":true},"constructor":"c"}}',
         {"properties": {"__proto__": {"a": True}, "constructor": "c"}}),
        (b'{"userId":7,"anonymousId":"","event":"E","traits":{"plan":null,"name":""}}',
         {"userId": "7", "traits": {"plan": None, "name": ""}}),
        (b'\xef\xbb\xbf{\r\n "userId": "u",\n "event": "E"\n}', {"userId": "u", "event": "E"}),
    ],
)  # fmt: skip
async def test_what_is_strange_and_no_fault(gate: Any, sending: Any, event: bytes, read: dict[str, Any]) -> None:
    answer = await sending.post("/v1/t", headers=gate.basic(), content=event)
    assert answer.json()["events"][0]["verdict"] == "accepted"
    found = merged(gate.log.kept["web"][0].body)
    assert {name: found.get(name) for name in read} == read


async def test_a_body_that_does_not_come_is_not_waited_for(gate: Any) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        if not sent:
            sent.append("first")
            return {"type": "http.request", "body": b'{"ba', "more_body": True}
        return await asyncio.sleep(60)

    status, body = await _asgi(gate, "POST", "/v1/b", receive)
    assert (status, json.loads(body)["code"]) == (408, "request_timeout")
    assert gate.collector._room.used == 0


async def test_who_leaves_before_the_end_gets_no_answer(gate: Any) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    assert await _asgi(gate, "POST", "/v1/b", receive) == (0, b"")


async def test_memory_is_bounded_over_all_requests() -> None:
    room = Room(1_000)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 600, "more_body": False}

    first, second = Body(room, 1_000), Body(room, 1_000)
    await first.read(receive, b"", 1)
    with pytest.raises(Crowded):
        await second.read(receive, b"", 1)
    second.close()
    first.close()
    assert room.used == 0


@pytest.mark.parametrize(
    ("error", "status", "code", "seconds"),
    [
        (LogBusy("the log is nearly full", retry_after=7), 429, "log_busy", "7"),
        (LogUnavailable("the disk is full", retry_after=30), 503, "log_unavailable", "30"),
    ],
)
async def test_never_200_where_it_is_not_durable(
    gate: Any, sending: Any, error: Exception, status: int, code: str, seconds: str
) -> None:
    gate.log.failing = [error, error]
    for path, body in (("/v1/t", TRACK), ("/v1/b", {"batch": [TRACK]})):
        answer = await sending.post(path, headers=gate.basic(), json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["retry-after"] == answer.headers["x-ratelimit-reset"] == seconds
    assert gate.log.kept == {}
    gate.log.failing = [error]
    pixel = await sending.get("/v1/pixel/track", params={"writeKey": gate.key, "userId": "u-1", "event": "E"})
    assert pixel.status_code == status
    assert "events_total{" not in gate.collector.counts.text(gate.log.state())


async def test_what_nobody_foresaw_is_json_too_and_quotes_nothing(gate: Any, sending: Any, caplog: Any) -> None:
    gate.log.failing = [ZeroDivisionError("anna@example.org")]
    answer = await sending.post("/v1/t", headers=gate.basic(), json=TRACK)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "anna@example.org" not in answer.text + caplog.text


async def test_a_database_that_is_away_is_said(gate: Any, sending: Any, monkeypatch: Any) -> None:
    def away(_key: str) -> Any:
        raise OperationalError("select", {}, Exception("locked"))

    monkeypatch.setattr(gate.world.ring, "credential", away)
    answer = await sending.post("/v1/t", headers=gate.basic(), json=TRACK)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_key_that_sends_too_fast_waits(gate: Any, sending: Any) -> None:
    await sending.post("/v1/t", headers=gate.basic(), json=TRACK)
    gate.world.ring.writing(gate.key).bucket = Bucket(0.5, 1.0, lambda: 0.0)
    assert (await sending.post("/v1/t", headers=gate.basic(), json=TRACK)).status_code == 200
    answer = await sending.post("/v1/t", headers=gate.basic(), json=TRACK)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "2"


async def test_compressions_that_are_not_known(gate: Any, sending: Any) -> None:
    answer = await sending.post("/v1/t", headers=gate.basic() | {"content-encoding": "br"}, content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/track"), ("PUT", "/v1/b"), ("POST", "/v1/pixel/track")])
async def test_methods(gate: Any, sending: Any, method: str, path: str) -> None:
    answer = await sending.request(method, path, headers=gate.basic())
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] in {"GET", "POST"}


def test_bounds_are_those_of_the_wire_format() -> None:
    assert Bounds().body_bytes == 500 * 1024


async def _asgi(gate: Any, method: str, path: str, receive: Any) -> tuple[int, bytes]:
    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"", "client": None,
        "headers": [(name.encode(), value.encode()) for name, value in gate.basic().items()],
    }  # fmt: skip
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    await gate.app(scope, receive, send)
    return (told[0]["status"], told[1]["body"]) if told else (0, b"")
