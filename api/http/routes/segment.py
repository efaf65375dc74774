"""Segment's Profile API at Segment's addresses, for programs that speak it already; off unless the workspace says so.

Identifiers stand in these addresses, so nothing here writes an address down: neither log nor metrics nor errors.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.http import segment as theirs
from api.http.credentials import Holder, admit
from api.http.errors import CursorUnreadable, ProfileHidden, ScopeRefused, TooFast, Unauthenticated
from api.http.middleware import PURPOSE
from api.http.ports import Json
from api.http.reading import Split
from api.http.routes.doors import WorldDep
from api.http.routes.profiles import seen
from api.http.segment import Refused, not_found
from api.http.world import Segment, World
from infra.errors import Unavailable
from infra.ids import ProfileId, Purpose

router = APIRouter()
_BASIC = b"basic "
_WHATS = ("traits", "external_ids", "events", "metadata", "links")


@router.get("/v1/spaces/{space}/collections/{collection}/profiles/{rest:path}", include_in_schema=False)  # noqa: FAST003 - read raw, below
async def profile(request: Request, world: WorldDep, space: str, collection: str) -> Response:
    """Answer in their form, whatever comes of it."""
    number = secrets.token_hex(8)
    try:
        body = await _answer(request, world, space, collection)
    except Refused as refused:
        return _error(number, refused.status, refused.code, refused.message)
    except TooFast as error:
        told = _error(number, 429, "rate_limit_error", str(error))
        told.headers["retry-after"] = str(max(1, round(error.wait + 0.5)))
        return told
    except Unavailable as error:
        return _error(number, 503, "api_error", str(error))
    return Response(orjson.dumps(body), media_type="application/json", headers=_headers(number))


async def _answer(request: Request, world: World, space: str, collection: str) -> Json:
    setting = world.segment
    assert setting is not None  # noqa: S101 - the router is included only where it is set
    holder = await run_in_threadpool(_caller, world, request.headers.get("authorization"))
    purpose = _purpose(holder)
    request.scope[PURPOSE] = purpose
    if collection not in ("users", "accounts"):
        message = "The parameter `collection` is invalid; use users"
        raise Refused(400, "validation_error", message)
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    asked = theirs.address(raw.partition(b"?")[0].split(b"/profiles/", 1)[1])
    if space != setting.space or collection != "users" or asked.what not in _WHATS:
        raise not_found()
    world = world.moment()  # a publication between view and timeline would have them tell of two builds
    try:
        found = seen(world, holder.credential, _wanted(world, setting, asked, purpose), purpose)
    except ProfileHidden:
        raise not_found() from None
    if isinstance(found, Split):
        raise not_found()
    url = f"/v1/spaces/{setting.space}/collections/users/profiles/use_{found.profile_id}/{asked.what}"
    items = world.profiles.timeline(found.profile_id, purpose) if asked.what in ("events", "metadata") else []
    if items is None:
        raise not_found()
    try:
        return _told(asked.what, orjson.loads(found.body), items, request.query_params, url, setting)
    except CursorUnreadable:
        raise theirs.invalid("next", "send `cursor.next` of the page before") from None


def _told(what: str, view: Json, items: list[Json], query: Mapping[str, str], url: str, setting: Segment) -> Json:
    names = {ours: name for name, ours in setting.types.items()}

    def named(kind: str) -> str:
        return names.get(kind, kind)

    if what == "traits":
        return theirs.traits(view, query, url)
    if what == "external_ids":
        return theirs.external_ids(view, query, url, named)
    if what == "events":
        return theirs.events(view, items, query, url, named)
    return theirs.metadata(view, items) if what == "metadata" else theirs.links(query)


def _caller(world: World, header: str | None) -> Holder:
    raw = (header or "").encode("latin-1")
    try:
        holder = world.ring.holder(b"Bearer " + _user(raw))
        admit(holder, "profile:read")
    except (Unauthenticated, ScopeRefused, binascii.Error):
        message = "The access token is invalid; send it as the user name of Basic, with a blank password"
        raise Refused(401, "authentication_error", message) from None
    return holder


def _user(raw: bytes) -> bytes:
    if raw[: len(_BASIC)].lower() != _BASIC:
        raise Unauthenticated
    user, _, password = base64.b64decode(raw[len(_BASIC) :].strip(), validate=True).partition(b":")
    if password:
        raise Unauthenticated
    return user


def _purpose(holder: Holder) -> Purpose:
    purposes = tuple(holder.credential.purposes)
    if len(purposes) != 1:
        message = "The access token must carry exactly one purpose, for these addresses name none"
        raise Refused(401, "authentication_error", message)
    return purposes[0]


def _wanted(world: World, setting: Segment, asked: theirs.Address, purpose: Purpose) -> ProfileId:
    if asked.kind is None:
        return ProfileId(asked.value)
    token = world.tongue.sought(setting.types.get(asked.kind, asked.kind), asked.value)
    return (None if token is None else world.profiles.find(token, purpose)) or ProfileId("")


def _error(number: str, status: int, code: str, message: str) -> Response:
    body = orjson.dumps({"error": {"code": code, "message": message}})
    return Response(body, status, media_type="application/json", headers=_headers(number))


def _headers(number: str) -> dict[str, str]:
    return {"request-id": number, "cache-control": "no-store"}
