"""The shell around the application, as plain ASGI: whole bodies under a limit, guards, timing, counts, bare 500s."""

from api.http.asgi import AsgiApp, Message, Receive, Scope, Send
from api.http.errors import CutShort, TooLarge, TooSlow
from api.http.patience import Patience
from api.http.problems import foreseen, unforeseen
from api.http.reading import GUARD, timing
from api.http.world import World

# Where a route leaves the purpose that it was asked for, once the caller's key was found to carry it.
PURPOSE = "kindred.purpose"
# And how long it waited for something to tell: that is no time that the answer took.
WAITED = "kindred.waited"


async def whole(receive: Receive, limit: int, patience: Patience) -> bytes:
    """Return the request's body; raise `TooLarge` or `TooSlow` past the limits, `CutShort` where the caller left."""
    return await patience.read(_whole(receive, limit))


async def _whole(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CutShort
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(limit)
        if not message.get("more_body", False):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out the body once more, then waits for the caller to leave."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class Shell:
    """What holds for every request that the fast path does not answer."""

    def __init__(self, app: AsgiApp, world: World) -> None:
        self._app, self._world, self._patience = app, world, Patience(world.body_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics = self._world.metrics
        started, status, begun = metrics.stopwatch(), 500, False

        async def guarded(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                taken = timing(metrics.stopwatch() - started)
                present = {name for name, _ in message["headers"]}
                guards = [] if GUARD[0] in present else [GUARD]
                message = {**message, "headers": [*message["headers"], *guards, taken]}
            await send(message)

        try:
            body = await whole(receive, self._world.limit_of(scope["path"]), self._patience)
            await self._app(scope, replay(body, receive), guarded)
        except (CutShort, TooLarge, TooSlow) as error:
            await foreseen(error)(scope, receive, guarded)
        except Exception as error:  # noqa: BLE001 - the last wall: a traceback beyond it would quote values
            if not begun:
                await unforeseen(error)(scope, receive, guarded)
        finally:
            seconds = metrics.stopwatch() - started - scope.get(WAITED, 0.0)
            metrics.of(_route(scope)).add(status, max(0.0, seconds), scope.get(PURPOSE, ""))


def _route(scope: Scope) -> str:
    # The template of the matched route; a path of its own could hold anything.
    return str(getattr(scope.get("route"), "path", "unmatched"))
