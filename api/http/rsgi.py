"""The application as granian's own protocol (RSGI) calls it: plain reads straight, everything else as ASGI.

An answer is one call there and no coroutine, and a short body comes in one piece: of a look-up's CPU time that is a
third. What is answered is decided in `fastpath.py` and behind it, alike for every protocol.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final

from granian.rsgi import ProtocolClosed

from api.http.asgi import AsgiApp, Message, Receive, Scope, Send
from api.http.errors import CutShort, TooSlow
from api.http.fastpath import LOOKUP, PREFIX, FastReads, Reply, unread
from api.http.patience import Patience
from api.http.problems import foreseen
from api.http.reading import FRESHNESS, GUARD, JSON_HEADER
from api.http.world import BATCH, World

# A body of at most so many bytes is taken in one piece; a longer one piece by piece, under the limits of who reads it.
_ONE_PIECE: Final = 16 * 1024
# The headers that decide what is answered to a body, as `FastReads.posted` takes them.
_TOLD: Final = ("content-type", "authorization", "if-none-match")
_JSON, _FRESH, _NOSNIFF = ((name.decode(), value.decode()) for name, value in (JSON_HEADER, FRESHNESS, GUARD))


class Rsgi:
    """A whole application on granian."""

    def __init__(self, app: AsgiApp, world: World, *, straight: bool = True) -> None:
        self._app, self._world, self._reads = app, world, FastReads(world)
        self._straight = straight
        self._patience = Patience(world.body_seconds)
        self._lifespan = _Lifespan(app)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin what the application does beside answering, before the first request."""
        loop.run_until_complete(self._lifespan.startup())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End it, after the last."""
        loop.run_until_complete(self._lifespan.shutdown())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of another server, as ASGI."""
        await self._app(scope, receive, send)

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        """Answer one request of granian's."""
        path: str = scope.path
        reply: Reply | None = None
        body: bytes | None = None
        if not self._straight:
            pass  # something around the application looks at every request
        elif path.startswith(PREFIX):
            if scope.method == "GET":
                header = scope.headers.get
                reply = self._reads.by_id(
                    path[len(PREFIX) :],
                    scope.query_string,
                    _bytes(header("authorization")),
                    _bytes(header("if-none-match")),
                )
        elif path in (LOOKUP, BATCH) and scope.method == "POST":
            header = scope.headers.get
            if _short(header, self._world.limit_of(path)):
                taken: Awaitable[bytes] = proto()
                try:
                    body = await self._patience.read(taken)
                except (ProtocolClosed, TooSlow) as closed:
                    # Who stopped in the middle may still listen: the server would say 500 in our name.
                    error = closed if isinstance(closed, TooSlow) else CutShort()
                    unread(self._world, path, error)
                    await foreseen(error)(_asgi(scope), _nothing, _Exchange(scope, proto, b"").send)
                    return
                reply = self._reads.posted(path, body, *map(_bytes, map(header, _TOLD)))
        if reply is None:
            exchange = _Exchange(scope, proto, body)
            await self._app(_asgi(scope), exchange.receive, exchange.send)
            return
        proto.response_bytes(reply.status, _headers(reply), reply.body)


def _short(header: Any, limit: int) -> bool:
    """Say whether a body is announced, and short enough to be taken whole before anybody has looked at it."""
    length = header("content-length")
    return length is not None and length.isdigit() and int(length) <= limit


def _bytes(header: str | None) -> bytes | None:
    return None if header is None else header.encode()


def _headers(reply: Reply) -> list[tuple[str, str]]:
    told = ("server-timing", f"app;dur={reply.seconds * 1000:.3f}")
    if reply.status == 304:
        return [("etag", (reply.tag or b"").decode()), _FRESH, _NOSNIFF, told]
    length = ("content-length", str(len(reply.body)))
    if reply.tag is None:
        return [_JSON, length, _FRESH, _NOSNIFF, told]
    return [_JSON, length, ("etag", reply.tag.decode()), _FRESH, _NOSNIFF, told]


def _asgi(scope: Any) -> Scope:
    """Return a request's facts as ASGI has them.

    A header whose value is no UTF-8 is not there: the server does not hand it on, and none of ours needs one.
    """
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": scope.http_version,
        "server": _address(scope.server),
        "client": _address(scope.client),
        "scheme": scope.scheme,
        "method": scope.method,
        "root_path": "",
        "path": scope.path,
        "query_string": scope.query_string.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in scope.headers.items()],
        "extensions": {},
        "state": {},
    }


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else 0


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


class _Exchange:
    """One request and its answer, as an ASGI application takes and gives them."""

    __slots__ = ("_body", "_headers", "_pieces", "_proto", "_status", "_stream")

    def __init__(self, scope: Any, proto: Any, body: bytes | None) -> None:
        self._proto, self._body = proto, body
        self._pieces: AsyncIterator[bytes] | None = None
        self._stream: Any = None
        self._status, self._headers = 500, list[tuple[str, str]]()
        if body is None:
            header = scope.headers.get
            if _short(header, _ONE_PIECE):
                self._pieces = _whole(proto)
            elif header("content-length") is None and header("transfer-encoding") is None and scope.http_version < "2":
                self._body = b""
            else:
                self._pieces = _pieces(proto, header("content-length"))

    async def receive(self) -> Message:
        """Return the next piece of the body, or wait for the caller to leave."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self._pieces is not None:
            try:
                # With a default it would hand on no cancellation.
                return {"type": "http.request", "body": await anext(self._pieces), "more_body": True}
            except StopAsyncIteration:
                self._pieces = None
                return {"type": "http.request", "body": b"", "more_body": False}
            except ProtocolClosed:
                return {"type": "http.disconnect"}
        await self._proto.client_disconnect()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a part of the answer; what the caller has left before is nobody's."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        try:
            if self._stream is None and not more:
                self._proto.response_bytes(self._status, self._headers, body)
                return
            if self._stream is None:
                self._stream = self._proto.response_stream(self._status, self._headers)
            if body:
                await self._stream.send_bytes(body)
        except ProtocolClosed:
            return


async def _whole(proto: Any) -> AsyncIterator[bytes]:
    yield await proto()


async def _pieces(proto: Any, length: str | None) -> AsyncIterator[bytes]:
    # The server ends a body that breaks off as it ends a whole one; only the length that was announced tells.
    left = int(length) if length is not None and length.isdigit() else 0
    async for piece in proto:
        left -= len(piece)
        yield piece
    if left > 0:
        raise ProtocolClosed


class _Lifespan:
    """What an ASGI application is told when a server begins and ends."""

    def __init__(self, app: AsgiApp) -> None:
        self._app, self._said = app, asyncio.Queue[str]()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Begin; raise what the application's beginning raises."""
        self._task = asyncio.create_task(self._run())
        await self._told("lifespan.startup")

    async def shutdown(self) -> None:
        """End."""
        if self._task is not None and not self._task.done():
            await self._told("lifespan.shutdown")
            await self._task

    async def _run(self) -> None:
        async def receive() -> Message:
            return {"type": await self._said.get()}

        await self._app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, self._heard.put)

    async def _told(self, what: str) -> None:
        assert self._task is not None  # noqa: S101 - it was begun
        self._said.put_nowait(what)
        answer = asyncio.create_task(self._heard.get())
        await asyncio.wait({self._task, answer}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            self._task.result()
        elif answer.result()["type"].endswith(".failed"):
            # What failed is in the log by then, and its text may hold anything.
            raise SystemExit(1)
