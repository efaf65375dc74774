"""The application: FastAPI with every route, in its shell, behind the fast path."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from api.http.asgi import AsgiApp
from api.http.audit_seal import Closing
from api.http.centre.pages import centre_router
from api.http.collector.app import Front
from api.http.console.pages import console_router
from api.http.fastpath import FastPath
from api.http.middleware import Shell
from api.http.models import declared_names
from api.http.openapi import finished, operation_id
from api.http.problems import on_any_error, on_database_error, on_http_error, on_invalid, on_kindred_error
from api.http.routes import (
    changes,
    collector,
    consent,
    decide,
    features,
    health,
    identity,
    ledger,
    opendsr,
    preferences,
    privacy,
    profiles,
    regulations,
    review,
    segment,
    signals,
    sources,
    verdicts,
)
from api.http.world import World
from infra.errors import KindredError

_KEYS_LOOKED_AT_EVERY = 1.0
# The framework makes ready what stands before a route that is asked for: whether the server is well is asked first.
_PARTS = (
    *(health, profiles, changes, features, identity, review, consent, ledger, signals, preferences, privacy, opendsr),
    *(regulations, decide, collector, verdicts, sources),
)


def create_app(world: World) -> AsgiApp:
    """Return the server's whole application."""
    app = FastPath(create_slow_app(world), world)
    return app if world.collector is None else Front(app, world.collector)


def create_slow_app(world: World) -> AsgiApp:
    """Return the application without its fast path: the reference that the fast one is held against."""
    return Shell(create_framework_app(world), world)


def create_framework_app(world: World) -> FastAPI:
    """Return the bare FastAPI application, which owns the OpenAPI document."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Before the first read: what keys have read today is not forgotten by a restart.
        await asyncio.to_thread(world.people.refresh)
        async with AsyncExitStack() as stack:
            for work in _works(world):
                stack.push_async_callback(_ended, asyncio.create_task(work))
            if world.collector is not None:
                stack.push_async_callback(world.collector.close)
            yield

    app = declared_app(lifespan)
    app.state.world = world
    app.add_exception_handler(KindredError, on_kindred_error)
    app.add_exception_handler(OperationalError, on_database_error)
    app.add_exception_handler(PoolTimeout, on_database_error)
    app.add_exception_handler(Exception, on_any_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid(declared_names()))
    if world.segment is not None:
        app.include_router(segment.router)
    app.include_router(console_router(world))
    app.include_router(centre_router(world))
    return app


class Declared(FastAPI):
    """The framework's application, whose document is finished as a generated client needs it."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = finished(super().openapi())
        return self.openapi_schema


def declared_app(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Return every declared route with no world behind it: enough for the OpenAPI document."""
    app = Declared(
        title="Kindred",
        version="0.1.0",
        summary="Golden profiles that can be explained, undone and proved lawful.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    for part in _PARTS:
        app.include_router(part.router)
    return app


def _works(world: World) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what the server does beside answering."""
    yield world.audit.run()
    yield _look_at_keys(world)
    if world.expiry is not None:
        yield world.expiry.run(world.clock)
    if world.sealing is not None:
        yield world.sealing.run(world.clock)
        yield Closing(world.database).run(world.clock)
    if world.privacy is not None:
        yield world.privacy.run(world.clock)
    if world.changes is not None:
        yield world.changes.run()
    if world.collector is not None:
        yield world.collector.watch()


async def _look_at_keys(world: World) -> None:
    while True:
        await asyncio.to_thread(world.ring.refresh)
        await asyncio.to_thread(world.people.refresh)
        await asyncio.sleep(_KEYS_LOOKED_AT_EVERY)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
