"""The OpenAPI document is good enough to generate a client from, and needs no workspace."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from typer.testing import CliRunner

from api.cli.main import app as command_line
from api.http.app import declared_app
from api.http.openapi import NAMES

_VERB = re.compile(
    r"(add|approve|batch|cancel|confirm|count|create|decide|delete|explain|export|extend|get|list|lookup|prove|read|record"
    r"|refuse|request|rotate|send|set|sign|signal|stream|take|train|update|verify|watch)([A-Z][A-Za-z0-9]*)?"
)
# What is free by its nature: events and settings as an SDK has them, documents that are checked offline.
_FREE = ("SealedOut", "EventOut/properties/details")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return declared_app().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_has_a_name_of_its_own_that_begins_with_a_verb(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert [name for name in names if not _VERB.fullmatch(name)] == []


def test_names_that_were_shipped_stay(document: dict[str, Any]) -> None:
    named = {(method, path): operation["operationId"] for method, path, operation in operations(document)}
    assert NAMES.items() <= named.items()
    assert named["POST", "/v1/profiles:lookup"] == "lookupProfile"


def test_every_door_names_its_key_and_its_scope(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["HTTPBearer"]["scheme"] == "bearer"
    open_ = {path for _, path, operation in operations(document) if not operation.get("security")}
    assert open_ == {"/healthz", "/readyz", "/.well-known/gpc.json"}
    for _, path, operation in operations(document):
        for needed in operation.get("security", ()):
            assert needed.get("HTTPBearer", ["-"]) != [], f"{path} names no scope"


def test_every_problem_is_one_schema_and_says_when_to_come_back(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        if "WriteKey" in str(operation.get("security")):
            continue
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            assert answer == {"$ref": f"#/components/responses/Problem{status}"}, f"{path} {status}"
    for name, answer in document["components"]["responses"].items():
        schema = answer["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}, name
        assert ("Retry-After" in answer.get("headers", {})) == (name in {"Problem429", "Problem503"}), name


def test_nothing_is_a_free_form_object_where_there_is_a_model(document: dict[str, Any]) -> None:
    answers = {
        f"{method} {path}": operation["responses"]
        for method, path, operation in operations(document)
        if "WriteKey" not in str(operation.get("security"))
    }
    found = [place for place in free(document["components"]["schemas"], "") if not place.strip("/").startswith(_FREE)]
    assert found + list(free(answers, "")) == []


def free(tree: Any, place: str) -> Iterator[str]:
    if isinstance(tree, list):
        for number, one in enumerate(tree):
            yield from free(one, f"{place}/{number}")
    elif isinstance(tree, dict):
        shapes = ("properties", "additionalProperties", "patternProperties", "$ref")
        if tree.get("type") == "object" and (
            not any(key in tree for key in shapes) or (tree.get("additionalProperties") is True and len(tree) < 5)
        ):
            yield place
        for name, below in tree.items():
            if name not in {"example", "examples"}:
                yield from free(below, f"{place}/{name}")


def test_the_command_prints_it_without_a_workspace(document: dict[str, Any]) -> None:
    printed = CliRunner().invoke(command_line, ["openapi"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == document
