"""What goes wrong is said as RFC 9457 problems, and never with anybody's data."""

import logging
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from api.http.app import create_app, create_framework_app, declared_app
from api.http.credentials import KeyRing
from api.http.errors import TooFast
from api.http.models import declared_names
from api.http.problems import status_of
from infra import errors

pytestmark = pytest.mark.anyio
ANNA = "a" * 32
SECRET = "jane.secret@example.org"
LOOKUP = "/v1/profiles:lookup"


def asked(**more: Any) -> dict[str, Any]:
    return {"identifier": {"type": "email", "value": SECRET}, "purpose": "service", **more}


BAD_REQUESTS: list[tuple[int, str, str, dict[str, Any]]] = [
    (401, "GET", f"/v1/profiles/{ANNA}?purpose=service", {"headers": {}}),
    (401, "GET", f"/v1/profiles/{ANNA}?purpose=service", {"headers": {"authorization": f"Bearer kd_{SECRET}"}}),
    (401, "GET", f"/v1/profiles/{ANNA}?purpose=service", {"headers": {"authorization": f"Basic {SECRET}"}}),
    (403, "GET", f"/v1/profiles/{ANNA}?purpose=advertising", {}),
    (403, "POST", "/v1/consent", {"json": {**asked(), "action": "given"}}),
    (404, "GET", f"/v1/profiles/{SECRET}?purpose=service", {}),
    (404, "POST", LOOKUP, {"json": asked()}),
    (404, "GET", f"/v1/{SECRET}", {}),
    (405, "DELETE", f"/v1/profiles/{ANNA}", {}),
    (405, "GET", LOOKUP, {}),
    (413, "POST", LOOKUP, {"content": SECRET * 4000}),
    (422, "GET", f"/v1/profiles/{ANNA}?purpose={SECRET}", {}),
    (422, "GET", f"/v1/profiles/{ANNA}", {}),
    (422, "POST", LOOKUP, {"content": f'{{"identifier": "{SECRET}'}),
    (422, "POST", LOOKUP, {"json": [SECRET]}),
    (422, "POST", LOOKUP, {"json": SECRET}),
    (422, "POST", LOOKUP, {"json": asked(**{SECRET: 1})}),
    (422, "POST", LOOKUP, {"json": asked(identifier={"type": SECRET, "value": SECRET})}),
    (422, "POST", LOOKUP, {"json": asked(identifier={"type": "email", "value": {SECRET: SECRET}})}),
    (422, "POST", LOOKUP, {"json": asked(identifier={"type": "telepathy", "value": SECRET})}),
    (422, "POST", LOOKUP, {"json": asked(identifier={"type": "phone", "value": SECRET})}),
    (422, "POST", LOOKUP, {"json": asked(fields=[SECRET])}),
]


@pytest.mark.parametrize(("status", "method", "url", "more"), BAD_REQUESTS)
async def test_a_problem_is_a_document_without_anybodys_data(
    asking: httpx.AsyncClient,
    town: Any,
    caplog: pytest.LogCaptureFixture,
    status: int,
    method: str,
    url: str,
    more: dict[str, Any],
) -> None:
    caplog.set_level(logging.DEBUG, "kindred")
    answer = await asking.request(method, url, **{"headers": town.bearer(), **more})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert document["status"] == status
    assert {"type", "title", "detail"} <= document.keys()
    for part in (SECRET, "jane", "secret@"):
        assert part not in answer.text
        assert part not in str(answer.headers)
        assert part not in caplog.text


async def test_a_problem_points_at_the_place(asking: httpx.AsyncClient, town: Any) -> None:
    body = {"identifier": {"type": "email"}, "purpose": "Service", SECRET: 1}
    answer = await asking.post(LOOKUP, json=body, headers=town.bearer())
    assert {(e["pointer"], e["wrong"]) for e in answer.json()["errors"]} == {
        ("/body/identifier/value", "is missing"),
        ("/body/purpose", "does not have the declared form"),
        ("/body/*", "is not a known field"),
    }


@pytest.mark.parametrize(
    ("query", "pointer", "wrong"),
    [
        ("fields=traits.*,attributes.city", "/query/fields/0", "does not have the declared form"),
        ("fields=", "/query/fields/0", "does not have the declared form"),
        ("as_of=2026-11-22T09:30:00+01:00", "/query/as_of", "is not a moment that we know, as RFC 3339"),
        ("as_of=0000-11-22T09:30:00Z", "/query/as_of", "is not a moment that we know, as RFC 3339"),
    ],
)
async def test_a_question_is_held_to_what_a_body_is(
    asking: httpx.AsyncClient, town: Any, query: str, pointer: str, wrong: str
) -> None:
    answer = await asking.get(f"/v1/profiles/{'a' * 32}?purpose=service&{query}", headers=town.bearer())
    (found,) = answer.json()["errors"]
    assert (answer.status_code, found["pointer"]) == (422, pointer)
    assert found["wrong"].startswith(wrong)


@pytest.mark.parametrize(
    ("limit", "wrong"),
    [("0", "is too small"), ("501", "is too large"), ("9" * 5_000, "is too large"), ("x", "is not a whole number")],
)
async def test_a_number_says_what_is_wrong_with_it(
    asking: httpx.AsyncClient, town: Any, limit: str, wrong: str
) -> None:
    url = f"/v1/profiles/{'a' * 32}/events?purpose=service&limit={limit}"
    answer = await asking.get(url, headers=town.bearer())
    assert answer.json()["errors"] == [{"pointer": "/query/limit", "wrong": wrong}]


def test_every_parameter_is_called_by_its_name_where_it_is_wrong() -> None:
    told = {
        one["name"]
        for methods in declared_app().openapi()["paths"].values()
        for told in methods.values()
        for one in told.get("parameters", ())
        if "422" in told["responses"]
    }
    assert told <= declared_names()


async def test_a_body_that_is_not_called_json_is_told_so(asking: httpx.AsyncClient, town: Any) -> None:
    answer = await asking.post(LOOKUP, content=b"{}", headers=town.bearer())
    assert answer.json()["errors"] == [{"pointer": "/header/content-type", "wrong": "is not application/json"}]
    answer = await asking.post(LOOKUP, content=b"{}", headers={**town.bearer(), "content-type": "application/x+json"})
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/body/identifier", "/body/purpose"}


async def test_where_no_body_is_asked_for_nothing_is_said_of_its_type(asking: httpx.AsyncClient, town: Any) -> None:
    answer = await asking.post("/v1/privacy/requests/x:cancel", headers=town.bearer("admin"))
    assert answer.json()["errors"] == [{"pointer": "/path/request_id", "wrong": "does not have the declared form"}]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_moment_without_a_spelling_in_utc_is_refused(asking: httpx.AsyncClient, town: Any, moment: str) -> None:
    said = {**asked(), "action": "given"}
    for url, body in (
        ("/v1/consent", {**said, "occurred_at": moment}),
        ("/v1/consent", {**said, "expires_at": moment}),
        ("/v1/consent:decide", {**asked(), "as_of": moment}),
        ("/v1/decide", {"context": {"time": moment}}),
    ):
        who = "shop" if url == "/v1/decide" else "officer"
        answer = await asking.post(url, json=body, headers=town.bearer(who))
        assert (answer.status_code, answer.json()["errors"][0]["wrong"]) == (422, "is outside the calendar"), url


@pytest.mark.parametrize("moment", [0, 1_700_000_000_000, 1.5, "1700000000", True, "2026-11-22", "2026-11-22T09:30:00"])
async def test_a_moment_is_written_out_with_its_zone(asking: httpx.AsyncClient, town: Any, moment: object) -> None:
    said = {**asked(), "action": "given", "occurred_at": moment}
    answer = await asking.post("/v1/consent", json=said, headers=town.bearer("officer"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/body/occurred_at")
    assert not town.consents.ledger


async def test_a_database_that_does_not_answer_is_not_our_fault(town: Any, caplog: pytest.LogCaptureFixture) -> None:
    def held(*_: Any) -> Any:
        raise OperationalError(f"INSERT {SECRET}", {"value": SECRET}, ValueError(SECRET))

    town.consents.record = held
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as client:
        answer = await client.post("/v1/consent", json={**asked(), "action": "given"}, headers=town.bearer("officer"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "OperationalError" in caplog.text
    assert SECRET not in answer.text + caplog.text


async def test_who_is_asking_is_told_how_to_say_it(asking: httpx.AsyncClient) -> None:
    answer = await asking.get(f"/v1/profiles/{ANNA}?purpose=service")
    assert answer.headers["www-authenticate"] == 'Bearer realm="kindred"'


async def test_a_method_that_is_not_there_names_those_that_are(asking: httpx.AsyncClient) -> None:
    answer = await asking.delete(f"/v1/profiles/{ANNA}")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("error", [ValueError(SECRET), errors.Broken(SECRET), KeyError(SECRET)])
async def test_our_own_faults_keep_their_words_to_themselves(
    town: Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    town.profiles.view = broken
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as client:
        answer = await client.get(f"/v1/profiles/{ANNA}?purpose=service", headers=town.bearer())
    assert answer.status_code == 500
    assert answer.json()["error_id"] in caplog.text
    assert type(error).__name__ in caplog.text
    assert SECRET not in answer.text + caplog.text


async def test_a_caller_that_asks_too_fast_is_told_when_to_come_back(town: Any) -> None:
    now = [100.0]
    ring = KeyRing(town.world.database, rate=2.0, burst=3.0, stopwatch=lambda: now[0])
    object.__setattr__(town.world, "ring", ring)
    app = create_app(town.world)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:

        async def status() -> httpx.Response:
            return await client.get(f"/v1/profiles/{ANNA}?purpose=service", headers=town.bearer())

        assert [(await status()).status_code for _ in range(4)] == [200, 200, 200, 429]
        answer = await status()
        assert int(answer.headers["retry-after"]) >= 1
        now[0] += 0.5
        assert [(await status()).status_code for _ in range(2)] == [200, 429]


async def test_a_server_without_a_part_says_so(town: Any) -> None:
    object.__setattr__(town.world, "decider", None)
    object.__setattr__(town.world, "consents", None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as client:
        answers = [
            await client.post("/v1/decide", json={}, headers=town.bearer("shop")),
            await client.post("/v1/consent", json={**asked(), "action": "given"}, headers=town.bearer("officer")),
        ]
    assert [a.status_code for a in answers] == [503, 503]


async def test_before_the_first_publication_the_server_is_alive_and_not_ready(town: Any) -> None:
    town.profiles.generation = lambda: None
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "a published generation" in answer.json()["detail"]


async def test_the_server_runs_its_chores_and_ends_them(town: Any) -> None:
    app = create_framework_app(town.world)
    async with app.router.lifespan_context(app):
        town.world.audit.note("k", "service", ANNA, "allowed")
    assert town.world.audit.waiting() == 0


def test_each_error_has_one_status() -> None:
    assert status_of(TooFast(1.0)) == 429
    assert status_of(errors.ConfigurationError("f", 1, "k", "w")) == 422
    assert status_of(errors.KindredError()) == 500
