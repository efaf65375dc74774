"""Lineage conforms to OpenLineage, reaches a file or a server, and never stops a run."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from lineage_schema import run_event_schema
from openlineage.client.serde import Serde

from infra.errors import ConfigurationError
from infra.lineage.events import event, run_uuid
from infra.lineage.model import Address, Field, Given, Happened, Made, Origin
from infra.lineage.told import Told, mended, transport_of
from infra.observer import Observer
from infra.settings import FileLineage, HttpLineage
from infra.workspace import Workspace

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CRM, LAKE = Address("file", "/shop/data/crm/*.csv"), Address("file", "/shop/state/lake/records")
STEP = Happened(
    "COMPLETE",
    NOW,
    "a1",
    "run",
    "ingest",
    given=(Given(CRM, (Field("email", "email"), Field("gate")), 3), Given(LAKE)),
    made=(
        Made(
            LAKE,
            (Field("key", "STRING"),),
            version=4,
            rows=2,
            files=1,
            size=100,
            origins={"identifiers.email": (Origin(CRM, "email", "TRANSFORMATION"),)},
            conditions=(Origin(CRM, "gate", "FILTER"),),
        ),
    ),
)
ALL = (
    STEP,
    replace(STEP, kind="START", given=(), made=()),
    replace(STEP, kind="FAIL", error="data/crm/a.csv:1: the file is empty; it must begin with a header line"),
    Happened("START", NOW, "a1", "run"),
    Happened("COMPLETE", NOW, "a1", "run"),
    Happened("FAIL", NOW, "a1", "run", error="ingest failed with ValueError"),
)


@pytest.mark.parametrize("happened", ALL, ids=lambda one: f"{one.kind}-{one.step}")
def test_events_are_as_the_specification_has_them(happened: Happened) -> None:
    told = json.loads(Serde.to_json(event(happened, "shop", "urn:kindred:0.1.0")))
    jsonschema_rs.Draft202012Validator(run_event_schema()).validate(told)
    assert told["eventTime"] == "2026-11-22T09:30:00.000+00:00"


def test_a_step_tells_its_run_its_rows_and_where_its_columns_come_from() -> None:
    told = json.loads(Serde.to_json(event(STEP, "shop", "urn:kindred:0.1.0")))
    assert (told["job"]["namespace"], told["job"]["name"]) == ("shop", "run.ingest")
    parent = told["run"]["facets"]["parent"]
    assert (parent["job"]["name"], parent["run"]["runId"]) == ("run", run_uuid("shop", "a1", None))
    assert told["inputs"][0]["inputFacets"]["dataQualityMetrics"]["rowCount"] == 3
    made = told["outputs"][0]
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 2
    (email,) = made["facets"]["columnLineage"]["fields"]["identifiers.email"]["inputFields"]
    assert (email["name"], email["field"]) == (CRM.name, "email")
    assert email["transformations"][0] == {"type": "DIRECT", "subtype": "TRANSFORMATION"}
    (gate,) = made["facets"]["columnLineage"]["dataset"]
    assert gate["transformations"][0] == {"type": "INDIRECT", "subtype": "FILTER"}


def test_a_resumed_run_is_told_as_the_same_one() -> None:
    assert run_uuid("shop", "a1", "ingest") == run_uuid("shop", "a1", "ingest")
    assert len({run_uuid("shop", "a1", step) for step in (None, "ingest", "build")}) == 3


def test_a_file_gets_a_line_for_each_event_also_after_a_kill(tmp_path: Path) -> None:
    file, said = tmp_path / "lineage.ndjson", list[str]()
    told = Told(transport_of(FileLineage(transport="file", path=file.name), tmp_path), "shop", said.append)
    told.tell(STEP)
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:40])
    mended(file)
    mended(tmp_path / "absent")
    told.tell(STEP)
    told.close()
    lines = file.read_bytes().splitlines()
    assert (lines[0], lines[2], said) == (whole.strip(), whole.strip(), [])
    assert json.loads(lines[2])["eventType"] == "COMPLETE"


class _Collector(BaseHTTPRequestHandler):
    status = 201
    got: list[tuple[str, str | None, dict[str, Any]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Callable[..., Any]]:
    """Return a maker of servers that collect lineage, and end them."""
    servers: list[ThreadingHTTPServer] = []

    def make(status: int = 201) -> tuple[str, list[Any]]:
        handler = type("Handler", (_Collector,), {"status": status, "got": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", handler.got

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def told_to(url: str, said: list[str], stopwatch: Callable[[], float], **more: Any) -> Told:
    settings = HttpLineage(transport="http", url=url, **more)
    return Told(transport_of(settings, Path()), "shop", said.append, stopwatch)


def test_a_server_gets_the_events_with_the_key(collector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # no proxy stands between this machine and itself
    url, got = collector()
    said: list[str] = []
    told = told_to(url, said, lambda: 0.0, api_key="k-1", endpoint="/api/v1/lineage")
    told.tell(STEP)
    told.close()
    (path, key, body) = got[0]
    assert (path, key, body["eventType"], said) == ("/api/v1/lineage", "Bearer k-1", "COMPLETE", [])


@pytest.mark.parametrize("status", [None, 400, 500])
def test_a_server_that_fails_is_left_alone_for_a_while_and_told(collector: Any, status: int | None) -> None:
    url, got = collector(status) if status else ("http://127.0.0.1:9", [])
    said: list[str] = []
    now = [0.0]
    told = told_to(url, said, lambda: now[0], api_key="k-1", timeout=1)
    for _ in range(3):
        told.tell(STEP)
    first = len(got)
    assert len(said) == 1
    now[0] = 31.0
    told.tell(STEP)
    assert len(got) == 2 * first
    told.close()
    assert said[-1] == "lineage: 4 events of this run were not delivered; see `lineage` in kindred.yaml"
    assert "k-1" not in " ".join(said)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    (tmp_path / "kindred.yaml").write_text("name: shop\nlineage: {transport: file, path: state/lineage.ndjson}\n")
    said: list[str] = []
    observer = Observer("a1", 1, "run", lambda: NOW).telling(Workspace.open(tmp_path), said.append)
    observer.run_began()
    observer.step_began("ingest")
    observer.run_ended()
    assert said[0].startswith("lineage: the file cannot be written (")
    assert said[-1].startswith("lineage: 3 events of this run were not delivered")


def test_lineage_is_off_unless_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    assert Observer().telling(Workspace.open(tmp_path), print).teller is None


@pytest.mark.parametrize(
    ("declared", "right"),
    [
        ("{transport: http}", "a required key is missing"),
        ("{transport: ftp}", "use 'file', 'http'"),
        ("{transport: http, url: 'ftp://example.org'}", "write http://host:port"),
        ("{transport: http, url: 'https://secret@example.org'}", "write the secret as api_key"),
        ("{transport: http, url: 'http://lineage.example.org', api_key: secret}", "use https"),
    ],
)
def test_what_is_unsafe_is_refused_without_the_secret(tmp_path: Path, declared: str, right: str) -> None:
    (tmp_path / "kindred.yaml").write_text(f"name: shop\nlineage: {declared}\n")
    with pytest.raises(ConfigurationError) as refused:
        Workspace.open(tmp_path)
    assert right in str(refused.value)
    assert "secret@" not in str(refused.value)
