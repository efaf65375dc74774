"""A request's body, plain or gzipped, whole and within bounds: of bytes after decompression, of time, of memory."""

import asyncio
import zlib
from contextlib import suppress
from typing import Final

from api.http.asgi import Receive
from api.http.collector.errors import Crowded, EncodingUnknown, TooSlow
from ingestion.collector.errors import BodyTooLarge, NotGzip

_GZIP: Final = frozenset((b"gzip", b"x-gzip"))
_PLAIN: Final = frozenset((b"", b"identity"))
# gzip's own header and checksum.
_WINDOW: Final = 31
_THROWN_AWAY: Final = 32 * 1024 * 1024


class Gone(Exception):
    """The sender left before its request had come to its end; nobody waits for an answer."""


class Room:
    """The memory that requests in progress share: a bound in bytes, not in requests."""

    def __init__(self, limit: int) -> None:
        self._limit, self.used = limit, 0

    def take(self, count: int) -> None:
        """Set bytes aside, or raise `Crowded`."""
        if self.used + count > self._limit:
            raise Crowded
        self.used += count

    def leave(self, count: int) -> None:
        """Give bytes back."""
        self.used -= count


class Body:
    """The body of one request in the reading; `close` gives back the memory that was set aside for it."""

    def __init__(self, room: Room, limit: int) -> None:
        self._room, self._limit, self._held = room, limit, 0
        self._more = True

    def close(self) -> None:
        """Give back what was set aside."""
        self._room.leave(self._held)
        self._held = 0

    async def read(self, receive: Receive, encoding: bytes, patience: float) -> bytes:
        """Return the body; raise as soon as it is too long, too slow, or no gzip, however small it came."""
        encoding = encoding.strip().lower()
        if encoding not in _GZIP and encoding not in _PLAIN:
            raise EncodingUnknown
        try:
            async with asyncio.timeout(patience):
                return await (self._inflated(receive) if encoding in _GZIP else self._plain(receive))
        except TimeoutError:
            raise TooSlow(patience) from None

    async def thrown_away(self, receive: Receive, patience: float) -> None:
        """Read what is left of a refused body without keeping it, up to a bound of bytes and of time.

        Who still writes when the connection closes sees it break and never hears why: an SDK would send all again.
        """
        self.close()
        came = 0
        with suppress(TimeoutError, Gone):
            async with asyncio.timeout(patience):
                while self._more and came < _THROWN_AWAY:
                    came += len((await self._part(receive))[0])

    async def _plain(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        while True:
            part, more = await self._part(receive)
            self._take(len(part))
            if not more:
                return b"".join((*parts, part)) if parts else part
            parts.append(part)

    async def _inflated(self, receive: Receive) -> bytes:
        inflater = zlib.decompressobj(_WINDOW)
        parts: list[bytes] = []
        came, more = 0, True
        while more:
            part, more = await self._part(receive)
            came += len(part)
            if came > self._limit:
                raise BodyTooLarge(self._limit)
            try:
                # One byte more than there may be tells a bomb without letting it go off.
                part = inflater.decompress(part, self._limit - self._held + 1)
            except zlib.error:
                raise NotGzip from None
            self._take(len(part))
            parts.append(part)
        if not inflater.eof or inflater.unused_data:
            raise NotGzip
        return b"".join(parts)

    async def _part(self, receive: Receive) -> tuple[bytes, bool]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        self._more = message.get("more_body", False)
        return message.get("body", b""), self._more

    def _take(self, count: int) -> None:
        if self._held + count > self._limit:
            raise BodyTooLarge(self._limit)
        self._room.take(count)
        self._held += count
