"""Who sends: the write key of a request, wherever it stands, and the source that it belongs to."""

import asyncio
import base64
import binascii
from typing import Final

from api.http.collector.errors import WriteKeyRefused
from api.http.credentials import Holder, KeyRing
from api.http.errors import TooFast, Unauthenticated
from api.http.keys import PREFIX

_BASIC: Final = b"basic "
_BEARER: Final = b"bearer "


def header_key(authorization: bytes | None) -> str | None:
    """Return the key of an `Authorization` header, or None where the body has to say it.

    Basic: the user's name, with or without the colon. Bearer: a key of ours; any other is an OAuth token of
    somebody's, beside which the body carries the key.
    """
    if authorization is None:
        return None
    kind = authorization[:7].lower()
    if kind.startswith(_BASIC):
        try:
            user = base64.b64decode(authorization[len(_BASIC) :].strip(), validate=True).partition(b":")[0]
        except binascii.Error:
            raise WriteKeyRefused from None
        return user.decode("latin-1") or None
    said = authorization[len(_BEARER) :].strip().decode("latin-1") if kind == _BEARER else ""
    return said if said.startswith(PREFIX) else None


class Doorkeeper:
    """Lets in who holds a write key, no faster than it may; the ring forgets a revoked key within a second."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def source(self, key: str | None) -> str:
        """Return the source of a key; raise `WriteKeyRefused` for what opens nothing, `TooFast` for what must wait."""
        holder = await self.holder(key)
        wait = holder.bucket.wait()
        if wait:
            raise TooFast(wait)
        assert holder.credential.source is not None  # noqa: S101 - `holder` lets in no other
        return holder.credential.source

    async def holder(self, key: str | None) -> Holder:
        """Return who holds a write key."""
        if not key:
            raise WriteKeyRefused
        known = self._ring.writing(key)
        if known is not None:
            return known
        try:
            return await asyncio.to_thread(self._ring.writer, key)
        except Unauthenticated:
            raise WriteKeyRefused from None
