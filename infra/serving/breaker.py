"""When to stop asking a server that does not answer: each question costs its whole timeout, and a reader waits."""

from collections.abc import Callable
from typing import Final

_FAILURES: Final = 3
_PAUSE_SECONDS: Final = 1.0


class Breaker:
    """Open after a few failures in a row, for a second; then one question tries, and closes it or not."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch, self._failures, self._closed_from = stopwatch, 0, 0.0

    def is_open(self) -> bool:
        """Say whether to ask nothing now; the first to hear no after the pause is the one that tries."""
        if self._failures < _FAILURES:
            return False
        now = self._stopwatch()
        if now < self._closed_from:
            return True
        self._closed_from = now + _PAUSE_SECONDS
        return False

    def failed(self) -> None:
        """Take down that a question had no answer."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._closed_from = self._stopwatch() + _PAUSE_SECONDS

    def answered(self) -> None:
        """Take down that a question had an answer."""
        self._failures = 0
