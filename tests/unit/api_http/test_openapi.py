"""The OpenAPI document tells the truth: generated requests get declared answers, whatever they hold."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from kept_past import kept
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

_SECRET = "jane.secret@example.org"
_CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
_BODIES = {
    "/v1/profiles:lookup",
    "/v1/profiles:batchLookup",
    "/v1/features",
    "/v1/identity:why",
    "/v1/identity:whyNot",
    "/v1/review/{task_id}:decide",
    "/v1/consent",
    "/v1/consent:show",
    "/v1/consent:decide",
    "/v1/consent:signal",
    "/v1/consent:request",
    "/v1/consent:confirm",
    "/v1/consent:receipts",
    "/v1/decide",
}
_READS = {
    "/v1/profiles/{profile_id}",
    "/v1/profiles/{profile_id}/events",
    "/v1/profiles/{profile_id}/how",
    "/v1/profiles/{profile_id}/links",
    "/v1/consent/{entry}/receipt",
    "/v1/review",
    "/v1/review/{task_id}",
}


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The document, which costs half a second to write: the first application's, and it is the same of all."""
    return {}


@pytest.fixture
def town(town: Any) -> Any:
    """The town with a record of the past, in which nobody stands: what a moment may be is asked nevertheless."""
    world = town.world
    return replace(town, world=replace(world, past=kept(world.database, world.clock, world.clock(), ())))


@pytest.fixture
def schema(town: Any, written: dict[str, Any]) -> Any:
    if not written:
        written.update(schemathesis.openapi.from_asgi("/openapi.json", town.app).raw_schema)
    made = schemathesis.openapi.from_dict(deepcopy(written))
    made.app = town.app
    return made


def test_every_route_of_the_release_is_declared(schema: Any) -> None:
    assert set(schema.raw_schema["paths"]) >= _BODIES | _READS | {"/healthz", "/readyz", "/metrics"}


def test_every_body_has_an_example(schema: Any) -> None:
    for path in _BODIES:
        operation = schema.raw_schema["paths"][path]["post"]
        assert operation["requestBody"]["content"]["application/json"]["examples"], path


def test_what_is_not_json_is_declared_as_what_it_is(schema: Any) -> None:
    paths = schema.raw_schema["paths"]
    assert set(paths["/metrics"]["get"]["responses"]["200"]["content"]) == {"text/plain"}
    assert "404" in paths["/v1/decide"]["post"]["responses"]


@pytest.mark.parametrize("path", sorted(_BODIES | _READS))
def test_generated_requests_get_declared_answers(town: Any, schema: Any, path: str) -> None:
    operation = schema[path]["POST" if path in _BODIES else "GET"]
    headers = {"Authorization": f"Bearer {town.keys['admin']}"}

    @settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=_CHECKS)

    ask()


def test_no_generated_value_comes_back_in_a_problem(town: Any, schema: Any) -> None:
    operation = schema["/v1/profiles:lookup"]["POST"]
    headers = {"Authorization": f"Bearer {town.keys['admin']}"}

    @settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.body = {"identifier": {"type": "email", "value": _SECRET}, "purpose": "service", _SECRET: case.body}
        assert _SECRET not in case.call(headers=headers).text

    ask()
