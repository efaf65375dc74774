"""What became of it: asked over HTTP by those who answer for the sources, and by nobody else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.http.app import create_app
from api.http.verdicts import NothingCame

pytestmark = pytest.mark.anyio
TOLD = {
    "source": "web",
    "verdict": "accepted",
    "where": "log",
    "received_at": "2026-11-22T09:30:00Z",
    "table": None,
    "because": None,
    "first": None,
    "run": None,
    "profile_id": None,
}


class Told:
    def of(self, key: str) -> list[dict[str, Any]]:
        if key != "m-1":
            raise NothingCame
        return [dict(TOLD)]


@pytest.fixture
def post(town: Any) -> Callable[..., Any]:
    async def ask(body: object, who: str = "admin", **parts: Any) -> httpx.Response:
        app = create_app(replace(town.world, **{"verdicts": Told(), **parts}))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/verdicts:lookup", json=body, headers=town.bearer(who))

    return ask


async def test_a_verdict_is_told(post: Callable[..., Any]) -> None:
    answer = await post({"key": "m-1"})
    assert (answer.status_code, answer.json()) == (200, {"verdicts": [TOLD]})


async def test_what_never_came_is_not_found(post: Callable[..., Any]) -> None:
    answer = await post({"key": "m-2"})
    assert answer.status_code == 404
    assert "name an event by its message id" in answer.json()["detail"]


async def test_others_may_not_ask(post: Callable[..., Any]) -> None:
    assert (await post({"key": "m-1"}, "reader")).status_code == 403
    assert (await post({"key": "", "more": 1})).status_code == 422
    assert (await post({"key": "m-1"}, verdicts=None)).status_code == 503
