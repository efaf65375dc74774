"""A webhook, signed as Standard Webhooks has it (standardwebhooks.com): id, moment and body under a shared secret."""

import base64
import binascii
import hmac
import http.client
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import orjson

from api.changes.sending import NotTaken
from infra.changes_settings import WebhookSettings
from infra.clock import Clock
from infra.errors import Malformed
from infra.ids import Purpose
from profiles.changefeed.pages import Heard

_WITHIN: Final = 15.0
_PREFIX: Final = "whsec_"
_AGENT: Final = "Kindred/0.1"
_LEAST: Final = 16
_MOST_WAIT: Final = 300.0


def secret_bytes(secret: str) -> bytes:
    """Return the key of a secret: `whsec_` and base64 as the standard has it, or any other text as it is."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def signature(key: bytes, message_id: str, moment: int, body: bytes) -> str:
    """Return the signature of a message, as its header carries it."""
    signed = f"{message_id}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def asked_wait(after: str | None, now: datetime) -> float:
    """Return the seconds that a Retry-After asks for, told as such or as a moment; 0 for one that cannot be read."""
    told = (after or "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        moment = parsedate_to_datetime(told)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    except (ValueError, TypeError, LookupError, OverflowError):
        return 0.0


class Webhook:
    """`Recipient` by a POST: whatever answers 2xx has taken it, and done it."""

    acknowledges = True

    def __init__(self, settings: WebhookSettings, clock: Clock) -> None:
        self.name, self.purpose = f"webhook {settings.name}", Purpose(settings.purpose)
        self._url, self._clock = urlsplit(settings.url), clock
        self._key = secret_bytes(settings.secret.get_secret_value())
        if len(self._key) < _LEAST:
            raise Malformed(
                f"serving.changes: the secret of {self.name} has {len(self._key)} bytes and can be guessed; use "
                f"whsec_ and the base64 of at least {_LEAST} random bytes"
            )
        self._connection: http.client.HTTPConnection | None = None

    def deliver(self, changes: Sequence[Heard], *, anew: bool) -> None:
        """Post the changes as one message, under the id of the last of them; redirects are not followed."""
        facts = [one.facts() for one in changes]
        message_id, now = str(facts[-1]["id"]), self._clock()
        data = {"purpose": self.purpose, "anew": anew, "changes": facts}
        body = orjson.dumps({"type": "profile.changes", "timestamp": now.isoformat(), "data": data})
        moment = int(now.timestamp())
        headers = {
            "content-type": "application/json", "user-agent": _AGENT, "webhook-id": message_id,
            "webhook-timestamp": str(moment), "webhook-signature": signature(self._key, message_id, moment, body),
        }  # fmt: skip
        status, after = self._post(body, headers)
        if not 200 <= status < 300:
            raise NotTaken(f"the answer was {status}", min(asked_wait(after, now), _MOST_WAIT))

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            connection = self._connected()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read(65_536)
            if answer.will_close or answer.length:
                self.close()
            return answer.status, answer.getheader("retry-after")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotTaken(f"nobody answered ({type(error).__name__})") from None

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._url.hostname or "", self._url.port
            if self._url.scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(host, port, timeout=_WITHIN, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=_WITHIN)
        return self._connection

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
