"""What `serving_bench.py` serves beside the product, on the product's own server: the least that can be done."""

import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from api.http.reading import answer_headers, etag, timing

SHORT = b'{"ok":true}'
_PLAIN = [(b"content-type", b"application/json"), (b"content-length", b"11")]
# As long as a profile of serving_world.py, and of its shape.
CONTENT = {
    "attributes": {f"attribute_{n}": f"value {n}" for n in range(8)},
    "traits": {f"trait_{n}": str(n * 123_456) for n in range(20)},
    "provenance": {
        f"attribute_{n}": {"source": "crm", "record": "0" * 32, "observed_at": "2026-11-22T00:00:00Z", "rule": "newest"}
        for n in range(8)
    },
}
_BODY = b"x" * 2_100
_LONG = [*answer_headers(_BODY, etag(_BODY)), timing(0.0001)]
_MANY = _BODY * 100
_HEAVY = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_MANY)), timing(0.0001)]


def _constant(headers: list[tuple[bytes, bytes]], body: bytes, *, reads: bool = False) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while reads and (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return app


def hello() -> Any:
    """Answers eleven bytes."""
    return _constant(_PLAIN, SHORT)


class Bare:
    """As little, in the protocol in which the server calls the product."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads

    async def __rsgi__(self, _scope: Any, proto: Any) -> None:
        if self._reads:
            await proto()
        proto.response_bytes(200, [("content-type", "application/json"), ("content-length", "11")], SHORT)


def hello_rsgi() -> Any:
    """Answers eleven bytes."""
    return Bare(reads=False)


def reader_rsgi() -> Any:
    """Reads the whole body, then answers eleven bytes."""
    return Bare(reads=True)


def same_bytes() -> Any:
    """Answers as many bytes as a profile has, under a profile's headers: what sending costs, without finding."""
    return _constant(_LONG, _BODY)


def reader() -> Any:
    """Reads the whole body, then answers eleven bytes."""
    return _constant(_PLAIN, SHORT, reads=True)


def many_bytes() -> Any:
    """Reads the whole body, then answers as many bytes as a hundred profiles have."""
    return _constant(_HEAVY, _MANY, reads=True)


class Identifier(BaseModel):
    """As the product's own."""

    type: str
    value: str


class Asked(BaseModel):
    """As the product's own."""

    identifier: Identifier
    purpose: str


def framework() -> Any:
    """A plain FastAPI application: JSON of a profile's size, by an id in the path and by a body."""
    app = FastAPI()

    @app.get("/v1/profiles/{profile_id}")
    async def read(profile_id: str, purpose: str) -> dict[str, Any]:
        return {"profile_id": profile_id, "purpose": purpose, **CONTENT}

    @app.post("/v1/profiles:lookup")
    async def lookup(asked: Asked) -> dict[str, Any]:
        return {"profile_id": asked.identifier.value, "purpose": asked.purpose, **CONTENT}

    return app


def sampled() -> Any:
    """The product, with a note of what it does at each tick of its CPU time, in the file `samples` beside it."""
    from api.http import main

    seen: Counter[str] = Counter()
    place = Path("samples").resolve()

    def note(_signal: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append(f"{_short(code.co_filename)}:{code.co_qualname}")
            frame = frame.f_back
        seen[";".join(reversed(stack))] += 1
        if seen.total() == 1:  # the loop is there by now, and wants to hear of signals: of so many it cannot
            signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
        if seen.total() % 100 == 0:
            # A list first: the next tick comes while this is written, and notes another stack.
            place.write_text("".join(f"{stack} {count}\n" for stack, count in list(seen.items())))

    signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    return main.application()


def _short(path: str) -> str:
    for place in sys.path:
        if place and path.startswith(place):
            return path[len(place) :].lstrip("/").removesuffix(".py")
    return path
