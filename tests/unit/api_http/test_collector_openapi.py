"""The document tells the truth about the collector: generated requests get declared answers, whatever they hold."""

from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.http.collector.paths import PATHS, SETTINGS

_CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
_ALL = {path.template: path for path in (*PATHS.values(), *SETTINGS)}


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The document, which costs half a second to write: the first application's, and it is the same of all."""
    return {}


@pytest.fixture
def schema(gate: Any, written: dict[str, Any]) -> Any:
    if not written:
        written.update(schemathesis.openapi.from_asgi("/openapi.json", gate.app).raw_schema)
    made = schemathesis.openapi.from_dict(deepcopy(written))
    made.app = gate.app
    return made


def test_every_address_is_declared_with_an_example_and_the_key(schema: Any) -> None:
    for template, path in _ALL.items():
        operation = schema.raw_schema["paths"][template][path.method.lower()]
        assert operation["security"] == [{"WriteKey": []}]
        always = {"200", "401", "405", "500", "503"}
        events = {"settings": set()}.get(path.form, {"400", "429"})
        bodies = {"408", "413", "415"} if path.method == "POST" else set()
        assert set(operation["responses"]) == always | events | bodies
        if path.method == "POST":
            assert operation["requestBody"]["content"]["application/json"]["examples"]
    assert schema.raw_schema["components"]["securitySchemes"]["WriteKey"]["scheme"] == "basic"


@pytest.mark.parametrize("template", sorted(_ALL))
@pytest.mark.parametrize("key", ["with a key", "without"])
def test_generated_requests_get_declared_answers(gate: Any, schema: Any, template: str, key: str) -> None:
    operation = schema[template][_ALL[template].method]
    headers = gate.basic() if key == "with a key" else {"Authorization": "Bearer of-somebody"}

    @settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=_CHECKS)

    ask()
