"""What every route takes as an argument: the server's world, and a caller that may do this."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.http.credentials import Holder, admit
from api.http.keys import Credential
from api.http.problems import MEDIA_TYPE, TITLE
from api.http.world import World

_BEARER = HTTPBearer(auto_error=False, description="An API key: `kd_…`, made by `kindred keys create`.")
_WAITING = (429, 503)
_LATER = {
    "headers": {"Retry-After": {"description": "seconds to wait before the next try", "schema": {"type": "integer"}}}
}


def world_of(request: Request) -> World:
    """Return what this server is made of."""
    world: World = request.app.state.world
    return world


WorldDep = Annotated[World, Depends(world_of)]
_Shown = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def _caller(request: Request, world: WorldDep, _shown: _Shown) -> Holder:
    header = request.headers.get("authorization")
    return world.ring.holder(None if header is None else header.encode("latin-1"))


def needs(scope: str) -> Callable[..., Awaitable[Credential]]:
    """Return the dependency that lets in only keys with a scope, no faster than they may."""

    async def door(holder: Annotated[Holder, Security(_caller, scopes=[scope])]) -> Credential:
        return admit(holder, scope)

    return door


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the problems that a route may answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": TITLE[status], "content": content, **(_LATER if status in _WAITING else {})}
        for status in (*statuses, 400, 401, 403, 413, 422, 429, 500, 503)
    }
