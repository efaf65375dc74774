"""An erased person's id in the feed: sealed, so that who searches the database finds nothing, and opened to be told."""

import base64
import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_BEGIN: Final = "~"


def is_sealed(profile_id: str) -> bool:
    """Say whether an id in the feed is one of somebody erased."""
    return profile_id.startswith(_BEGIN)


def sealed(key: bytes, profile_id: str) -> str:
    """Return an id so that nobody reads it without the workspace's key; the same id always becomes the same text."""
    return _BEGIN + base64.urlsafe_b64encode(_cipher(key).encrypt(profile_id.encode(), None)).decode()


def opened(key: bytes, stored: str) -> str | None:
    """Return the id behind what stands in the feed; None where it was sealed under another key."""
    if not is_sealed(stored):
        return stored
    try:
        return _cipher(key).decrypt(base64.urlsafe_b64decode(stored[len(_BEGIN) :]), None).decode()
    except (InvalidTag, ValueError):
        return None


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(hmac.digest(key, b"kindred|change feed|erased", hashlib.sha512)[:64])
