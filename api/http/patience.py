"""How long the bodies of requests may take: one timer for all that are being read, for most are here in no time."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from api.http.errors import TooSlow

_LATE = "the body is late"
T = TypeVar("T")


class Patience:
    """So many seconds for each body. A timer a body, as `asyncio.timeout` sets it, would cost half of a look-up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Who reads since when, the longest first.
        self._reading: dict[asyncio.Task[object], float] = {}
        self._watched: asyncio.AbstractEventLoop | None = None

    async def read(self, body: Awaitable[T]) -> T:
        """Return what comes of reading a body; raise `TooSlow` where it takes longer."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 - a server calls in a task of its own
        self._reading[task] = loop.time()
        if self._watched is not loop:
            self._watch(loop, self._seconds)
        try:
            return await body
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (_LATE,):
                raise
            task.uncancel()
            raise TooSlow(self._seconds) from None
        finally:
            del self._reading[task]

    def _watch(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._watched = loop
        loop.call_later(seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is late, and come again when the next one would be; not at all where nobody reads."""
        self._watched, now = None, loop.time()
        for task, since in self._reading.items():
            if now - since < self._seconds:
                self._watch(loop, since + self._seconds - now)
                return
            task.cancel(_LATE)
