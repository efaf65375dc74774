"""A caller of our own API, as any application would write it: standard library, one key."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.errors import Unavailable

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Client:
    """Where the server is and the key to show it."""

    base: str
    key: str = field(repr=False)

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and answer of a POST."""
        return self._send(path, json.dumps(body).encode())

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return status and answer of a GET."""
        return self._send(path, None)

    def lookup(self, kind: str, value: str, purpose: str) -> tuple[int, dict[str, Any]]:
        """Return a person as one purpose sees them, found by any identifier."""
        return self.post("/v1/profiles:lookup", {"identifier": {"type": kind, "value": value}, "purpose": purpose})

    def _send(self, path: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(  # noqa: S310 - the address is the server that we started
            self.base + path,
            data=body,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"{}")


def wait_until_ready(base: str, seconds: float, path: str = "/readyz?part=profiles", log: str = "server.log") -> None:
    """Return once a server answers under a path; raise `Unavailable`, which names its log, where it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{base}{path}", timeout=2):  # noqa: S310 - the server that we started
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise Unavailable(f"the server did not become ready within {seconds:.0f} s; its log is state/{log}")
