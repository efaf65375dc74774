"""The collector over a real workspace: its spool, its sources, its keys on the command line. No JVM."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.http.app import create_app
from api.http.collector.sources import declared, known_source, served
from api.http.collector.wiring import OpenedLate, open_collector
from api.http.keys import create_key, find_credential
from api.http.main import open_world
from api.http.wiring import Ledger
from api.http.world import World
from consent.signals.config import SignalsConfig
from infra.errors import Held, Missing
from infra.log.memory import MemoryLog
from infra.log.port import Entry, EventLog, LogUnavailable
from infra.log.segments import read_lines
from infra.workspace import Workspace
from ingestion.collector.entry import merged, unfolded

pytestmark = pytest.mark.anyio
TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
WEB = """source: web
connector: {type: collector}
record: event
identifiers: {email: [traits.email, properties.email], customer: userId}
consent_gate: context.consent.categoryPreferences.analytics
"""


@pytest.fixture
def workspace(tmp_path: Path, token_key: bytes) -> Workspace:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\n")
    (root / "sources" / "web.yaml").write_text(WEB)
    (root / "sources" / "crm.yaml").write_text("source: crm\nconnector: {type: files, path: a.csv, format: csv}\n")
    return Workspace.open(root)


@pytest.fixture
def world(workspace: Workspace) -> Iterator[World]:
    world = open_world(workspace)
    yield world
    world.database.dispose()


async def asked(world: World, method: str, path: str, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=create_app(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, **more)


async def test_events_reach_the_spool_before_anything_was_ever_published(world: World, workspace: Workspace) -> None:
    key = create_key(world.database, name="web", scopes={"events:write"}, purposes=(), source="web", at=world.clock())
    assert (await asked(world, "GET", "/readyz")).status_code == 503
    assert (await asked(world, "GET", "/readyz?part=collector")).status_code == 200
    body = {"userId": "u-1", "event": "E", "messageId": "m-1"}
    assert (await asked(world, "POST", "/v1/track", json=body, auth=(key, ""))).status_code == 200
    refused = {**body, "context": {"consent": {"categoryPreferences": {"analytics": False}}}}
    assert (await asked(world, "POST", "/v1/track", json=refused, auth=(key, ""))).status_code == 200
    assert world.collector is not None
    await world.collector.close()
    (segment,) = (workspace.state_path / "spool" / "web").glob("*.ndjson")
    with segment.open("rb") as lines:
        first, second = [body for body in read_lines(lines) if isinstance(body, bytes)]
    assert merged(first)["messageId"] == "m-1"
    assert merged(second) == {}
    assert (await asked(world, "POST", "/v1/track", json=body, auth=(key, ""))).status_code == 503


async def test_an_ordinary_batch_is_one_line_of_the_spool(workspace: Workspace) -> None:
    (workspace.root / "sources" / "web.yaml").write_text("source: web\nconnector: {type: collector}\nrecord: event\n")
    world = open_world(workspace)
    key = create_key(world.database, name="web", scopes={"events:write"}, purposes=(), source="web", at=world.clock())
    batch = [{"type": "page", "userId": "u-1", "messageId": f"m-{n}"} for n in range(3)]
    answer = await asked(world, "POST", "/v1/batch", json={"batch": batch}, auth=(key, ""))
    assert world.collector is not None
    await world.collector.close()
    world.database.dispose()
    (segment,) = (workspace.state_path / "spool" / "web").glob("*.ndjson")
    with segment.open("rb") as lines:
        (entry,) = [body for body in read_lines(lines) if isinstance(body, bytes)]
    assert [merged(held)["messageId"] for held in unfolded(entry)] == ["m-0", "m-1", "m-2"]
    assert [(one["messageId"], one["verdict"]) for one in answer.json()["events"]] == [
        ("m-0", "accepted"), ("m-1", "accepted"), ("m-2", "accepted"),
    ]  # fmt: skip


async def test_a_second_server_serves_on_and_takes_over_when_the_first_ends(world: World, workspace: Workspace) -> None:
    assert isinstance(world.consents, Ledger)
    other = open_collector(
        workspace, (world.consents.desk, SignalsConfig()), world.ring, world.tongue, world.clock, world.metrics
    )
    second = replace(world, collector=other)
    assert world.collector is not None
    answer = await asked(second, "GET", "/readyz?part=collector")
    assert answer.status_code == 503
    assert "another process" in answer.json()["detail"]
    with pytest.raises(LogUnavailable):
        await other.log.append("web", [Entry("", b"{}")])
    await world.collector.close()
    other._look()
    assert (await asked(second, "GET", "/readyz?part=collector")).status_code == 200
    await other.close()


async def test_a_log_is_opened_as_soon_as_it_can_be() -> None:
    outcomes: list[Any] = [Held("locked"), LogUnavailable("the disk is full", retry_after=1), MemoryLog()]

    def opener() -> EventLog:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        log: EventLog = outcome
        return log

    log = OpenedLate(opener)
    assert not log.state().ready
    log.look()
    assert log.state().because == "the disk is full"
    log.look()
    log.look()
    assert log.state().ready
    await log.append("web", [Entry("", b"{}")])
    await log.close()
    closed = OpenedLate(MemoryLog)
    await closed.close()


async def test_a_log_that_never_opened_closes() -> None:
    def opener() -> EventLog:
        raise Held("locked")

    log = OpenedLate(opener)
    await log.close()
    log.look()
    assert not log.state().ready


def test_sources_as_far_as_the_door_needs_them(workspace: Workspace, caplog: Any) -> None:
    found = declared(workspace)
    assert set(found) == {"web"}
    assert found["web"].identifiers == {"email": ("traits.email", "properties.email"), "customer": ("userId",)}
    assert found["web"].consent_gate == ("context", "consent", "categoryPreferences", "analytics")
    with pytest.raises(Missing, match=r"shop.*sources/shop\.yaml"):
        known_source(workspace, "shop")
    (workspace.root / "sources" / "crm.yaml").write_text("source: [")
    assert served(workspace) == {}
    assert "usual places" in caplog.text


def test_a_write_key_by_command(world: World, workspace: Workspace) -> None:
    def typed(*words: str) -> Any:
        return CliRunner().invoke(app, ["keys", *words, "-w", str(workspace.root)])

    made = typed("create", "--scope", "events:write", "--source", "web")
    assert made.exit_code == 0, made.output
    credential = find_credential(world.database, made.output.strip(), world.clock())
    assert credential is not None
    assert (credential.source, credential.name, credential.writes) == ("web", "web", True)
    assert not replace(credential, scopes=frozenset({"admin"})).may("events:write")
    assert "web" in typed("list").output
    for wrong in (
        ["--scope", "events:write"], ["--scope", "events:write", "--source", "crm"], ["--scope", "admin"],
        ["--scope", "events:write", "--scope", "admin", "--source", "web"],
        ["--scope", "admin", "--name", "x", "--source", "web"],
        ["--scope", "events:write", "--source", "web", "--purpose", "service"],
    ):  # fmt: skip
        assert typed("create", *wrong).exit_code != 0, wrong
