"""The applications that the benchmarks serve: the product's own, and the least that the same server can do."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

Scope, Receive, Send = dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]

_LENGTH = [(b"content-type", b"application/json"), (b"content-length", b"11")]


async def _hello(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _LENGTH})
    await send({"type": "http.response.body", "body": b'{"ok":true}'})


def hello() -> Any:
    """Answers a constant."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _hello(send)

    return app


def same_bytes() -> Any:
    """Answers a constant of a profile's size under a profile's headers: what sending it costs, without finding it."""
    from api.http.reading import answer_headers, etag, timing

    body = b"x" * 2_000
    headers = [*answer_headers(body, etag(body)), timing(0.0001)]

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return app


def reader() -> Any:
    """Reads the whole body, then answers a constant."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            await _hello(send)

    return app


def collector() -> Any:
    """The product with everything on (keys, rules, verdicts, a durable log) and a rate that no key reaches."""
    from api.http.app import create_app
    from api.http.credentials import KeyRing
    from api.http.main import open_world
    from infra.workspace import Workspace

    return create_app(
        open_world(Workspace.open(Path.cwd()), lambda database, **_: KeyRing(database, rate=1e9, burst=1e9))
    )


def kindred() -> Any:
    """The product with everything on (keys, denials, audit, ETag, metrics) and a rate that no key reaches."""
    from api.http.app import create_app
    from api.http.credentials import KeyRing
    from api.http.main import open_world
    from infra.workspace import Workspace

    world = open_world(Workspace.open(Path.cwd()))
    return create_app(replace(world, ring=KeyRing(world.database, rate=1e9, burst=1e9)))
