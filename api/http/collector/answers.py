"""What the collector answers, as ASGI messages: JSON for programs, a picture for pixels, CORS for browsers."""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from api.http.collector.errors import MethodUnknown, told, wait
from api.http.reading import GUARD, JSON_HEADER, Bytes

Answer = tuple[int, list[Bytes], bytes]

_GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_UNKEPT: Final[Bytes] = (b"cache-control", b"no-store")
_VARY: Final[Bytes] = (b"vary", b"Origin")
_EXPOSED: Final[Bytes] = (b"access-control-expose-headers", b"Retry-After, X-RateLimit-Reset")
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9_, -]{1,1000}")
_ORIGIN = re.compile(rb"[A-Za-z0-9.:/\[\]_-]{1,300}")


def success(body: bytes) -> Answer:
    """Return a 200, and exactly that: analytics-python takes no other for success."""
    return 200, [JSON_HEADER, (b"content-length", b"%d" % len(body)), GUARD], body


def picture() -> Answer:
    """Return the smallest picture there is, never to be kept: each request for it is an event."""
    headers = [(b"content-type", b"image/gif"), (b"content-length", b"%d" % len(_GIF)), _UNKEPT, GUARD]
    return 200, headers, _GIF


def refusal(error: Exception) -> Answer:
    """Return the answer to a request of which nothing was taken."""
    status, code, message = told(error)
    more: list[Bytes] = []
    if status in (429, 503):
        seconds = b"%d" % wait(error)
        more = [(b"retry-after", seconds), (b"x-ratelimit-reset", seconds)]
    elif status == 401:
        # Never Basic, which makes a browser ask the visitor of a page for a name and a password.
        more = [(b"www-authenticate", b'Bearer realm="kindred"')]
    elif isinstance(error, MethodUnknown):
        more = [(b"allow", error.right.encode())]
    return failure(status, code, message, more)


def failure(status: int, code: str, message: str, more: list[Bytes]) -> Answer:
    """Return an answer that is no success, in the form that the SDKs read."""
    body = orjson.dumps({"success": False, "code": code, "message": message})
    return status, [JSON_HEADER, (b"content-length", b"%d" % len(body)), _UNKEPT, GUARD, *more], body


def settings(key: str, host: str, scheme: str) -> Answer:
    """Return what the browser's and the phones' SDKs ask before they send anything: where to, and with which key."""
    found: Mapping[str, Any] = {
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": f"{host}/v1",
                "protocol": scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}, "identify": {}, "group": {}},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        # None are asked for; a page that sends some all the same sends them here and not to Segment.
        "metrics": {"sampleRate": 0, "host": f"{host}/v1"},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
    status, headers, body = success(orjson.dumps(found))
    # Where to send follows from the host that was asked; a cache must not tell it to others.
    return status, [*headers, _UNKEPT], body


def preflight(asked: bytes | None) -> Answer:
    """Return what a browser may send from another site: everything, for the write key is public as it is."""
    headers = [
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-max-age", b"900"),
        (b"content-length", b"0"),
        GUARD,
    ]
    if asked is not None and _HEADER_NAMES.fullmatch(asked):
        headers.append((b"access-control-allow-headers", asked))
    return 204, headers, b""


def cors(origin: bytes) -> list[Bytes]:
    """Return the headers that let a page of any site read the answer."""
    if not _ORIGIN.fullmatch(origin):
        return []
    allowed = [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]
    return [*allowed, _EXPOSED, _VARY]
