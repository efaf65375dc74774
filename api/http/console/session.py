"""Who sits at the console: a signed cookie that names a key, never the key itself."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

COOKIE = "kindred_session"
LIFETIME = timedelta(hours=8)
_SIGNATURE = 32


@dataclass(frozen=True, slots=True)
class Session:
    """A login: whose key, until when, and the word that forms must repeat."""

    key_id: str
    ends_at: float
    form_word: str


def signing_key(token_key: bytes) -> bytes:
    """Return the key that cookies are signed with; derived, so that it is none of the tokens' key."""
    return hmac.new(token_key, b"console session v1", hashlib.sha256).digest()


def sealed(key: bytes, key_id: str, at: datetime) -> str:
    """Return the cookie of a new login."""
    ends = int((at + LIFETIME).timestamp())
    content = orjson.dumps([key_id, ends])
    return base64.urlsafe_b64encode(_signature(key, b"cookie", content) + content).decode()


def opened(key: bytes, cookie: str | None, at: datetime) -> Session | None:
    """Return the login that a cookie proves, or None where it proves none or is over."""
    if not cookie:
        return None
    try:
        raw = base64.urlsafe_b64decode(cookie)
    except (binascii.Error, ValueError):
        return None
    signature, content = raw[:_SIGNATURE], raw[_SIGNATURE:]
    if not hmac.compare_digest(signature, _signature(key, b"cookie", content)):
        return None
    key_id, ends = orjson.loads(content)
    if at.timestamp() >= ends:
        return None
    # The word is bound to this login: a form made for another does not pass.
    return Session(key_id, ends, _signature(key, b"form", content).hex())


def same_word(session: Session, word: str) -> bool:
    """Say whether a form was made for this login."""
    return hmac.compare_digest(session.form_word.encode(), word.encode("utf-8", "replace"))


def _signature(key: bytes, use: bytes, content: bytes) -> bytes:
    return hmac.new(key, use + b"|" + content, hashlib.sha256).digest()
