"""Profile reads in the fewest steps: ready bytes from the serving store, in front of the framework.

It answers only what it is certain of (a key seen before, a plain request, a profile that no denial touches) and
hands everything else on untouched. `routes/profiles.py` is the same rule said slowly; a differential test
holds bodies, statuses and headers of both equal.
"""

import re
from collections.abc import Callable, Collection
from typing import TypeVar

import orjson

from api.http.asgi import AsgiApp, Receive, Scope, Send
from api.http.batch import MOST, Person, batch_headers, looked_up
from api.http.credentials import Holder
from api.http.errors import TooLarge, TooSlow
from api.http.metrics import Tally
from api.http.middleware import replay, whole
from api.http.problems import foreseen
from api.http.reading import Bytes, answer_headers, matches, timing, unchanged_headers
from api.http.world import BATCH, World
from infra.identifiers import normalise, token
from infra.ids import ProfileId, Purpose

BY_ID = "/v1/profiles/{profile_id}"
LOOKUP = "/v1/profiles:lookup"
_PREFIX = "/v1/profiles/"
_MAX_ID = 64
_MAX_VALUE = 320

Answer = tuple[int, list[Bytes], bytes]
Part = TypeVar("Part", str, bytes)


class FastPath:
    """The outermost application."""

    def __init__(self, app: AsgiApp, world: World) -> None:
        self._app, self._world = app, world
        self._stopwatch: Callable[[], float] = world.metrics.stopwatch
        form = re.compile(r"[a-z][a-z0-9_]{0,31}")  # what models.py demands of a type's name
        self._remembered = world.ring.remembered
        self._by_id_tally, self._lookup_tally = world.metrics.of(BY_ID), world.metrics.of(LOOKUP)
        self._batch_tally = world.metrics.of(BATCH)
        self._types = {name: kind for name, kind in world.tongue.types.items() if form.fullmatch(name)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain profile read, or hand the request on."""
        answer: Answer | None = None
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith(_PREFIX):
                if scope["method"] == "GET":
                    answer = self._certain(self._by_id, scope, path[len(_PREFIX) :])
            elif (path in (LOOKUP, BATCH)) and scope["method"] == "POST":
                limit = self._world.limit_of(path)
                try:
                    body = await whole(receive, limit, self._world.body_seconds)
                except TooLarge:
                    # Said by the shell, which meets the same limit at the first byte.
                    body = b"\0" * (limit + 1)
                except TooSlow as error:
                    self._world.metrics.of(path).add(408, self._world.body_seconds)
                    await foreseen(error)(scope, receive, send)
                    return
                if body is None:
                    return
                answer = self._certain(self._lookup if path == LOOKUP else self._batch, scope, body)
                receive = replay(body, receive)
        if answer is None:
            await self._app(scope, receive, send)
            return
        status, headers, content = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _certain(self, attempt: Callable[[Scope, Part], Answer | None], scope: Scope, part: Part) -> Answer | None:
        try:
            return attempt(scope, part)
        except Exception:  # noqa: BLE001 - whatever it is, the slow path meets it too, and reports it inside the shell
            return None

    def _by_id(self, scope: Scope, name: str) -> Answer | None:
        started = self._stopwatch()
        authorization = condition = None
        for header, value in scope["headers"]:
            if header == b"authorization":
                authorization = value if authorization is None else authorization
            elif header == b"if-none-match":
                condition = value if condition is None else condition
        holder = self._remembered(authorization)
        purpose = None if holder is None else holder.queries.get(scope["query_string"])
        if holder is None or purpose is None or len(name) > _MAX_ID:
            return None
        tagged = self._world.profiles.tagged(ProfileId(name), purpose)
        if tagged is None:
            return None
        return self._answer(holder, (ProfileId(name), *tagged), purpose, condition, self._by_id_tally, started)

    def _lookup(self, scope: Scope, body: bytes) -> Answer | None:
        started = self._stopwatch()
        authorization = condition = kind = None
        for header, value in scope["headers"]:
            if header == b"authorization":
                authorization = value if authorization is None else authorization
            elif header == b"if-none-match":
                condition = value if condition is None else condition
            elif header == b"content-type":
                kind = value if kind is None else kind
        asked = _asked(body) if kind == b"application/json" else None
        holder = self._remembered(authorization)
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
        return self._answer(holder, found, Purpose(purpose), condition, self._lookup_tally, started)

    def _batch(self, scope: Scope, body: bytes) -> Answer | None:
        started = self._stopwatch()
        authorization = kind = None
        for header, value in scope["headers"]:
            if header == b"authorization":
                authorization = value if authorization is None else authorization
            elif header == b"content-type":
                kind = value if kind is None else kind
        asked = _many(body, self._types) if kind == b"application/json" else None
        holder = self._remembered(authorization)
        if asked is None or holder is None or asked[1] not in holder.reads:
            return None
        people, purpose = asked[0], Purpose(asked[1])
        if holder.bucket.wait(len(people)):
            return None
        content = looked_up(self._world, holder, people, purpose)
        headers = batch_headers(content)
        seconds = self._stopwatch() - started
        headers.append(timing(seconds))
        self._batch_tally.add(200, seconds, purpose)
        return 200, headers, content

    def _answer(
        self,
        holder: Holder,
        found: tuple[ProfileId, bytes, bytes],
        purpose: Purpose,
        condition: bytes | None,
        tally: Tally,
        started: float,
    ) -> Answer | None:
        world, (profile_id, tag, body) = self._world, found
        if not world.audit.room() or holder.bucket.wait():
            return None
        if not world.people.admits(holder.credential, profile_id):
            return None
        world.audit.note(holder.key_id, purpose, profile_id, "allowed")
        if condition is not None and matches(condition, tag):
            status, headers, body = 304, unchanged_headers(tag), b""
        else:
            status, headers = 200, answer_headers(body, tag)
        seconds = self._stopwatch() - started
        headers.append(timing(seconds))
        tally.add(status, seconds, purpose)
        return status, headers, body


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
