"""Profiles by id and by identifier, what happened to them and what holds them together."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.http import examples
from api.http.batch import batch_headers, looked_up, paid
from api.http.credentials import Holder
from api.http.errors import AuditBehind, BackendMissing, ProfileHidden
from api.http.explain import evidence_of
from api.http.fastpath import BY_ID, LOOKUP
from api.http.keys import Credential
from api.http.models import (
    BatchIn,
    BatchOut,
    FieldPattern,
    HowOut,
    LinksOut,
    LookupIn,
    Moment,
    ProfileIn,
    ProfileOut,
    PurposeName,
)
from api.http.paging import page
from api.http.ports import Json
from api.http.reading import (
    Found,
    Split,
    answer_headers,
    etag,
    graph_of,
    matches,
    projected,
    read,
    readable_id,
    unchanged_headers,
)
from api.http.routes.doors import WorldDep, holding, needs, problems, purposed
from api.http.shapes import EventsOut, SuccessorsOut
from api.http.world import BATCH, World
from identity.explanation import explain
from infra.ids import ProfileId, Purpose, RecordKey
from profiles.render import moment as written

router = APIRouter(tags=["profiles"])
BatchAsked = Annotated[BatchIn, Body(openapi_examples=examples.BATCH)]
BatchReader = Annotated[Holder, Depends(holding("profile:read"))]
LookupAsked = Annotated[LookupIn, Body(openapi_examples=examples.LOOKUP)]
Reader = Annotated[Credential, Depends(needs("profile:read"))]
Explainer = Annotated[Credential, Depends(needs("profile:explain"))]
PurposeQuery = Annotated[PurposeName, Query(description="what the profile is read for")]
Fields = Annotated[list[FieldPattern] | None, Query(description="only these fields, e.g. `traits.*`", max_length=50)]
AsOf = Annotated[
    Moment | None, Query(description="as it was seen at this moment (RFC 3339), as far as the purpose may use it now")
]
_READ: dict[int | str, dict[str, Any]] = {
    200: {"model": ProfileOut, "description": "The profile as this purpose may see it"},
    300: {"model": SuccessorsOut, "description": "The id was split; these people answer for it"},
    304: {"description": "Unchanged since the ETag that was sent"},
}


@router.post(LOOKUP, responses={**_READ, **problems(404)}, summary="Look a person up by any identifier")
async def lookup(
    request: Request,
    asked: LookupAsked,
    world: WorldDep,
    caller: Reader,
) -> Response:
    """Find a profile by any identifier; identifiers travel in bodies so that they stay out of access logs."""
    world, purpose = world.moment(), purposed(request, caller, asked.purpose)
    known = world.tongue.known(asked.identifier.type, asked.identifier.value)
    profile_id = world.profiles.find(known.token, purpose)
    wanted = profile_id or ProfileId("")
    return _answer(request, wanted, seen(world, caller, wanted, purpose), purpose, asked.fields)


@router.post(
    BATCH,
    responses={200: {"model": BatchOut, "description": "One result a person, in the order asked"}, **problems()},
    summary="Look up to 1,000 people up at once",
)
async def batch(request: Request, asked: BatchAsked, world: WorldDep, holder: BatchReader) -> Response:
    """Find people by identifiers or ids, each as a read of its own would; it costs a request a person."""
    purpose = purposed(request, holder.credential, asked.purpose)
    paid(holder, len(asked.people))
    people = [one.profile_id if isinstance(one, ProfileIn) else (one.type, one.value) for one in asked.people]
    body = looked_up(world, holder, people, purpose, asked.fields)
    response = Response(body)
    response.raw_headers = batch_headers(body)
    return response


@router.get(BY_ID, responses={**_READ, **problems(404, 410, body=False)}, summary="Read a profile by its id")
async def by_id(
    request: Request,
    profile_id: str,
    purpose: PurposeQuery,
    world: WorldDep,
    caller: Reader,
    fields: Fields = None,
    as_of: AsOf = None,
) -> Response:
    """Read a profile by its id; an id given up in a merge answers with the survivor and Content-Location.

    With `as_of`, as the purpose saw it at that moment, whom it may see now: 410 where that rests on what it may not use
    any more, 404 where it saw nobody.
    """
    allowed = purposed(request, caller, purpose)
    wanted = ProfileId(profile_id)
    if as_of is None:
        return _answer(request, wanted, seen(world, caller, wanted, allowed), allowed, fields)
    found = await run_in_threadpool(seen_at, world, caller, wanted, allowed, as_of)
    return _answer(request, wanted, found, allowed, fields, as_of)


@router.get(
    BY_ID + "/events",
    responses={200: {"model": EventsOut}, 300: _READ[300], 304: _READ[304], **problems(404, body=False)},
    summary="What a person did",
)
async def events(
    request: Request,
    profile_id: str,
    purpose: PurposeQuery,
    world: WorldDep,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=64, description="`next` of the page before")] = None,
) -> Response:
    """List the events of a profile, the newest first."""
    world, allowed = world.moment(), purposed(request, caller, purpose)
    found = seen(world, caller, ProfileId(profile_id), allowed)
    if isinstance(found, Split):
        return _split(profile_id, found)
    items = world.profiles.timeline(found.profile_id, allowed)
    if items is None:
        raise ProfileHidden
    shown = page(items, limit, cursor)
    content = {"profile_id": found.profile_id, "events": shown.items, "next": shown.following}
    headers = _location(found, allowed, "/events")
    if shown.following is not None:
        query = urlencode({"purpose": allowed, "limit": limit, "cursor": shown.following})
        headers["link"] = f'</v1/profiles/{found.profile_id}/events?{query}>; rel="next"'
    return _json(request, content, headers)


@router.get(
    BY_ID + "/links",
    responses={200: {"model": LinksOut}, 300: _READ[300], 304: _READ[304], **problems(404, body=False)},
    summary="What holds a profile together",
)
async def links(
    request: Request, profile_id: str, purpose: PurposeQuery, world: WorldDep, caller: Explainer
) -> Response:
    """List the records of a profile and the edges between them, suppressed ones too, with their reasons."""
    world, allowed = world.moment(), purposed(request, caller, purpose)
    found = seen(world, caller, ProfileId(profile_id), allowed)
    if isinstance(found, Split):
        return _split(profile_id, found)
    graph = graph_of(world.profiles, found.profile_id, allowed)
    if graph is None:
        raise ProfileHidden
    records = [{**r, "identifiers": [_tokenless(i) for i in r["identifiers"]]} for r in graph["records"]]
    content = {**graph, "profile_id": found.profile_id, "records": records}
    return _json(request, content, _location(found, allowed, "/links"))


@router.get(
    BY_ID + "/how",
    responses={200: {"model": HowOut}, 300: _READ[300], 304: _READ[304], **problems(404, body=False)},
    summary="How a profile came about",
)
async def how(request: Request, profile_id: str, purpose: PurposeQuery, world: WorldDep, caller: Explainer) -> Response:
    """List the ties that suffice to hold a profile together, the strongest first, and what was not followed."""
    world, allowed = world.moment(), purposed(request, caller, purpose)
    found = seen(world, caller, ProfileId(profile_id), allowed)
    if isinstance(found, Split):
        return _split(profile_id, found)
    graph = graph_of(world.profiles, found.profile_id, allowed)
    if graph is None:
        raise ProfileHidden
    members = [RecordKey(record["record_key"]) for record in graph["records"]]
    told = explain.how(members, [evidence_of(edge) for edge in graph["edges"]])
    answer = {
        "profile_id": found.profile_id, "records": members, "merges": [asdict(merge) for merge in told.merges],
        "refused": list(told.refused),
    }  # fmt: skip
    return _json(request, answer, _location(found, allowed, "/how"))


def seen_at(
    world: World, caller: Credential, profile_id: ProfileId, purpose: Purpose, moment: datetime
) -> Found | Split:
    """Return what was seen at a moment of whom may be seen now, with the read in the audit whatever came of it.

    Raise `ProfileHidden` where nobody was, and `PastWithheld` where it may not be shown now.
    """
    past = world.past
    if past is None:
        raise BackendMissing("a record of the past")
    past.check(moment)
    now = _met(world, caller, profile_id, purpose)
    if isinstance(now, Split):
        return now
    decision = "hidden"
    try:
        world.people.admit(caller, [now.profile_id])
        then = past.then((profile_id, now.profile_id), purpose, moment)
        # What may be used is asked last: no word that came meanwhile is passed over.
        usable = world.profiles.usable(now.profile_id, purpose)
        if then is None or usable is None:
            raise ProfileHidden
        body = then.shown(usable, moment, lambda one: world.profiles.remasked(one, purpose))
        decision = "allowed"
    finally:
        world.audit.note(caller.key_id, purpose, now.profile_id, decision)
    return Found(then.profile_id, etag(body), body, moved=then.profile_id != profile_id)


def seen(world: World, caller: Credential, profile_id: ProfileId, purpose: Purpose) -> Found | Split:
    """Return what may be seen, with the read in the audit whatever came of it; raise `ProfileHidden`."""
    found = _met(world, caller, profile_id, purpose)
    if isinstance(found, Found):
        world.admitted(caller, [found.profile_id], purpose, "allowed")
    return found


def _met(world: World, caller: Credential, profile_id: ProfileId, purpose: Purpose) -> Found | Split:
    if not world.audit.room():
        raise AuditBehind
    found = read(world.profiles, profile_id, purpose) if readable_id(profile_id) else None
    if found is None:
        asked = profile_id if readable_id(profile_id) else ""
        world.audit.note(caller.key_id, purpose, asked, "hidden")
        raise ProfileHidden
    return found


def _answer(
    request: Request,
    wanted: ProfileId,
    found: Found | Split,
    purpose: Purpose,
    fields: list[str] | None,
    as_of: datetime | None = None,
) -> Response:
    if isinstance(found, Split):
        return _split(wanted, found)
    body = projected(found.body, fields)
    tag = etag(body) if fields else found.tag
    condition = request.headers.get("if-none-match")
    unchanged = matches(None if condition is None else condition.encode("latin-1"), tag)
    response = Response(b"" if unchanged else body, 304 if unchanged else 200)
    response.raw_headers = unchanged_headers(tag) if unchanged else answer_headers(body, tag)
    for name, value in _location(found, purpose, as_of=as_of).items():
        response.headers[name] = value
    return response


def _tokenless(identifier: Json) -> dict[str, Any]:
    # A token stands for the person in every table of ours; it is nobody else's business.
    return {name: value for name, value in identifier.items() if name != "token"}


def _location(found: Found, purpose: Purpose, below: str = "", *, as_of: datetime | None = None) -> dict[str, str]:
    if not found.moved:
        return {}
    query = {"purpose": purpose, **({} if as_of is None else {"as_of": written(as_of)})}
    return {"content-location": f"/v1/profiles/{found.profile_id}{below}?{urlencode(query)}"}


def _split(profile_id: str, split: Split) -> Response:
    body = orjson.dumps({"profile_id": profile_id, "successors": split.successors})
    response = Response(body, 300)
    response.raw_headers = answer_headers(body, etag(body))
    return response


def _json(request: Request, content: object, headers: dict[str, str]) -> Response:
    body = orjson.dumps(content)
    tag = etag(body)
    condition = request.headers.get("if-none-match")
    unchanged = matches(None if condition is None else condition.encode("latin-1"), tag)
    response = Response(b"" if unchanged else body, 304 if unchanged else 200)
    response.raw_headers = unchanged_headers(tag) if unchanged else answer_headers(body, tag)
    for name, value in headers.items():
        response.headers[name] = value
    return response
