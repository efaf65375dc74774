"""Profile reads in the fewest steps: ready bytes from the serving store, in front of the framework.

It answers only what it is certain of (a key seen before, a plain request, a profile that no denial touches) and
hands everything else on untouched. `routes/profiles.py` is the same rule said slowly; a differential test
holds bodies, statuses and headers of both equal.
"""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

import orjson

from api.http.asgi import AsgiApp, Receive, Scope, Send
from api.http.batch import MOST, Person, batch_headers, looked_up
from api.http.credentials import Holder
from api.http.errors import CutShort, TooLarge, TooSlow
from api.http.metrics import Tally
from api.http.middleware import replay, whole
from api.http.patience import Patience
from api.http.problems import foreseen, status_of
from api.http.reading import Bytes, answer_headers, matches, timing, unchanged_headers
from api.http.world import BATCH, World
from infra.identifiers import normalise, token
from infra.ids import ProfileId, Purpose

BY_ID = "/v1/profiles/{profile_id}"
LOOKUP = "/v1/profiles:lookup"
PREFIX = "/v1/profiles/"
_MAX_ID = 64
_MAX_VALUE = 320


class Reply(NamedTuple):
    """An answer that whoever speaks with the server puts into its headers."""

    status: int
    tag: bytes | None
    body: bytes
    seconds: float


class FastReads:
    """Profile reads of one world, whatever protocol the server speaks; None where the slow path must answer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopwatch: Callable[[], float] = world.metrics.stopwatch
        form = re.compile(r"[a-z][a-z0-9_]{0,31}")  # what models.py demands of a type's name
        self._remembered = world.ring.remembered
        self._by_id_tally, self._lookup_tally = world.metrics.of(BY_ID), world.metrics.of(LOOKUP)
        self._batch_tally = world.metrics.of(BATCH)
        self._types = {name: kind for name, kind in world.tongue.types.items() if form.fullmatch(name)}

    def by_id(self, name: str, query: str, authorization: bytes | None, condition: bytes | None) -> Reply | None:
        """Return the answer to `GET /v1/profiles/{name}?{query}`."""
        started = self._stopwatch()
        holder = self._remembered(authorization)
        purpose = None if holder is None else holder.queries.get(query)
        if holder is None or purpose is None or len(name) > _MAX_ID:
            return None
        try:
            tagged = self._world.profiles.tagged(ProfileId(name), purpose)
            if tagged is None:
                return None
            found = (ProfileId(name), *tagged)
            return self._reply(holder, found, purpose, condition, self._by_id_tally, started)
        except Exception:  # noqa: BLE001 - whatever it is, the slow path meets it too, and reports it inside the shell
            return None

    def posted(
        self, path: str, body: bytes, kind: bytes | None, authorization: bytes | None, condition: bytes | None
    ) -> Reply | None:
        """Return the answer to a look-up of one or of many, both with a body."""
        if kind != b"application/json":
            return None
        try:
            if path == LOOKUP:
                return self._lookup(body, authorization, condition)
            return self._batch(body, authorization)
        except Exception:  # noqa: BLE001 - as above
            return None

    def _lookup(self, body: bytes, authorization: bytes | None, condition: bytes | None) -> Reply | None:
        started = self._stopwatch()
        asked, holder = _asked(body), self._remembered(authorization)
        if asked is None or holder is None or asked[2] not in holder.reads:
            return None
        type_name, raw, purpose = asked
        declared = self._types.get(type_name)
        tongue = self._world.tongue
        value = None if declared is None else normalise(declared.normaliser, raw, tongue.region)
        if value is None:
            return None
        found = self._world.profiles.read(token(tongue.key, type_name, value), Purpose(purpose))
        if found is None:
            return None
        return self._reply(holder, found, Purpose(purpose), condition, self._lookup_tally, started)

    def _batch(self, body: bytes, authorization: bytes | None) -> Reply | None:
        started = self._stopwatch()
        asked, holder = _many(body, self._types), self._remembered(authorization)
        if asked is None or holder is None or asked[1] not in holder.reads:
            return None
        people, purpose = asked[0], Purpose(asked[1])
        # Whoever may be refused is looked up once, by the slow path: each look is in the audit.
        if not self._world.people.room(holder.credential, len(people)) or holder.bucket.wait(len(people)):
            return None
        content = looked_up(self._world, holder, people, purpose)
        seconds = self._stopwatch() - started
        self._batch_tally.add(200, seconds, purpose)
        return Reply(200, None, content, seconds)

    def _reply(
        self,
        holder: Holder,
        found: tuple[ProfileId, bytes, bytes],
        purpose: Purpose,
        condition: bytes | None,
        tally: Tally,
        started: float,
    ) -> Reply | None:
        world, (profile_id, tag, body) = self._world, found
        if not world.audit.room() or holder.bucket.wait():
            return None
        if not world.people.admits(holder.credential, profile_id):
            return None
        world.audit.note(holder.key_id, purpose, profile_id, "allowed")
        status = 200
        if condition is not None and matches(condition, tag):
            status, body = 304, b""
        seconds = self._stopwatch() - started
        tally.add(status, seconds, purpose)
        return Reply(status, tag, body, seconds)


class FastPath:
    """Fast reads in front of an application, on any server that speaks ASGI."""

    def __init__(self, app: AsgiApp, world: World) -> None:
        self._app, self._world, self._reads = app, world, FastReads(world)
        self._patience = Patience(world.body_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain profile read, or hand the request on."""
        reply: Reply | None = None
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith(PREFIX):
                if scope["method"] == "GET":
                    authorization, condition, _ = _told(scope)
                    query = scope["query_string"].decode("latin-1")
                    reply = self._reads.by_id(path[len(PREFIX) :], query, authorization, condition)
            elif (path in (LOOKUP, BATCH)) and scope["method"] == "POST":
                limit = self._world.limit_of(path)
                try:
                    body = await whole(receive, limit, self._patience)
                except TooLarge:
                    # Said by the shell, which meets the same limit at the first byte.
                    body = b"\0" * (limit + 1)
                except (CutShort, TooSlow) as error:
                    unread(self._world, path, error)
                    await foreseen(error)(scope, receive, send)
                    return
                authorization, condition, kind = _told(scope)
                reply = self._reads.posted(path, body, kind, authorization, condition)
                receive = replay(body, receive)
        if reply is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
        await send({"type": "http.response.body", "body": reply.body})


def unread(world: World, path: str, error: CutShort | TooSlow) -> None:
    """Count a body that did not come to its end; how long one took that was cut short says nothing of us."""
    world.metrics.of(path).add(status_of(error), world.body_seconds if isinstance(error, TooSlow) else 0.0)


def _told(scope: Scope) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Return the first of each header that counts: authorization, if-none-match, content-type."""
    authorization = condition = kind = None
    for header, value in scope["headers"]:
        if header == b"authorization":
            authorization = value if authorization is None else authorization
        elif header == b"if-none-match":
            condition = value if condition is None else condition
        elif header == b"content-type":
            kind = value if kind is None else kind
    return authorization, condition, kind


def _headers(reply: Reply) -> list[Bytes]:
    if reply.tag is None:
        headers = batch_headers(reply.body)
    elif reply.status == 304:
        headers = unchanged_headers(reply.tag)
    else:
        headers = answer_headers(reply.body, reply.tag)
    headers.append(timing(reply.seconds))
    return headers


def _asked(body: bytes) -> tuple[str, str, str] | None:
    """Return type, value and purpose of a lookup in its plainest form, or None."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(asked) is not dict or len(asked) != 2:
        return None
    identifier, purpose = asked.get("identifier"), asked.get("purpose")
    if type(identifier) is not dict or len(identifier) != 2 or type(purpose) is not str:
        return None
    kind, value = identifier.get("type"), identifier.get("value")
    if type(kind) is not str or type(value) is not str or not 1 <= len(value) <= _MAX_VALUE:
        return None
    return kind, value, purpose


def _many(body: bytes, types: Collection[str]) -> tuple[list[Person], str] | None:
    """Return people and purpose of a batch in its plainest form, or None."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(asked) is not dict or len(asked) != 2:
        return None
    listed, purpose = asked.get("people"), asked.get("purpose")
    if type(listed) is not list or not 1 <= len(listed) <= MOST or type(purpose) is not str:
        return None
    people = [_person(one, types) for one in listed]
    return None if None in people else ([one for one in people if one is not None], purpose)


def _person(one: object, types: Collection[str]) -> Person | None:
    if type(one) is not dict:
        return None
    if len(one) == 1:
        name = one.get("profile_id")
        return name if type(name) is str and 1 <= len(name) <= _MAX_ID else None
    kind, value = one.get("type"), one.get("value")
    if len(one) != 2 or type(value) is not str or not 1 <= len(value) <= _MAX_VALUE:
        return None
    return (kind, value) if type(kind) is str and kind in types else None
