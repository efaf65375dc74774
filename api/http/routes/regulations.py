"""Segment's regulations: make one, follow it, take it back while nothing has begun."""

import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool

from api.http.errors import BackendMissing
from api.http.keys import Credential
from api.http.routes.doors import WorldDep
from api.http.routes.privacy import Controller, office_of
from api.http.world import World
from consent.requests import judge, regulations
from consent.requests.errors import NotNow
from consent.requests.model import Request

router = APIRouter(tags=["segment"], include_in_schema=False)
_CONFIG, _PUBLIC = "/v1beta/workspaces/{workspace}/regulations", "/v1beta/regulations"
_MOST = 100


@router.post(_CONFIG)
async def create(http: HttpRequest, world: WorldDep, caller: Controller) -> dict[str, Any]:
    """Take a regulation down, as the Config API has it."""
    return {"regulate_id": await run_in_threadpool(_made, world, caller, await http.body())}


@router.post(_PUBLIC)
async def create_public(http: HttpRequest, world: WorldDep, caller: Controller) -> dict[str, Any]:
    """Take a regulation down, as the Public API has it."""
    return {"data": {"regulateId": await run_in_threadpool(_made, world, caller, await http.body())}}


@router.get(_CONFIG)
async def every(workspace: str, world: WorldDep, caller: Controller) -> dict[str, Any]:
    """List the regulations that this key made, the newest first."""
    office = office_of(world, caller)
    found = await run_in_threadpool(regulations.regulations, office.desk, f"key:{caller.key_id}", _MOST)
    return {"regulations": [_snake(regulations.document(_id(one), one, workspace)) for one in found]}


@router.get(_PUBLIC)
async def every_public(world: WorldDep, caller: Controller) -> dict[str, Any]:
    """List the regulations that this key made, the newest first."""
    office = office_of(world, caller)
    found = await run_in_threadpool(regulations.regulations, office.desk, f"key:{caller.key_id}", _MOST)
    return {"data": {"regulations": [regulations.document(_id(one), one, world.name) for one in found]}}


@router.get(_CONFIG + "/{regulate_id}")
async def show(workspace: str, regulate_id: str, world: WorldDep, caller: Controller) -> dict[str, Any]:
    """Tell where a regulation stands, as the Config API has it."""
    office = office_of(world, caller)
    found = await run_in_threadpool(regulations.of, office.desk, regulate_id, f"key:{caller.key_id}")
    return _snake(regulations.document(regulate_id, found, workspace))


@router.get(_PUBLIC + "/{regulate_id}")
async def show_public(regulate_id: str, world: WorldDep, caller: Controller) -> dict[str, Any]:
    """Tell where a regulation stands, as the Public API has it."""
    office = office_of(world, caller)
    found = await run_in_threadpool(regulations.of, office.desk, regulate_id, f"key:{caller.key_id}")
    return {"data": {"regulation": regulations.document(regulate_id, found, world.name)}}


@router.delete(_CONFIG + "/{regulate_id}")
@router.delete(_PUBLIC + "/{regulate_id}")
async def cancel(regulate_id: str, world: WorldDep, caller: Controller) -> dict[str, Any]:
    """Take a regulation back for those of its users for whom nothing has begun."""
    office, actor, now = office_of(world, caller), f"key:{caller.key_id}", world.clock()

    def act() -> str:
        for one in regulations.of(office.desk, regulate_id, actor):
            try:
                judge.cancel(office.desk, one.id, at=now, actor=actor)
            except NotNow:
                continue
        return regulations.overall(regulations.of(office.desk, regulate_id, actor))

    return {"data": {"status": await run_in_threadpool(act)}}


def _made(world: World, caller: Credential, raw: bytes) -> str:
    office = office_of(world, caller)
    kind, ids = regulations.read(raw)
    named = office.desk.config.user_id
    if named is None:
        raise BackendMissing("regulations; consent/requests.yaml does not say user_id, the type of Segment's userId")
    regulate_id, actor, now = secrets.token_hex(16), f"key:{caller.key_id}", world.clock()
    people = [office.known(named, one) for one in ids]
    place = office.desk.place
    for wish in regulations.wishes(regulate_id, kind, people, actor=actor, at=now, place=place):
        office.take(wish, now)
    return regulate_id


def _id(requests: Sequence[Request]) -> str:
    return str(requests[0].external_id).rpartition("-")[0]


def _snake(told: dict[str, Any]) -> dict[str, Any]:
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in told.items()}
