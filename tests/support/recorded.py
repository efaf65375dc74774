"""What a server was asked, request by request, as a test wants to read it afterwards."""

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

HEADERS = (
    "authorization", "content-type", "content-encoding", "origin", "x-retry-count", "sec-gpc",
    "access-control-request-method", "access-control-request-headers",
)  # fmt: skip


class Recorded:
    """An ASGI application in front of another; it adds a line to a file for each request that was answered."""

    def __init__(self, app: Any, path: Path) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, answer, told = bytearray(), bytearray(), {"status": 0}

        async def heard() -> Any:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def said(message: Any) -> None:
            told["status"] = message.get("status", told["status"])
            answer.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, heard, said)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        line: dict[str, Any] = {"method": scope["method"], "path": scope["path"], **told}
        line |= {name: headers.get(name) for name in HEADERS}
        line |= {"body": _read(body), "answer": _read(answer)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _read(content: bytearray) -> Any:
    content = bytearray(gzip.decompress(content)) if content.startswith(b"\x1f\x8b") else content
    with suppress(ValueError):
        return json.loads(content)
    return None


def verdicts(requests: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the server said of each event of the requests that it took, by message id."""
    taken = [one["answer"] for one in requests if one["status"] == 200 and one["method"] == "POST"]
    return {event["messageId"]: event["verdict"] for answer in taken for event in answer.get("events", ())}


def recorded(path: Path) -> list[dict[str, Any]]:
    """Return what was asked so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
