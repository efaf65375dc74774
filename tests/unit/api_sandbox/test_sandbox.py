"""`kindred sandbox`: the real application over invented people at once, read with the client over a connection."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from sandboxed import Running, sandbox

from api.http.app import declared_app
from kindred_client import AsyncKindred, Kindred, NotFound, Split

ROOT = Path(__file__).parents[3]


@pytest.fixture
def reading(running: Running) -> Any:
    with Kindred(running.url, running.keys["read"]) as kindred:
        yield kindred


@pytest.fixture
def saying(running: Running) -> Any:
    with Kindred(running.url, running.keys["consent"]) as kindred:
        yield kindred


def test_each_sample_is_what_it_is_called(running: Running, reading: Kindred) -> None:
    told = running.samples
    willing = told["willing"]
    for kind in ("email", "phone", "customer", "account", "loyalty"):
        found = reading.lookup(kind, willing[kind], purpose="personalization")
        assert found.profile_id == willing["profile_id"]
    assert found.consent is not None
    assert found.consent.reason == "consent"
    assert {"birth_date", "email", "phone", "street"} <= set(found.withheld_fields)
    assert found.attributes["given_name"] == willing["given_name"]
    assert isinstance(found.traits["orders"], int)
    assert reading.lookup("email", told["denied"]["email"], purpose="service").attributes["email"]
    for who, purpose in (("denied", "personalization"), ("restricted", "service"), ("restricted", "analytics")):
        with pytest.raises(NotFound):
            reading.lookup("email", told[who]["email"], purpose=purpose)
    assert reading.profile(told["merged"]["merged_id"], purpose="service").profile_id == told["merged"]["profile_id"]
    with pytest.raises(Split) as split:
        reading.profile(told["split"]["split_id"], purpose="service")
    assert sorted(split.value.successors) == sorted(told["split"]["successors"])
    with pytest.raises(NotFound):
        reading.lookup("phone", told["shared"]["phone"], purpose="service")


def test_a_word_counts_at_once_whichever_it_is(running: Running, reading: Kindred, saying: Kindred) -> None:
    email = running.facts["emails"][20]
    for action, seen in (("given", True), ("withdrawn", False), ("given", True), ("refused", False)):
        saying.consent("email", email, purpose="personalization", action=action, mechanism="centre")
        assert saying.may("email", email, purpose="personalization").allowed == seen
        if seen:
            assert reading.lookup("email", email, purpose="personalization").consent is not None
        else:
            with pytest.raises(NotFound):
                reading.lookup("email", email, purpose="personalization")
        chosen = reading.decide("email", email, channel="web")
        assert bool(chosen.recommendations["buy_again"]) == seen
        assert chosen.recommendations["popular"]


def test_what_happened_is_told_page_by_page(running: Running, reading: Kindred) -> None:
    willing = running.samples["willing"]
    told = list(reading.events(willing["profile_id"], purpose="service", page=2))
    assert {event.kind for event in told} == {"order", "event"}
    orders = [event for event in told if event.kind == "order"]
    assert len(orders) == reading.profile(willing["profile_id"], purpose="service").traits["orders"]
    assert all(event.amount == pytest.approx(sum(line.amount or 0 for line in event.lines)) for event in orders)


def test_the_centre_opens_by_its_link_and_events_are_taken_in(running: Running, saying: Kindred) -> None:
    link = saying.preferences("email", running.facts["emails"][21])
    with httpx.Client(base_url=running.url, follow_redirects=True) as browser:
        page = browser.get(link.path)
        assert (page.status_code, "Sandbox" in page.text) == (200, True)
        event = {"type": "track", "userId": "A-100021", "event": "Product Viewed", "properties": {"product_id": "p-01"}}
        taken = browser.post("/v1/track", json=event, auth=(running.keys["write"], ""))
        assert taken.json()["events"][0]["verdict"] == "accepted"
        ready = browser.get("/readyz").json()
        assert ready["status"] == "ready"
        assert not [part for part, how in ready.items() if "waits" in str(how)]


@pytest.mark.anyio
async def test_the_async_client_reads_it_too(running: Running) -> None:
    async with AsyncKindred(running.url, running.keys["read"]) as kindred:
        willing = running.samples["willing"]
        first = await kindred.lookup("email", willing["email"], purpose="service")
        assert await kindred.lookup("email", willing["email"], purpose="service") is first, "304"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_its_answers_are_those_of_the_document(running: Running) -> None:
    document = declared_app().openapi()
    willing = running.samples["willing"]
    one, ask = {"type": "email", "value": willing["email"]}, {"purpose": "service"}
    body = {"identifier": one, "purpose": "personalization"}
    pair = {"a": one, "b": {"type": "account", "value": willing["account"]}}
    calls = [
        ("read", "POST", "/v1/profiles:lookup", "/v1/profiles:lookup", body),
        ("read", "POST", "/v1/decide", "/v1/decide", body),
        ("read", "POST", "/v1/identity:why", "/v1/identity:why", pair),
        ("consent", "POST", "/v1/consent:show", "/v1/consent:show", {"identifier": one}),
        ("consent", "POST", "/v1/consent:decide", "/v1/consent:decide", body),
        *(("read", "GET", f"/v1/profiles/{willing['profile_id']}{below}", f"/v1/profiles/{{profile_id}}{below}", None)
          for below in ("", "/events", "/links", "/how")),
    ]  # fmt: skip
    with httpx.Client(base_url=running.url) as client:
        for key, method, path, template, sent in calls:
            headers = {"authorization": f"Bearer {running.keys[key]}"}
            answer = client.request(method, path, json=sent, headers=headers, params=ask if sent is None else None)
            assert answer.status_code == 200, (path, answer.text)
            declared = document["paths"][template][method.lower()]["responses"]["200"]
            schema = declared["content"]["application/json"]["schema"] | {"components": document["components"]}
            Draft202012Validator(schema).validate(answer.json())


def test_the_same_seed_tells_the_same_and_nothing_stays(tmp_path: Path, running: Running) -> None:
    environ = {"PYTHONPYCACHEPREFIX": str(tmp_path / "pyc"), "PYTHONDONTWRITEBYTECODE": ""}
    told = []
    for turn in range(2):
        place = tmp_path / str(turn)
        with sandbox(place, **environ) as again:
            told.append(again.facts)
            spent = again.cpu_seconds()
            assert list(place.glob("kindred-sandbox-*"))
        assert again.process.returncode == 0
        assert [path.name for path in place.iterdir()] == ["errors.log"]
        assert (place / "errors.log").read_text() == ""
    assert {**told[0], "url": ""} == {**told[1], "url": ""} == {**running.facts, "url": ""}
    # Of the second start, which finds everything compiled. On a quiet machine this is the time to wait.
    assert spent < 3.0
    with sandbox(tmp_path / "other", "--seed", "8", "--people", "30", **environ) as other:
        assert other.facts["people"] == 30
        assert other.keys.items().isdisjoint(running.keys.items())
        assert set(other.facts["emails"]).isdisjoint(running.facts["emails"])


def test_it_loads_neither_spark_nor_what_needs_it() -> None:
    heavy = {"pyspark", "delta", "splink", "duckdb", "pandas"}
    program = f"import sys, api.sandbox.serve; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_taken_port_is_said_in_a_sentence(running: Running) -> None:
    port = running.url.rpartition(":")[2]
    command = [sys.executable, "-m", "api.cli.entry", "sandbox", "--port", port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert f"cannot listen on port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_people_read_what_it_prints() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli.entry", "sandbox"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(15)]
        process.terminate()
    assert lines[0].startswith("100 invented people at http://127.0.0.1:")
    assert sum(line.startswith("export KINDRED_") for line in lines) == 6
    assert any(line.startswith("willing ") for line in lines)
