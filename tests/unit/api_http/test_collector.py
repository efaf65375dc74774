"""The collector over HTTP: who may send, in which forms, and what is kept of it."""

import base64
import gzip
import json
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from api.http.credentials import KeyRing
from api.http.keys import create_key, revoke_key
from infra.identifiers import record_token, token
from infra.ids import Token
from ingestion.collector.entry import merged, opened

pytestmark = pytest.mark.anyio
TRACK = {"type": "track", "userId": "u-1", "event": "Order Completed", "messageId": "m-1"}
PATHS = {
    "/v1/identify": "identify", "/v1/i": "identify", "/v1/track": "track", "/v1/t": "track", "/v1/page": "page",
    "/v1/p": "page", "/v1/screen": "screen", "/v1/s": "screen", "/v1/group": "group", "/v1/g": "group",
    "/v1/alias": "alias", "/v1/a": "alias",
}  # fmt: skip
ALL_TYPES = {"userId": "u-1", "event": "E", "groupId": "g-1", "previousId": "c-1"}


@pytest.mark.parametrize("path", PATHS)
async def test_each_path_takes_its_type_with_and_without_its_name(gate: Any, sending: Any, path: str) -> None:
    answer = await sending.post(path, headers=gate.basic(), json=ALL_TYPES)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["success"] is True
    assert [one["verdict"] for one in answer.json()["events"]] == ["accepted"]
    (entry,) = gate.log.kept["web"]
    assert merged(entry.body)["type"] == PATHS[path]
    assert merged(entry.body)["messageId"] == answer.json()["events"][0]["messageId"]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import"])
async def test_a_bad_event_never_fails_its_batch(gate: Any, sending: Any, path: str) -> None:
    body = b'{"batch":[%b,{"type":"track","userId":"u-1"},{"x":NaN},7,{"type":"page","anonymousId":"c-1"}],"sentAt":5}'
    answer = await sending.post(path, headers=gate.basic(), content=body % json.dumps(TRACK).encode())
    said = answer.json()["events"]
    assert [one["verdict"] for one in said] == ["accepted", "quarantined", "quarantined", "quarantined", "accepted"]
    assert said[1]["because"]["field"] == "event"
    assert said[1]["because"]["rule"] == "missing"
    assert [held.get("f") for held in gate.kept()] == [
        None, ["event", "missing"], ["", "not_a_number"], ["", "not_an_object"], None,
    ]  # fmt: skip
    assert [held["m"] for held in gate.kept()] == [one["messageId"] for one in said]


@pytest.mark.parametrize("way", ["basic", "basic without colon", "body", "bearer and body", "bearer"])
async def test_every_way_to_show_the_key(gate: Any, sending: Any, way: str) -> None:
    headers = {
        "basic": gate.basic(),
        "basic without colon": gate.basic(colon=""),
        "bearer and body": {"authorization": "Bearer an.oauth.token"},
        "bearer": {"authorization": f"Bearer {gate.key}"},
    }.get(way, {})
    body = {**TRACK, **({"writeKey": gate.key} if "body" in way else {})}
    for path, sent in (("/v1/t", body), ("/v1/b", {"batch": [TRACK], **body})):
        answer = await sending.post(path, headers=headers, json=sent)
        assert answer.status_code == 200, answer.text
    assert len(gate.kept()) == 2


@pytest.mark.parametrize("who", ["nobody", "unknown", "admin", "reader", "person", "empty user", "no base64"])
async def test_what_is_no_write_key_opens_nothing(gate: Any, sending: Any, who: str) -> None:
    headers = {
        "nobody": {},
        "unknown": gate.basic("kd_0000000000_" + "x" * 43),
        "empty user": {"authorization": "Basic Og=="},
        "no base64": {"authorization": "Basic ***"},
        **{name: gate.basic(key) for name, key in gate.town.keys.items()},
    }[who]
    for path in ("/v1/track", "/v1/batch", "/v1/webhook"):
        answer = await sending.post(path, headers=headers, json={"batch": [TRACK], **TRACK})
        assert answer.status_code == 401
        assert answer.json()["code"] == "invalid_write_key"
        assert "keys create --scope events:write" in answer.json()["message"]
        assert not answer.headers["www-authenticate"].lower().startswith("basic"), "a browser would ask for a password"
    assert gate.log.kept == {}


async def test_a_write_key_opens_nothing_but_the_collector(gate: Any, sending: Any) -> None:
    bearer = {"authorization": f"Bearer {gate.key}"}
    assert (await sending.get("/metrics", headers=bearer)).status_code == 403
    asked = {"identifier": {"type": "email", "value": "anna.k@example.org"}, "purpose": "service"}
    assert (await sending.post("/v1/profiles:lookup", headers=bearer, json=asked)).status_code == 403


async def test_a_revoked_key_is_closed_at_the_next_look(gate: Any, sending: Any) -> None:
    ring: KeyRing = gate.world.ring
    ring.refresh()
    assert (await sending.post("/v1/t", headers=gate.basic(), json=TRACK)).status_code == 200
    revoke_key(gate.world.database, gate.key[3:13], at=gate.world.clock())
    ring.refresh()
    assert (await sending.post("/v1/t", headers=gate.basic(), json=TRACK)).status_code == 401


async def test_a_key_revoked_while_it_is_looked_up_is_not_remembered(gate: Any, monkeypatch: Any) -> None:
    ring: KeyRing = gate.world.ring
    ring.refresh()
    asked = ring.credential

    def slowly(key: str) -> Any:
        found = asked(key)
        revoke_key(gate.world.database, gate.key[3:13], at=gate.world.clock())
        ring.refresh()
        return found

    monkeypatch.setattr(ring, "credential", slowly)
    ring.writer(gate.key)
    assert ring.writing(gate.key) is None


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/plain;charset=UTF-8", "image/png", None])
async def test_any_content_type_is_read_as_json(gate: Any, sending: Any, kind: str | None) -> None:
    headers = gate.basic() | ({} if kind is None else {"content-type": kind})
    answer = await sending.post("/v1/t", headers=headers, content=json.dumps(TRACK).encode())
    assert answer.status_code == 200


async def test_gzip_in_chunks_without_a_length(gate: Any, sending: Any) -> None:
    packed = gzip.compress(json.dumps({"batch": [TRACK] * 50, "writeKey": gate.key}).encode())

    async def parts() -> Any:
        for place in range(0, len(packed), 7):
            yield packed[place : place + 7]

    answer = await sending.post("/v1/b", headers={"content-encoding": "gzip"}, content=parts())
    assert (answer.status_code, len(answer.json()["events"])) == (200, 50)


async def test_browsers_of_any_site_may_send_and_read(gate: Any, sending: Any) -> None:
    origin = {"origin": "https://shop.example.org"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-retry-count"}
    before = await sending.options("/v1/t", headers=origin | asked)
    assert before.status_code == 204
    assert before.headers["access-control-allow-headers"] == "authorization,x-retry-count"
    assert before.headers["access-control-max-age"] == "900"
    good = await sending.post("/v1/t", headers=origin | gate.basic(), json=TRACK)
    bad = await sending.post("/v1/t", headers=origin, content=b"{")
    for answer in (before, good, bad):
        assert answer.headers["access-control-allow-origin"] == origin["origin"]
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
    strange = await sending.options("/v1/t", headers={"origin": "a b", "access-control-request-headers": "x\ty"})
    assert "access-control-allow-origin" not in strange.headers
    assert "access-control-allow-headers" not in strange.headers


async def test_the_settings_that_browsers_and_phones_ask_for(gate: Any, sending: Any) -> None:
    for path in (f"/v1/projects/{gate.key}/settings", f"/projects/{gate.key}/settings"):
        answer = await sending.get(path, headers={"host": "in.example.org:8460"})
        told = answer.json()["integrations"]["Segment.io"]
        assert (told["apiKey"], told["apiHost"]) == (gate.key, "in.example.org:8460/v1")
        assert (told["protocol"], answer.headers["cache-control"]) == ("http", "no-store")
        behind = await sending.get(path, headers={"x-forwarded-proto": "https"})
        assert behind.json()["integrations"]["Segment.io"]["protocol"] == "https"
    for key in ("unknown", gate.town.keys["admin"]):
        answer = await sending.get(f"/v1/projects/{key}/settings")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_write_key")
    assert (await sending.get("/v1/projects//settings")).status_code == 404


async def test_what_an_sdk_measures_of_itself_is_not_stored(gate: Any, sending: Any) -> None:
    answer = await sending.post("/v1/m", content=b'{"series":[{"type":"Counter"}]}')
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert gate.log.kept == {}


@pytest.mark.parametrize("path", ["/v1/pixel/track", "/pixel/v1/track", "/v1/pixel/page", "/v1/pixel/identify"])
async def test_pixels(gate: Any, sending: Any, path: str) -> None:
    event = {"userId": "u-1", "event": "Opened", "properties": {"n": 1}, "writeKey": gate.key}
    data = base64.urlsafe_b64encode(json.dumps(event).encode()).decode().rstrip("=")
    fields = {"userId": "u-1", "event": "Opened", "properties.n": "1", "writeKey": gate.key}
    for asked in ({"data": data}, fields):
        answer = await sending.get(path, params=asked)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert answer.content.startswith(b"GIF89a")
        assert answer.headers["cache-control"] == "no-store"
    for entry in gate.log.kept["web"]:
        found = merged(entry.body)
        assert (found["userId"], found["properties"], found["type"]) == (
            "u-1",
            {"n": "1"},
            path.rsplit("/", maxsplit=1)[-1],
        )
        assert "writeKey" not in found


async def test_a_pixel_that_cannot_be_read(gate: Any, sending: Any) -> None:
    for asked in ("data=%%%", "data=e30", "&".join(f"a{n}=1" for n in range(2_000))):
        answer = await sending.get(f"/v1/pixel/track?{asked}")
        assert answer.status_code in {400, 401}
        assert answer.json()["message"]
    assert gate.log.kept == {}


async def test_a_stranger_s_webhook_becomes_track_events(gate: Any, sending: Any) -> None:
    asked = {"event": "Invoice Paid", "userId": "customer.id", "messageId": "id", "writeKey": gate.key}
    objects = [{"id": "w-1", "customer": {"id": 7}, "total": 1.50}, {"id": "w-2"}]
    answer = await sending.post("/v1/webhook", params=asked, json=objects)
    assert [one["messageId"] for one in answer.json()["events"]] == ["w-1", "w-2"]
    assert [one["verdict"] for one in answer.json()["events"]] == ["accepted", "quarantined"]
    found = merged(gate.log.kept["web"][0].body)
    assert (found["type"], found["event"], found["userId"]) == ("track", "Invoice Paid", "7")
    assert found["properties"] == {"id": "w-1", "customer": {"id": "7"}, "total": "1.5"}
    one = await sending.post("/v1/webhook", headers=gate.basic(), json={"a": 1})
    assert one.json()["events"][0]["because"]["rule"] == "no_user_anon_id"


async def test_a_beacon_says_its_key_in_the_address(gate: Any, sending: Any) -> None:
    headers = {"content-type": "text/plain"}
    for key, status in ((gate.key, 200), ("kd_none", 401), ("", 401)):
        answer = await sending.post(
            "/beacon/v1/batch", params={"writeKey": key}, headers=headers, json={"batch": [TRACK]}
        )
        assert answer.status_code == status
    assert len(gate.kept()) == 1


async def test_the_sender_s_wish_about_privacy_and_consent_is_kept(gate: Any, sending: Any) -> None:
    consent = {"categoryPreferences": {"Advertising": True, "Analytics": False}}
    event = {**TRACK, "context": {"consent": consent}}
    await sending.post("/v1/t", headers=gate.basic() | {"sec-gpc": "1"}, json=event)
    await sending.post("/v1/t", headers=gate.basic() | {"sec-gpc": "0"}, json=event)
    assert [held.get("g") for held in gate.kept()] == [True, None]
    assert merged(gate.log.kept["web"][0].body)["context"] == {"consent": consent, "gpc": True}
    assert merged(gate.log.kept["web"][1].body)["context"] == {"consent": consent}


async def test_whom_consent_restricts_is_counted_and_not_kept(gate: Any, sending: Any, token_key: bytes) -> None:
    gate.restricted |= {
        token(token_key, "email", "anna@example.org"), token(token_key, "cookie", "c-9"),
    }  # fmt: skip
    gate.collector._desk.refresh()
    batch = [
        {"type": "identify", "userId": "u-1", "traits": {"email": " Anna@Example.org"}, "messageId": "m-1"},
        {"type": "page", "anonymousId": "c-9", "messageId": "m-2"},
        {"type": "identify", "userId": "u-2", "traits": {"email": "ben@example.org"}, "messageId": "m-3"},
        {"type": "track", "anonymousId": "c-9", "messageId": "m-4"},
    ]
    answer = await sending.post("/v1/b", headers=gate.basic(), json={"batch": batch})
    assert [one["verdict"] for one in answer.json()["events"]] == ["accepted"] * 4
    first, second, third, _ = gate.kept()
    assert first == {"r": first["r"], "v": "suppressed", "k": record_token(token_key, "web", "m-1")}
    assert second["v"] == "suppressed"
    assert third["m"] == "m-3"
    text = "".join(entry.body.decode() + entry.key for entry in gate.log.kept["web"])
    assert "c-9" not in text
    assert "nna@" not in text
    counted = gate.collector.counts.text(gate.log.state())
    assert 'events_total{source="web",verdict="suppressed"} 3' in counted
    assert 'events_total{source="web",verdict="accepted"} 1' in counted


async def test_what_its_own_consent_filters_is_counted_and_not_kept(gate: Any, sending: Any) -> None:
    shy = create_key(
        gate.world.database, name="x", scopes={"events:write"}, purposes=(), source="shy", at=gate.world.clock()
    )
    said = [{"analytics": no} for no in (False, "No", 0, True, None, "yes")]
    batch = [{**TRACK, "context": {"consent": {"categoryPreferences": one}}} for one in said]
    answer = await sending.post("/v1/b", headers=gate.basic(shy), json={"batch": batch})
    assert [one["verdict"] for one in answer.json()["events"]] == ["accepted"] * 6
    kept = [opened(entry.body) for entry in gate.log.kept["shy"]]
    assert [held.get("v") for held in kept] == ["consent_filtered"] * 3 + [None] * 3
    assert 'source="shy",verdict="consent_filtered"} 3' in gate.collector.counts.text(gate.log.state())


async def test_a_list_of_the_restricted_that_cannot_be_read_stays(gate: Any, monkeypatch: Any) -> None:
    restricted = gate.collector._desk._restricted
    gate.restricted.add(Token("1:abc"))
    restricted.refresh()

    def away() -> Any:
        raise OperationalError("select", {}, Exception("locked"))

    monkeypatch.setattr(restricted, "_read", away)
    restricted.refresh()
    assert restricted.suppressed([Token("1:abc")])


async def test_entries_are_keyed_by_tokens_and_never_by_ids(gate: Any, sending: Any, token_key: bytes) -> None:
    batch = [TRACK, {"type": "page", "anonymousId": "c-1"}, {"type": "page", "userId": 5}, {"type": "page"}]
    await sending.post("/v1/b", headers=gate.basic(), json={"batch": batch})
    assert [entry.key for entry in gate.log.kept["web"]] == [
        token(token_key, "userId", "u-1"), token(token_key, "anonymousId", "c-1"), token(token_key, "userId", "5"), "",
    ]  # fmt: skip


async def test_the_address_is_filled_in_only_where_it_is_asked_for(gate: Any, sending: Any) -> None:
    for context in ({"direct": True}, {"direct": True, "ip": "198.51.100.7"}, {"direct": False}, {}):
        await sending.post("/v1/t", headers=gate.basic(), json={**TRACK, "context": context})
    found = [merged(entry.body).get("context", {}).get("ip") for entry in gate.log.kept["web"]]
    assert found == ["127.0.0.1", "198.51.100.7", None, None]


async def test_readiness_tells_both_parts_and_each_alone(gate: Any, sending: Any) -> None:
    assert (await sending.get("/readyz")).json() == {"status": "ready", "generation": "memory", "collector": "ready"}
    gate.log.because = "the disk is full; make room"
    both, profiles, collector = [
        await sending.get("/readyz", params=asked) for asked in ({}, {"part": "profiles"}, {"part": "collector"})
    ]
    assert (both.status_code, profiles.status_code, collector.status_code) == (503, 200, 503)
    assert "the disk is full; make room" in both.json()["detail"]
    gate.log.because, gate.town.profiles.generation = "", lambda: None
    both, profiles, collector = [
        await sending.get("/readyz", params=asked) for asked in ({}, {"part": "profiles"}, {"part": "collector"})
    ]
    assert (both.status_code, profiles.status_code, collector.status_code) == (503, 503, 200)


async def test_metrics_count_events_and_the_log(gate: Any, sending: Any) -> None:
    await sending.post("/v1/b", headers=gate.basic(), json={"batch": [TRACK, {}]})
    text = (await sending.get("/metrics", headers=gate.town.bearer("admin"))).text
    assert 'kindred_collector_events_total{source="web",verdict="quarantined"} 1' in text
    assert "kindred_log_waiting_bytes" in text
    assert 'kindred_http_requests_total{route="/v1/b",status="200"} 1' in text


async def test_receipts_never_go_back(gate: Any, sending: Any) -> None:
    from datetime import timedelta

    now = gate.world.clock()
    moments = iter([now, now - timedelta(hours=1), now + timedelta(seconds=1)])
    gate.collector._clock = lambda: next(moments)
    for _ in range(3):
        await sending.post("/v1/t", headers=gate.basic(), json=TRACK)
    received = [held["r"] for held in gate.kept()]
    assert received == sorted(received)
    assert received[0] == received[1]


async def test_the_log_is_closed_with_the_server(gate: Any) -> None:
    from api.http.app import create_framework_app

    app = create_framework_app(gate.world)
    async with app.router.lifespan_context(app):
        assert not gate.log.closed
    assert gate.log.closed


async def test_without_a_collector_its_addresses_say_so(town: Any) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as client:
        assert (await client.post("/v1/t", json=TRACK)).status_code == 503
        assert (await client.get("/readyz", params={"part": "collector"})).status_code == 503


async def test_create_key_refuses_a_write_key_that_would_do_more(town: Any) -> None:
    from api.http.errors import WriteKeyMixed

    for scopes, purposes, source in (
        ({"events:write", "admin"}, (), "web"), ({"events:write"}, ("service",), "web"), ({"events:write"}, (), None),
        ({"admin"}, (), "web"),
    ):  # fmt: skip
        with pytest.raises(WriteKeyMixed):
            create_key(
                town.world.database, name="x", scopes=scopes, purposes=purposes, source=source, at=town.world.clock()
            )
