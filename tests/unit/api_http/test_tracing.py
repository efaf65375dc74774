"""Traces: a span a request, in the caller's trace, and nothing personal in it; nothing at all where nobody asks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.http.tracing import Traced, passed_on
from infra.errors import ConfigurationError
from infra.workspace import Workspace

pytestmark = pytest.mark.anyio
TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
ANNA = "a" * 32
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.clear()


@pytest.fixture
def provider(spans: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(spans))
    return made


async def ask(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        return await client.request(method, path, **more)


async def test_every_way_of_reading_is_a_span_under_its_template(
    town: Any, provider: TracerProvider, spans: InMemorySpanExporter
) -> None:
    app = Traced(town.app, provider)
    headers = {**town.bearer("steward"), "traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "email=a@example.org"}
    email = {"identifier": {"type": "email", "value": "anna.k@example.org"}, "purpose": "service"}
    for _ in range(2):  # the second time the key is known, and the fast path answers
        await ask(app, "GET", f"/v1/profiles/{ANNA}?purpose=service", headers=headers)
        await ask(app, "POST", "/v1/profiles:lookup", json=email, headers=headers)
    await ask(app, "GET", f"/v1/profiles/{ANNA}/events?purpose=service", headers=headers)
    await ask(app, "GET", "/nowhere/anna.k@example.org", headers=headers)
    await ask(app, "ANNA", "/v1/profiles:lookup", headers=headers)
    told = spans.get_finished_spans()
    assert [span.name for span in told] == [
        *("GET /v1/profiles/{profile_id}", "POST /v1/profiles:lookup") * 2,
        "GET /v1/profiles/{profile_id}/events",
        "GET unmatched",
        "_OTHER /v1/profiles:lookup",
    ]
    assert [span.attributes["http.response.status_code"] for span in told][:5] == [200] * 5
    for span in told:
        assert f"{span.context.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == PARENT
    everything = " ".join(span.to_json() for span in told)
    for personal in (ANNA, "anna", "ANNA", "example.org", town.keys["steward"], "127.0.0.1"):
        assert personal not in everything


async def test_a_failure_is_told_by_its_status_alone(provider: TracerProvider, spans: InMemorySpanExporter) -> None:
    async def fails(*_: Any) -> None:
        raise RuntimeError("anna.k@example.org")

    with pytest.raises(RuntimeError):
        await ask(Traced(fails, provider), "GET", "/v1/profiles:lookup")
    (span,) = spans.get_finished_spans()
    assert (span.status.is_ok, span.attributes["http.response.status_code"]) == (False, 500)
    assert not span.events
    assert "anna" not in span.to_json()


async def test_the_trace_is_passed_on_to_whoever_is_asked_meanwhile(provider: TracerProvider) -> None:
    heard: list[str] = []

    async def asks(_scope: Any, _receive: Any, send: Any) -> None:
        heard.append(passed_on()["traceparent"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await ask(Traced(asks, provider), "GET", "/", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    version, trace, span, sampled = heard[0].split("-")
    assert (version, trace, sampled) == ("00", TRACE, "01")
    assert span != PARENT


def test_nothing_of_it_is_loaded_where_nobody_asks_for_traces() -> None:
    code = "import sys, api.http.main; print([m for m in sys.modules if m.startswith('opentelemetry.sdk')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert json.loads(said.stdout) == []


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:4318", "http://user:word@collector.example/v1/traces", "ftp://a.example"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(tmp_path: Path, endpoint: str) -> None:
    page = (TEMPLATES / "kindred.yaml").read_text().replace("NAME", "shop")
    (tmp_path / "kindred.yaml").write_text(
        page.replace("serving: {", f"serving: {{tracing: {{endpoint: '{endpoint}'}}, ")
    )
    with pytest.raises(ConfigurationError) as refused:
        Workspace.open(tmp_path)
    assert "the address" in str(refused.value) or "an address" in str(refused.value)
    assert "word" not in str(refused.value)
