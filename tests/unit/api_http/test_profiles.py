"""Reading a profile."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import select

from api.http.app import create_app
from api.http.audit import looks
from api.http.store import READ_AUDIT

pytestmark = pytest.mark.anyio
ANNA, BEN, CORA, MERGED, SPLIT, HIDDEN = (letter * 32 for letter in "abcef0")
EMAIL = {"type": "email", "value": " Anna.K@Example.org "}


async def by_id(asking: httpx.AsyncClient, town: Any, profile_id: str, **query: Any) -> httpx.Response:
    headers = {**town.bearer(query.pop("who", "reader")), **query.pop("headers", {})}
    return await asking.get(f"/v1/profiles/{profile_id}", params={"purpose": "service", **query}, headers=headers)


async def test_a_profile_is_found_by_its_id(asking: httpx.AsyncClient, town: Any) -> None:
    answer = await by_id(asking, town, ANNA)
    assert answer.status_code == 200
    assert answer.json()["attributes"]["given_name"] == "Anna"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["server-timing"].startswith("app;dur=")
    assert "content-location" not in answer.headers


async def test_a_profile_is_found_by_any_identifier_as_people_write_it(asking: httpx.AsyncClient, town: Any) -> None:
    for asked in (EMAIL, {"type": "phone", "value": "(202) 555-0143"}, {"type": "loyalty", "value": "900-0123"}):
        answer = await asking.post(
            "/v1/profiles:lookup", json={"identifier": asked, "purpose": "service"}, headers=town.bearer()
        )
        assert answer.json()["profile_id"] == ANNA


async def test_an_identifier_tied_too_loosely_for_the_purpose_leads_to_nobody(
    asking: httpx.AsyncClient, town: Any
) -> None:
    phone = {"type": "phone", "value": "(202) 555-0143"}
    known = town.world.tongue.known("phone", phone["value"])
    town.world.profiles.loose.add((known.token, "service"))
    for purpose, status in (("service", 404), ("personalization", 200)):
        asked = {"identifier": phone, "purpose": purpose}
        answer = await asking.post("/v1/profiles:lookup", json=asked, headers=town.bearer())
        assert answer.status_code == status


async def test_each_purpose_sees_its_own_view(asking: httpx.AsyncClient, town: Any) -> None:
    served = (await by_id(asking, town, ANNA)).json()
    shown = (await by_id(asking, town, ANNA, purpose="personalization")).json()
    assert "birth_date" in served["attributes"]
    assert "birth_date" not in shown["attributes"]
    assert {"field": "birth_date", "because": "policy"} in shown["withheld"]


async def test_unknown_erased_and_denied_look_alike(asking: httpx.AsyncClient, town: Any) -> None:
    answers = [
        await by_id(asking, town, HIDDEN),
        await by_id(asking, town, CORA, purpose="personalization"),
        await by_id(asking, town, "no%20id@example.org"),
        await asking.post(
            "/v1/profiles:lookup",
            json={"identifier": {"type": "email", "value": "nobody@example.org"}, "purpose": "service"},
            headers=town.bearer(),
        ),
    ]
    assert {a.status_code for a in answers} == {404}
    assert len({a.content for a in answers}) == 1
    assert answers[0].headers["content-type"] == "application/problem+json"


async def test_a_merged_id_answers_with_the_survivor_and_its_address(asking: httpx.AsyncClient, town: Any) -> None:
    answer = await by_id(asking, town, MERGED)
    assert answer.json()["profile_id"] == ANNA
    assert answer.headers["content-location"] == f"/v1/profiles/{ANNA}?purpose=service"


async def test_a_split_id_answers_with_its_successors(asking: httpx.AsyncClient, town: Any) -> None:
    answer = await by_id(asking, town, SPLIT)
    assert answer.status_code == 300
    assert answer.json() == {"profile_id": SPLIT, "successors": [ANNA, BEN]}


async def test_an_identifier_of_a_split_person_names_the_successors(asking: httpx.AsyncClient, town: Any) -> None:
    token = town.world.tongue.known("email", "gone@example.org").token
    town.profiles.tokens[token] = SPLIT
    asked = {"identifier": {"type": "email", "value": "gone@example.org"}, "purpose": "service"}
    answer = await asking.post("/v1/profiles:lookup", json=asked, headers=town.bearer())
    assert (answer.status_code, answer.json()["profile_id"]) == (300, SPLIT)


async def test_what_has_not_changed_is_not_sent_again(asking: httpx.AsyncClient, town: Any) -> None:
    tag = (await by_id(asking, town, ANNA)).headers["etag"]
    for condition in (tag, f'"other", W/{tag}', "*"):
        again = await by_id(asking, town, ANNA, headers={"if-none-match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await by_id(asking, town, ANNA, headers={"if-none-match": '"other"'})).status_code == 200


async def test_only_the_wanted_fields_are_sent(asking: httpx.AsyncClient, town: Any) -> None:
    answer = await by_id(asking, town, ANNA, fields=["traits.rf*", "attributes.city"])
    body = answer.json()
    assert body["traits"] == {"rfm": "544"}
    assert body["attributes"] == {"city": "Dayton"}
    assert "identifiers" not in body
    assert body["profile_id"] == ANNA


async def test_events_come_in_pages_the_newest_first(asking: httpx.AsyncClient, town: Any) -> None:
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await asking.get(
            f"/v1/profiles/{ANNA}/events",
            params={"purpose": "service", "limit": 10, **cursor},
            headers=town.bearer(),
        )
        seen += answer.json()["events"]
        if answer.json()["next"] is None:
            break
        cursor = {"cursor": answer.json()["next"]}
    assert [e["at"] for e in seen] == sorted((e["at"] for e in seen), reverse=True)
    assert len(seen) == 25


async def test_links_name_no_stranger_whom_the_purpose_may_not_see(asking: httpx.AsyncClient, town: Any) -> None:
    url, headers = f"/v1/profiles/{ANNA}/links?purpose=service", town.bearer("steward")
    assert BEN in (await asking.get(url, headers=headers)).text
    del town.profiles.views["service", BEN]
    answer = await asking.get(url, headers=headers)
    assert (answer.status_code, BEN in answer.text) == (200, False)


async def test_links_need_the_scope_to_explain(asking: httpx.AsyncClient, town: Any) -> None:
    url = f"/v1/profiles/{ANNA}/links?purpose=service"
    assert (await asking.get(url, headers=town.bearer())).status_code == 403
    answer = await asking.get(url, headers=town.bearer("steward"))
    assert len(answer.json()["records"]) == 9
    assert {e["state"] for e in answer.json()["edges"]} == {"kept", "suppressed"}


@pytest.mark.parametrize("below", ["/events", "/links"])
async def test_ids_given_up_lead_on_below_too(asking: httpx.AsyncClient, town: Any, below: str) -> None:
    merged = await asking.get(f"/v1/profiles/{MERGED}{below}?purpose=service", headers=town.bearer("steward"))
    assert merged.headers["content-location"] == f"/v1/profiles/{ANNA}{below}?purpose=service"
    split = await asking.get(f"/v1/profiles/{SPLIT}{below}?purpose=service", headers=town.bearer("steward"))
    assert split.status_code == 300


async def test_every_read_is_in_the_audit_whatever_came_of_it(asking: httpx.AsyncClient, town: Any) -> None:
    for profile_id in (ANNA, ANNA, MERGED, HIDDEN):
        await by_id(asking, town, profile_id)
    town.world.audit.flush()
    seen = looks(town.world.database, ANNA) + looks(town.world.database, HIDDEN)
    assert {(s.purpose, s.decision, s.reads) for s in seen} == {("service", "allowed", 3), ("service", "hidden", 1)}
    assert all(s.at.tzinfo is not None for s in seen)
    assert not looks(town.world.database, BEN)


async def test_an_audit_that_cannot_be_written_is_kept(asking: httpx.AsyncClient, town: Any) -> None:
    await by_id(asking, town, ANNA)
    with town.world.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE read_audit RENAME TO away")
    town.world.audit.flush()
    assert town.world.audit.waiting() == 1
    with town.world.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO read_audit")
    town.world.audit.flush()
    assert (town.world.audit.waiting(), len(looks(town.world.database, ANNA))) == (0, 1)


async def test_no_read_goes_unrecorded(asking: httpx.AsyncClient, town: Any) -> None:
    town.world.audit._capacity = 0
    answer = await by_id(asking, town, ANNA)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


async def test_why_shows_the_chain_between_two_identifiers(asking: httpx.AsyncClient, town: Any) -> None:
    asked = {"a": {"type": "customer", "value": "C-4711"}, "b": {"type": "account", "value": "acc-77"}}
    answer = await asking.post("/v1/identity:why", json=asked, headers=town.bearer("steward"))
    body = answer.json()
    assert (body["same"], body["profile_id"]) == (True, ANNA)
    assert [edge["weight"] for edge in body["path"]] == [6.4]
    assert [r["comparison"] for r in body["path"][0]["reasons"]] == ["full_name", "postcode"]
    assert {r["source"] for r in body["records"]} == {"crm", "webshop_accounts"}


async def test_why_names_the_one_record_that_carries_both(asking: httpx.AsyncClient, town: Any) -> None:
    asked = {"a": EMAIL, "b": {"type": "customer", "value": "C-1001"}}
    body = (await asking.post("/v1/identity:why", json=asked, headers=town.bearer("steward"))).json()
    assert (body["same"], body["path"], [r["source"] for r in body["records"]]) == (True, [], ["crm"])


async def test_why_of_two_people_says_no(asking: httpx.AsyncClient, town: Any) -> None:
    asked = {"a": EMAIL, "b": {"type": "email", "value": "ben@example.org"}}
    body = (await asking.post("/v1/identity:why", json=asked, headers=town.bearer("steward"))).json()
    assert (body["same"], body["profile_id"]) == (False, None)
    asked["b"] = {"type": "email", "value": "nobody@example.org"}
    assert (await asking.post("/v1/identity:why", json=asked, headers=town.bearer("steward"))).status_code == 404


async def test_a_withdrawal_is_obeyed_by_the_next_read(asking: httpx.AsyncClient, town: Any) -> None:
    assert (await by_id(asking, town, ANNA, purpose="personalization")).status_code == 200
    said = {"identifier": EMAIL, "purpose": "personalization", "action": "withdrawn", "mechanism": "centre"}
    receipt = await asking.post("/v1/consent", json=said, headers=town.bearer("officer"))
    assert receipt.status_code == 201
    assert (await by_id(asking, town, ANNA, purpose="personalization")).status_code == 404
    assert (await by_id(asking, town, ANNA)).status_code == 200


async def test_a_repeated_statement_is_one_statement(asking: httpx.AsyncClient, town: Any) -> None:
    said = {"identifier": EMAIL, "purpose": "service", "action": "acknowledged"}
    headers = {**town.bearer("officer"), "idempotency-key": "one"}
    first = await asking.post("/v1/consent", json=said, headers=headers)
    again = await asking.post("/v1/consent", json=said, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    shown = await asking.post("/v1/consent:show", json={"identifier": EMAIL}, headers=town.bearer("clerk"))
    assert [e["action"] for e in shown.json()["events"]] == ["acknowledged"]


async def test_a_word_under_a_used_key_is_a_word_of_its_own(asking: httpx.AsyncClient, town: Any) -> None:
    headers = {**town.bearer("officer"), "idempotency-key": "one"}
    for action in ("given", "withdrawn", "withdrawn"):
        said = {"identifier": EMAIL, "purpose": "personalization", "action": action}
        assert (await asking.post("/v1/consent", json=said, headers=headers)).status_code == 201
    assert [entry["action"] for entry in town.consents.ledger] == ["given", "withdrawn"]
    assert (await by_id(asking, town, ANNA, purpose="personalization")).status_code == 404


async def test_the_audit_keeps_no_identifier_that_stood_where_an_id_belongs(
    asking: httpx.AsyncClient, town: Any
) -> None:
    phone = "12025550143"
    assert (await by_id(asking, town, phone)).status_code == 404
    answer = await asking.post("/v1/decide", json={"profile_id": phone}, headers=town.bearer("shop"))
    assert answer.status_code == 200
    town.world.audit.flush()
    with town.world.database.connect() as connection:
        noted = connection.execute(select(READ_AUDIT.c.decision, READ_AUDIT.c.profile_ids)).all()
    assert sorted(map(tuple, noted)) == [("decided", "-"), ("hidden", "-")]


async def test_reasons_are_coarse_without_the_scope(asking: httpx.AsyncClient, town: Any) -> None:
    asked = {"identifier": EMAIL, "purpose": "service"}
    coarse = await asking.post("/v1/consent:decide", json=asked, headers=town.bearer("clerk"))
    fine = await asking.post("/v1/consent:decide", json=asked, headers=town.bearer("officer"))
    assert set(coarse.json()) == {"purpose", "allowed", "because"}
    assert "policy_line" in fine.json()


async def test_decide_is_handed_the_person_and_the_moment(asking: httpx.AsyncClient, town: Any) -> None:
    asked = {"identifier": EMAIL, "context": {"channel": "web", "basket": ["p1"]}}
    answer = await asking.post("/v1/decide", json=asked, headers=town.bearer("shop"))
    assert answer.json()["chosen"] == "no_action"
    assert town.decider.decisions[0]["profile_id"] == ANNA
    assert town.decider.decisions[0]["context"]["basket"] == ["p1"]
    counts = (await asking.get("/metrics", headers=town.bearer("admin"))).text
    assert 'kindred_http_request_seconds_count{route="/v1/decide",purpose="personalization"} 1' in counts


async def test_decide_knows_the_survivor_by_an_id_that_was_given_up(asking: httpx.AsyncClient, town: Any) -> None:
    for name in (MERGED, SPLIT, HIDDEN):
        answer = await asking.post("/v1/decide", json={"profile_id": name}, headers=town.bearer("shop"))
        assert answer.status_code == 200
    assert [one["profile_id"] for one in town.decider.decisions] == [ANNA, SPLIT, HIDDEN]


async def test_readiness_tells_how_old_what_is_served_is_and_refuses_when_it_is_too_old(town: Any) -> None:
    built = town.world.clock() - timedelta(hours=30)
    for limit, status in ((None, 200), (timedelta(hours=31), 200), (timedelta(hours=29), 503)):
        world = replace(town.world, built=lambda: built, stale_after=limit)
        transport = httpx.ASGITransport(app=create_app(world))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/readyz")
            collector = await client.get("/readyz?part=collector")
            counts = (await client.get("/metrics", headers=town.bearer("admin"))).text
        assert answer.status_code == status
        assert "kindred_served_age_seconds 108000" in counts
        assert "hours ago" not in collector.text
        if status == 200:
            assert answer.json()["age_seconds"] == "108000"
        else:
            assert "30.0 hours ago" in answer.json()["detail"]


async def test_health_readiness_and_counts(asking: httpx.AsyncClient, town: Any) -> None:
    assert (await asking.get("/healthz")).json() == {"status": "ok"}
    assert (await asking.get("/readyz")).json() == {"status": "ready", "generation": "memory"}
    await by_id(asking, town, ANNA)
    counts = (await asking.get("/metrics", headers=town.bearer("admin"))).text
    assert 'kindred_http_requests_total{route="/v1/profiles/{profile_id}",status="200"} 1' in counts
    assert ANNA not in counts


async def test_the_openapi_document_shows_examples(asking: httpx.AsyncClient) -> None:
    document = orjson.loads((await asking.get("/openapi.json")).content)
    assert "/v1/profiles:lookup" in document["paths"]
    assert (await asking.get("/docs")).status_code == 404
