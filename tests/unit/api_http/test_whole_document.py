"""The whole OpenAPI document, with and without a key: no request that it can generate is a server's error."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
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
from serving_world import AT, world
from starlette.testclient import TestClient

from api.http.app import create_app
from api.http.keys import create_key
from api.http.main import open_world
from infra.clock import system_clock
from infra.workspace import Workspace

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
NIGHT = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
AT_NIGHT = 10_000


class Shop:
    """The product as it is served, with everything on, and a key for each door."""

    def __init__(self, root: Path) -> None:
        world(root, 50)
        (root / "sources" / "web.yaml").write_text("source: web\nconnector: {type: collector}\nrecord: event\n")
        self.world = open_world(Workspace.open(root))
        self.app: Any = create_app(self.world)
        made: dict[str, Any] = {"at": AT, "rate": 10**9, "people_per_day": 10**9}
        database = self.world.database
        admin = create_key(database, name="a", scopes={"admin"}, purposes=self.world.consents.purposes(), **made)
        writer = create_key(database, name="w", scopes={"events:write"}, purposes=(), source="web", **made)
        self.headers = [
            {},
            {"Authorization": "Bearer kd_0123456789_none"},
            {"Authorization": f"Bearer {admin}"},
            {"Authorization": f"Bearer {writer}"},
        ]

        # A ledger that never heard a word has no head, and says so with 503.
        said = {"type": "email", "value": "person.number1@example.org"}
        body = {"identifier": said, "purpose": "service", "action": "withdrawn", "mechanism": "centre"}
        assert TestClient(self.app).post("/v1/consent", json=body, headers=self.headers[2]).status_code == 201

    def seal(self) -> None:
        """Seal what was said, as a running server does every other second."""
        self.world.sealing.look(system_clock)

    def close(self) -> None:
        asyncio.run(self.world.collector.close())
        self.world.database.dispose()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "shop")
    yield made
    made.close()


def asked(shop: Shop, headers: dict[str, str], examples: int, *, seeded: bool) -> int:
    """Ask every operation so often, and return how many operations there are."""
    schema, count = schemathesis.openapi.from_asgi("/openapi.json", shop.app), 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=examples, derandomize=seeded, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def every(case: Any) -> None:
            shop.seal()
            case.call_and_validate(headers=headers, checks=CHECKS)

        every()
        count += 1
    return count


def test_a_sample_of_every_operation_gets_declared_answers(shop: Shop) -> None:
    for headers in shop.headers:
        assert asked(shop, headers, 1, seeded=True) >= 65


@pytest.mark.nightly
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("door", range(4))
def test_ten_thousand_requests_get_declared_answers(shop: Shop, door: int) -> None:
    assert asked(shop, shop.headers[door], AT_NIGHT // 4 // 65 + 1, seeded=False) >= 65
