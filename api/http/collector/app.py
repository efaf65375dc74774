"""The collector as plain ASGI in front of the framework: a request in, its events in the log, an answer out.

A 200 is sent only after the log has said that every event is durable. Neither path nor query of a request is ever
written anywhere: a pixel's address is somebody's event.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, ParamSpec, TypeVar

from api.http.asgi import AsgiApp, Receive, Scope, Send
from api.http.collector import answers
from api.http.collector.answers import Answer
from api.http.collector.body import Body, Gone, Room
from api.http.collector.counts import Counts
from api.http.collector.desk import Desk
from api.http.collector.doorkeeper import Doorkeeper, header_key
from api.http.collector.errors import FORESEEN, MethodUnknown, TooSlow
from api.http.collector.hearing import Ear
from api.http.collector.paths import Path, found
from api.http.metrics import Metrics
from api.http.problems import OUR_FAULT, reported
from consent.signals.hear import SEC_GPC, wished
from infra.clock import Clock
from infra.log.port import EventLog
from ingestion.collector.forms import parameters, pixel_body, webhook_body
from ingestion.collector.intake import Receipt, taken
from ingestion.collector.look import opened
from ingestion.collector.moments import not_before, written
from ingestion.collector.wire import BODY_BYTES, laborious, read_mended, read_plain

P = ParamSpec("P")
T = TypeVar("T")
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")
_SUCCESS: Final = b'{"success":true}'


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one request may be, how long its body may take, and how much all may be together."""

    body_bytes: int = BODY_BYTES
    body_seconds: float = 15.0
    memory_bytes: int = 64 * 1024 * 1024


class _Asked:
    """What the headers of a request say."""

    __slots__ = ("authorization", "client", "encoding", "forwarded", "gpc", "headers_asked", "host", "origin")

    def __init__(self) -> None:
        self.authorization: bytes | None = None
        self.encoding = self.host = b""
        self.origin: bytes | None = None
        self.headers_asked: bytes | None = None
        self.forwarded = b""
        self.client: str | None = None
        self.gpc = False


class Collector:
    """Takes events in, for the sources of the write keys that it knows."""

    def __init__(
        self,
        log: EventLog,
        desk: Desk,
        doorkeeper: Doorkeeper,
        clock: Clock,
        metrics: Metrics,
        *,
        bounds: Bounds | None = None,
        reopen: Callable[[], None] = lambda: None,
        ear: Ear | None = None,
    ) -> None:
        self.log, self.counts = log, Counts()
        self._desk, self._doorkeeper, self._clock, self._metrics = desk, doorkeeper, clock, metrics
        self._bounds, self._open, self._ear = bounds or Bounds(), reopen, ear
        self._room = Room(self._bounds.memory_bytes)
        self._last = datetime.min.replace(tzinfo=UTC)
        # One at a time: several that compute would leave the loop no turn.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="collector")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to one of the collector's addresses."""
        place = found(scope["path"])
        if place is None:
            return
        path, key = place
        started = self._metrics.stopwatch()
        asked = _asked(scope)
        try:
            status, headers, content = await self._answer(path, key, asked, scope, receive)
        except Gone:
            return
        except FORESEEN as error:
            status, headers, content = answers.refusal(error)
        except Exception as error:  # noqa: BLE001 - the last wall: a traceback beyond it would quote values
            told = f"{OUR_FAULT}: {reported(error)}"
            status, headers, content = answers.failure(500, "internal_error", told, [])
        if asked.origin is not None:
            headers = [*headers, *answers.cors(asked.origin)]
        self._metrics.of(path.template).add(status, self._metrics.stopwatch() - started)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def close(self) -> None:
        """Make what waits durable and take nothing more."""
        await self.log.close()

    async def watch(self, pause: float = 1.0) -> None:
        """Look for ever whom consent restricts, and whether a log that is not open can be opened now."""
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(pause)

    def _look(self) -> None:
        self._desk.refresh()
        self._open()

    async def _answer(self, path: Path, key: str, asked: _Asked, scope: Scope, receive: Receive) -> Answer:
        method = scope["method"]
        if method == "OPTIONS":
            return answers.preflight(asked.headers_asked)
        if method != path.method:
            raise MethodUnknown(path.method)
        if path.form == "settings":
            return await self._settings(key, asked, scope)
        if path.form == "pixel":
            said = pixel_body(parameters(scope["query_string"]))
            known = header_key(asked.authorization)
            source = None if known is None else await self._doorkeeper.source(known)
            await self._take_in(path.kind, said, asked, source)
            return answers.picture()
        return answers.success(await self._posted(path, asked, scope, receive))

    async def _posted(self, path: Path, asked: _Asked, scope: Scope, receive: Receive) -> bytes:
        body = Body(self._room, self._bounds.body_bytes)
        try:
            mapped = parameters(scope["query_string"]) if path.form in ("webhook", "beacon") else {}
            key = header_key(asked.authorization) or mapped.get("writeKey")
            # Who may not write, or not now, need not be read.
            source = None if key is None else await self._doorkeeper.source(key)
            text = await body.read(receive, asked.encoding, self._bounds.body_seconds)
            if path.form == "metrics":
                return _SUCCESS
            if path.form == "webhook":
                text = webhook_body(text, mapped)
            return await self._take_in(path.kind, text, asked, source)
        except TooSlow:
            raise
        except FORESEEN:
            await body.thrown_away(receive, self._bounds.body_seconds)
            raise
        finally:
            body.close()

    async def _beside(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what work comes to that would hold up everybody else's requests."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, partial(work, *arguments, **named))

    async def _settings(self, key: str, asked: _Asked, scope: Scope) -> Answer:
        await self._doorkeeper.holder(key)
        host = asked.host.decode() if _HOST.fullmatch(asked.host) else "localhost"
        return answers.settings(key, host, "https" if asked.forwarded == b"https" else scope.get("scheme", "http"))

    async def _take_in(self, kind: str | None, text: bytes, asked: _Asked, source: str | None) -> bytes:
        """Return the verdicts on a request's events, which are durable now."""
        parcel = read_plain(text, kind)
        if parcel is None:
            parcel = await self._beside(read_mended, text, kind)
        if source is None:
            source = await self._doorkeeper.source(parcel.write_key)
        self._last = not_before(self._last, self._clock())
        receipt, intake = Receipt(written(self._last), asked.gpc, asked.client), self._desk.intake(source)
        if self._ear is not None and self._ear.wanted(text, gpc=asked.gpc):
            # First of all: a no is kept also where the log is full, and hearing it again adds nothing.
            slow = laborious(text, parcel)
            events = await self._beside(opened, parcel, receipt) if slow else opened(parcel, receipt)
            await self._ear.hear(source, events)
        if laborious(text, parcel):
            done = await self._beside(taken, parcel, receipt, intake, keyed=self.log.keyed)
        else:
            done = taken(parcel, receipt, intake, keyed=self.log.keyed)
        if done.entries:
            await self.log.append(source, done.entries)
        self.counts.add(source, done.counts)
        return done.answer


def _asked(scope: Scope) -> _Asked:
    found = _Asked()
    client = scope.get("client")
    found.client = client[0] if client else None
    for name, value in scope["headers"]:
        if name == b"authorization":
            found.authorization = value
        elif name == b"content-encoding":
            found.encoding = value
        elif name == b"origin":
            found.origin = value
        elif name == b"host":
            found.host = value
        elif name == b"x-forwarded-proto":
            found.forwarded = value
        elif name == SEC_GPC:
            found.gpc = found.gpc or wished([value])
        elif name == b"access-control-request-headers":
            found.headers_asked = value
    return found


class Front:
    """The collector before the rest of the application."""

    def __init__(self, app: AsgiApp, collector: Collector) -> None:
        self._app, self._collector = app, collector

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of the wire format, or hand it on."""
        ours = scope["type"] == "http" and found(scope["path"]) is not None
        await (self._collector if ours else self._app)(scope, receive, send)
