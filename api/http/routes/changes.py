"""What changed: a page, a page waited for, or a stream; and the word of who has done what an erasure asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Body, Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.http import examples
from api.http.changing import Changes
from api.http.credentials import Holder
from api.http.errors import BackendMissing, ProfileHidden
from api.http.fastpath import BY_ID
from api.http.keys import Credential
from api.http.middleware import WAITED
from api.http.models import AcknowledgementIn, PurposeName
from api.http.reading import GUARD, Split
from api.http.routes.doors import WorldDep, holding, needs, problems, purposed
from api.http.routes.profiles import seen
from api.http.shapes import AcknowledgementOut, ChangesOut, HistoryOut
from api.http.world import World
from infra.errors import KindredError
from infra.ids import ProfileId, Purpose
from profiles.changefeed import followers
from profiles.changefeed.history import history as stretches_of
from profiles.changefeed.pages import Heard, Page
from profiles.changefeed.places import Place

router = APIRouter(tags=["changes"])
SCOPE: Final = "changes:read"
STREAM: Final = "text/event-stream"
MOST: Final = 1_000
# A stream says something at least this often, so that who is between knows that it lives.
_BEAT: Final = 15.0
_CHECKED: Final = 1.0
_RETRY: Final = b"retry: 2000\n\n"
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
Listener = Annotated[Holder, Depends(holding(SCOPE))]
_DESCRIBED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": ChangesOut,
        "description": "What this purpose hears; as a stream, each change is an event `change` with its `id`",
        "content": {STREAM: {"schema": {"type": "string"}}},
    }
}


@router.get("/v1/changes", responses={**_DESCRIBED, **problems(400, 410, body=False)}, summary="What changed?")
async def changes(
    request: Request,
    purpose: Annotated[PurposeName, Query(description="what the application uses people for")],
    world: WorldDep,
    holder: Listener,
    since: Annotated[
        str | None,
        Query(max_length=64, description="`next` of the page before, or a change's `id`; without it, everybody first"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 200,
    wait: Annotated[float, Query(ge=0, le=30, description="seconds to wait for a change where there is none")] = 0,
    last_event_id: Annotated[str | None, Header(max_length=64, description="of a stream that broke off")] = None,
) -> Response:
    """Tell what became of people, as far as the purpose may know: created, updated, merged, split, consent, erased.

    Where `version` is there, the profile is to be read; where it is null, what is kept of it is to go. For one person
    the changes come in their order. A change that was heard may be heard again, under the same `id`. With
    `Accept: text/event-stream` the answer goes on for ever.
    """
    desk, allowed = _desk(world), purposed(request, holder.credential, purpose)
    streamed = STREAM in request.headers.get("accept", "")
    cursor = (last_event_id or since) if streamed else since
    place = await run_in_threadpool(desk.feed.place, cursor)
    if streamed:
        return _streamed(request, world, holder, allowed, place)
    page = await run_in_threadpool(desk.feed.page, allowed, place, limit)
    if wait and not page.changes:
        begun = desk.stopwatch()
        while not page.changes and (left := begun + wait - desk.stopwatch()) > 0:
            if not await desk.more(page.following.sequence, left):
                break
            page = await run_in_threadpool(desk.feed.page, allowed, page.following, limit)
        request.scope[WAITED] = desk.stopwatch() - begun
    await _noted(world, holder, allowed, page)
    content = {
        "changes": [one.facts() for one in page.changes], "next": page.following.cursor(),
        "more": page.more, "anew": page.anew,
    }  # fmt: skip
    return Response(orjson.dumps(content), media_type="application/json", headers=_guarded())


@router.post(
    "/v1/changes/acknowledgements",
    responses=problems(410),
    summary="Say that erasures are done",
)
async def acknowledge(
    request: Request,
    asked: Annotated[AcknowledgementIn, Body(openapi_examples=examples.ACKNOWLEDGEMENT)],
    world: WorldDep,
    caller: Annotated[Credential, Depends(needs(SCOPE))],
) -> AcknowledgementOut:
    """Say that everything that was heard up to a change is done: whom it told erased is erased here too.

    The certificate of an erasure names who was told of it, and when they said so.
    """
    desk, allowed = _desk(world), purposed(request, caller, asked.purpose)
    place = await run_in_threadpool(desk.feed.place, asked.through)
    count = await run_in_threadpool(
        followers.acknowledge, world.database, recipient(caller), allowed, place, world.clock()
    )
    return AcknowledgementOut(erasures=count)


@router.get(
    BY_ID + "/history",
    response_model=HistoryOut,
    responses={**problems(404, body=False)},
    summary="What could be seen of a person, and when",
)
async def history(
    request: Request,
    profile_id: str,
    purpose: Annotated[PurposeName, Query(description="what the profile is read for")],
    world: WorldDep,
    caller: Annotated[Credential, Depends(needs("profile:read"))],
) -> dict[str, Any]:
    """List the versions of a profile that this purpose could see, the newest first, and when each held.

    Whoever may not be seen now has no history. It reaches back as far as the change feed, and tells versions, not what
    they showed.
    """
    desk, allowed = _desk(world), purposed(request, caller, purpose)
    found = seen(world, caller, ProfileId(profile_id), allowed)
    if isinstance(found, Split):
        raise ProfileHidden
    told = await run_in_threadpool(stretches_of, desk.feed.database, found.profile_id, allowed)
    return {"profile_id": found.profile_id, "history": [asdict(one) for one in told]}


def recipient(credential: Credential) -> str:
    """Return what an application is called in a certificate: its key's name and id."""
    return f"{credential.name} ({credential.key_id})"


def _desk(world: World) -> Changes:
    if world.changes is None:
        raise BackendMissing("a change feed")
    return world.changes


async def _noted(world: World, holder: Holder, purpose: Purpose, page: Page) -> None:
    name, now = recipient(holder.credential), world.clock()
    if page.changes:
        await run_in_threadpool(followers.note, world.database, name, purpose, page.following, page.changes, now)
    else:
        await run_in_threadpool(followers.listened, world.database, name, purpose, page.following, now)


def _streamed(request: Request, world: World, holder: Holder, purpose: Purpose, place: Place) -> Response:
    stack = ExitStack()
    stack.enter_context(_desk(world).stream(holder.key_id))
    return StreamingResponse(
        _events(request, world, holder, purpose, place, stack), media_type=STREAM, headers=_guarded()
    )


async def _events(
    request: Request, world: World, holder: Holder, purpose: Purpose, place: Place, stack: ExitStack
) -> AsyncIterator[bytes]:
    desk, header = _desk(world), request.headers["authorization"].encode("latin-1")
    begun = said = desk.stopwatch()
    with stack:
        yield _RETRY
        try:
            while not desk.closing:
                # A key that was taken back hears nothing more.
                holder = world.ring.holder(header)
                if purpose not in holder.credential.purposes or not holder.credential.may(SCOPE):
                    return
                page = await asyncio.to_thread(desk.feed.page, purpose, place, MOST)
                place = page.following
                await _noted(world, holder, purpose, page)
                if page.changes:
                    yield b"".join(map(_event, page.changes))
                    said = desk.stopwatch()
                elif desk.stopwatch() - said >= _BEAT:
                    yield b": still here\n\n"
                    said = desk.stopwatch()
                if not page.more:
                    await desk.more(place.sequence, _CHECKED)
                request.scope[WAITED] = desk.stopwatch() - begun
        except KindredError:
            return  # whoever comes again with the last id is told what is wrong


def _event(one: Heard) -> bytes:
    facts = one.facts()
    return b"event: change\nid: %s\ndata: %s\n\n" % (str(facts["id"]).encode(), orjson.dumps(facts))


def _guarded() -> dict[str, str]:
    return {**_HEADERS, GUARD[0].decode(): GUARD[1].decode()}
