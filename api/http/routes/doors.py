"""What every route takes as an argument: the server's world, and a caller that may do this."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.http.credentials import Holder, admit, carried
from api.http.keys import Credential
from api.http.middleware import PURPOSE
from api.http.problems import MEDIA_TYPE, TITLE
from api.http.world import World
from infra.ids import Purpose

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


def holding(scope: str) -> Callable[..., Awaitable[Holder]]:
    """Return the dependency that lets in as `needs` does, and hands on the caller with the bucket they draw from."""

    async def door(holder: Annotated[Holder, Security(_caller, scopes=[scope])]) -> Holder:
        admit(holder, scope)
        return holder

    return door


def purposed(request: Request, caller: Credential, purpose: str) -> Purpose:
    """Return the purpose if the caller's key carries it, and have the answer counted under it."""
    allowed = carried(caller, purpose)
    request.scope[PURPOSE] = allowed
    return allowed


def problems(*statuses: int, body: bool = True, asked: bool = True) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the problems that a route may answer with.

    400 is for bodies that are no text, and 422 for what is not as declared: not where there is nothing to declare.
    """
    unread = (*((400,) if body else ()), *((422,) if asked else ()))
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": TITLE[status], "content": content, **(_LATER if status in _WAITING else {})}
        for status in (*statuses, *unread, 401, 403, 408, 413, 429, 500, 503)
    }
