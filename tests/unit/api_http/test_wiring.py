"""The real parts behind the ports: LMDB generations, the deny overlay, the ledger, decisions. No JVM."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import orjson
import pytest

from api.http.app import create_app, create_framework_app
from api.http.expiry import Expiry, served_since
from api.http.keys import SCOPES, create_key
from api.http.main import application, open_world
from api.http.world import World
from consent import officer
from consent.overlay import DenyOverlay
from infra.identifiers import token
from infra.ids import Token
from infra.keyvalue import Overlay
from infra.serving.embedded import Generations
from infra.workspace import Workspace
from profiles import render, serving
from profiles.stored import packed

pytestmark = pytest.mark.anyio
TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
BUILT = AT - timedelta(days=1)
PURPOSES = ("service", "personalization", "identity_resolution", "email_marketing")
ANNA, OLD = "a" * 32, "e" * 32
EMAIL = {"type": "email", "value": "anna@example.org"}
LOOKUP = "/v1/profiles:lookup"


@pytest.fixture
def workspace(tmp_path: Path, token_key: bytes) -> Workspace:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\n")
    return Workspace.open(root)


@pytest.fixture
def world(workspace: Workspace) -> Iterator[World]:
    world = replace(open_world(workspace, clock=lambda: AT), clock=lambda: AT)
    yield world
    world.database.dispose()


@pytest.fixture
def key(world: World) -> str:
    return create_key(world.database, name="all", scopes=SCOPES, purposes=PURPOSES, at=AT)


@pytest.fixture
async def asking(world: World, key: str) -> Any:
    transport = httpx.ASGITransport(app=create_app(world))
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield client


def publish(workspace: Workspace, name: str, city: str = "Dayton") -> Token:
    """Publish a generation with one person in it, written as `profiles.publish` writes it."""
    held = token(workspace.token_key(), "email", EMAIL["value"])
    said = {"source": "crm", "record_key": "1" * 32, "observed_at": AT}
    identifier = {**EMAIL, "token": held}
    record = {**said, "kind": "person", "known": True, "link": "own", "attributes": [("given_name", "Anna")],
              "identifiers": [identifier], "purposes": list(PURPOSES)}  # fmt: skip
    person = {"profile_id": ANNA, "anchor": "1" * 32, "known": True, "size": 1, "confidence": 1.0, "edges": [],
              "tokens": [{"token": held, "link": "own"}], "records": [record]}  # fmt: skip
    generations = Generations(workspace.serving_path / serving.FOLDER)
    generations.root.mkdir(parents=True, exist_ok=True)
    with generations.building(name) as writer:
        for purpose in PURPOSES:
            attributes = [{"name": "city", "value": city, "rule": "unopposed", "confidence": 1.0, **said}]
            view = {"profile_id": ANNA, "purpose": purpose, "as_of": AT, "attributes": attributes, "traits": [],
                    "identifiers": [identifier], "withheld": [], "confidence": 1.0, "reason": "contract",
                    "policy_line": "policy.yaml:1"}  # fmt: skip
            tag, body = render.view(view, {}, [])
            writer.put(serving.view_key(purpose, ANNA), packed(tag, body, held.encode()))
        writer.put(serving.header_key(ANNA), render.header(person))
        writer.put(serving.holders_key(ANNA), held.encode())
        writer.put(serving.graph_key(ANNA), render.graph(person))
        writer.put(serving.timeline_key(ANNA), b"[]")
        writer.put(serving.token_key(held), ANNA.encode())
        writer.put(serving.alias_key(OLD, ANNA), b"")
        writer.put(serving.MANIFEST, orjson.dumps({"generation": name, "started_at": render.moment(BUILT)}))
    generations.publish(name)
    return held


def elsewhere(workspace: Workspace, act: str, held: Token) -> None:
    """Do something to the overlay in a process of its own."""
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from consent.overlay import DenyOverlay\n"
        f"AT = datetime.fromisoformat({AT.isoformat()!r}); overlay = DenyOverlay.open(Path(sys.argv[1])); {act}"
    )
    root = str(TEMPLATES.parents[2])
    subprocess.run([sys.executable, "-c", code, str(workspace.serving_path), held], check=True, cwd=root)


async def found(asking: httpx.AsyncClient, purpose: str = "personalization") -> httpx.Response:
    return await asking.post(LOOKUP, json={"identifier": EMAIL, "purpose": purpose})


async def test_nothing_is_ready_before_the_first_publication(asking: httpx.AsyncClient) -> None:
    assert (await asking.get("/readyz")).status_code == 503
    assert (await found(asking)).status_code == 503


async def test_a_published_person_is_served_with_the_tag_of_the_store(
    workspace: Workspace, asking: httpx.AsyncClient
) -> None:
    publish(workspace, "g1")
    slow, fast = await found(asking), await found(asking)
    assert slow.json()["attributes"] == {"city": "Dayton"}
    assert slow.headers["etag"] == fast.headers["etag"] == f'"{slow.json()["version"]}"'
    assert slow.content == fast.content
    moved = await asking.get(f"/v1/profiles/{OLD}?purpose=service")
    assert moved.headers["content-location"] == f"/v1/profiles/{ANNA}?purpose=service"
    assert (await asking.get("/readyz")).json()["generation"] == "g1"


async def test_a_new_generation_is_seen_within_a_second(workspace: Workspace, asking: httpx.AsyncClient) -> None:
    publish(workspace, "g1")
    assert (await found(asking)).json()["attributes"] == {"city": "Dayton"}
    publish(workspace, "g2", city="Akron")
    await asyncio.sleep(serving.STALENESS_SECONDS + 0.1)
    assert (await found(asking)).json()["attributes"] == {"city": "Akron"}


async def test_a_withdrawal_is_obeyed_by_the_next_read_and_by_that_purpose_alone(
    workspace: Workspace, asking: httpx.AsyncClient
) -> None:
    publish(workspace, "g1")
    assert [(await found(asking)).status_code for _ in range(2)] == [200, 200]
    said = {"identifier": EMAIL, "purpose": "personalization", "action": "withdrawn", "mechanism": "centre"}
    receipt = await asking.post("/v1/consent", json=said, headers={"idempotency-key": "k"})
    assert (receipt.status_code, receipt.json()["denied_at_once"]) == (201, ["personalization"])
    assert (await found(asking)).status_code == 404
    assert (await found(asking, "service")).status_code == 200
    again = await asking.post("/v1/consent", json=said, headers={"idempotency-key": "k"})
    assert again.json()["id"] == receipt.json()["id"]
    shown = await asking.post("/v1/consent:show", json={"identifier": EMAIL})
    assert [e["action"] for e in shown.json()["events"]] == ["withdrawn"]
    decision = await asking.post("/v1/consent:decide", json={"identifier": EMAIL, "purpose": "personalization"})
    assert (decision.json()["allowed"], decision.json()["reason"]) == (False, "withdrawn")


async def test_a_refusal_by_another_process_is_obeyed_too(workspace: Workspace, asking: httpx.AsyncClient) -> None:
    """As `kindred consent record` writes it: into the same overlay, behind the server's back."""
    held = publish(workspace, "g1")
    assert [(await found(asking)).status_code for _ in range(2)] == [200, 200]
    elsewhere(workspace, "overlay.restrict([sys.argv[2]], ['personalization'], at=AT, sequence=1)", held)
    assert (await found(asking)).status_code == 404
    elsewhere(workspace, "overlay.purge(as_of=AT, through=1)", held)
    assert (await found(asking)).status_code == 200


def consented(world: World, held: Token, ends: datetime) -> None:
    """Put a yes to personalisation that ends into the ledger, as a source or a preference centre does."""
    desk: officer.Desk = world.consents.desk  # type: ignore[union-attr]
    said = officer.Statement(kind="email", token=held, purpose="personalization", action="given", occurred_at=BUILT,
                             received_at=BUILT, mechanism="centre", expires_at=ends)  # fmt: skip
    officer.record(desk, said)


async def test_a_yes_that_runs_out_is_obeyed_by_the_next_read_and_a_restart_misses_nothing(
    workspace: Workspace, asking: httpx.AsyncClient, world: World
) -> None:
    assert world.expiry is not None
    assert world.expiry.look(AT) == 0
    held = publish(workspace, "g1")
    consented(world, held, AT + timedelta(seconds=1))
    assert world.expiry.look(AT) == 0
    assert [(await found(asking)).status_code for _ in range(2)] == [200, 200]
    assert world.expiry.look(AT + timedelta(seconds=1)) == 1
    assert (await found(asking)).status_code == 404
    assert (await found(asking, "service")).status_code == 200
    # What a server that was down has missed is found from the served build on.
    overlay: DenyOverlay = world.consents.desk.overlay  # type: ignore[union-attr]
    overlay.purge(as_of=AT + timedelta(days=9), through=9)
    assert (await found(asking)).status_code == 200
    again = Expiry(world.consents.desk, served_since(world.profiles))  # type: ignore[union-attr, arg-type]
    assert again.look(AT + timedelta(hours=9)) == 1
    assert (await found(asking)).status_code == 404


async def test_the_server_looks_by_itself_and_goes_on_after_a_failure(
    workspace: Workspace, world: World, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    held = publish(workspace, "g1")
    consented(world, held, AT + timedelta(seconds=1))
    moments = iter([AT])
    moving = replace(world, clock=lambda: next(moments, AT + timedelta(minutes=1)))
    app = create_framework_app(moving)
    headers = {"authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app=create_app(moving))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        overlay: DenyOverlay = world.consents.desk.overlay  # type: ignore[union-attr]
        assert (await found(client)).status_code == 200
        async with app.router.lifespan_context(app):
            answers = [await found(client) for _ in range(50) if not await asyncio.sleep(0.05)]
            assert answers[-1].status_code == 404
        assert overlay.denied(held, "personalization")
    overlay.close()
    with anyio.move_on_after(0.3):
        await Expiry(world.consents.desk, lambda: BUILT).run(lambda: AT + timedelta(days=1), 0.1)  # type: ignore[union-attr]
    assert "what has run out waits: Error" in caplog.text
    assert held not in caplog.text


async def test_an_overlay_that_cannot_be_read_closes_the_profiles(
    workspace: Workspace, asking: httpx.AsyncClient, world: World
) -> None:
    publish(workspace, "g1")
    assert (await found(asking)).status_code == 200
    overlay: Overlay = world.profiles._denials._overlay.entries  # type: ignore[attr-defined]
    overlay.close()
    answer = await found(asking)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_explanations_and_pages_come_from_the_store(
    workspace: Workspace, asking: httpx.AsyncClient, key: str
) -> None:
    publish(workspace, "g1")
    why = await asking.post("/v1/identity:why", json={"a": EMAIL, "b": EMAIL})
    assert (why.json()["same"], [r["source"] for r in why.json()["records"]]) == (True, ["crm"])
    links = await asking.get(f"/v1/profiles/{ANNA}/links?purpose=service")
    assert links.json()["records"][0]["identifiers"][0]["value"] == EMAIL["value"]
    assert "token" not in links.text
    assert (await asking.get(f"/v1/profiles/{ANNA}/events?purpose=service")).json()["events"] == []
    await asking.post("/login", data={"key": key})
    page = await asking.get(f"/people/{ANNA}")
    assert page.status_code == 200
    assert "Dayton" in page.text
    assert "no consent" in page.text


async def test_a_switch_under_load_fails_nobody_and_mixes_nothing(
    workspace: Workspace, asking: httpx.AsyncClient
) -> None:
    """F24: while generations follow each other, each answer is of one of them, under its own tag."""
    publish(workspace, "g0", "City 0")
    wanted = {"/v1/profiles/" + ANNA, "/v1/profiles/" + OLD}
    tags: dict[str, set[str]] = {}
    for turn in range(1, 9):
        answers = [asking.get(f"{path}?purpose=service") for path in wanted for _ in range(8)]
        answers += [found(asking, "service") for _ in range(16)]
        told = asyncio.gather(*answers)
        await asyncio.to_thread(publish, workspace, f"g{turn}", f"City {turn}")
        for answer in await told:
            assert answer.status_code == 200
            shown = answer.json()
            assert answer.headers["etag"] == f'"{shown["version"]}"'
            tags.setdefault(shown["attributes"]["city"], set()).add(answer.headers["etag"])
        await asyncio.sleep(0.2)
    assert len(tags) > 1
    assert all(len(of_one) == 1 for of_one in tags.values())


async def test_a_decision_is_answered_and_names_the_caller(asking: httpx.AsyncClient) -> None:
    answer = await asking.post("/v1/decide", json={"purpose": "personalization", "context": {"channel": "web"}})
    assert answer.status_code == 503, "nothing is published yet"


def test_the_worker_opens_the_workspace_it_stands_in(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace.root)
    assert callable(application())
