"""When a call is tried again, and after how long: full jitter, the server's own word, and a budget for all calls."""

import math
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may go on: at most so many tries and so many seconds of waiting between them."""

    tries: int = 4
    seconds: float = 10.0
    base: float = 0.1
    longest: float = 5.0

    def pause(self, tried: int, chance: float, retry_after: float | None) -> float:
        """Return the seconds before the next try: any moment up to a bound that doubles, after what the server asked.

        Full jitter: callers that failed together do not come back together.
        """
        # Beyond 2**32 the bound has long been reached, and a larger power is no float.
        bound = min(self.longest, self.base * 2 ** min(tried - 1, 32))
        return (retry_after or 0.0) + chance * bound

    def lasts(self, tried: int, waited: float, pause: float) -> bool:
        """Say whether one more try is allowed after this pause."""
        return tried < self.tries and waited + pause <= self.seconds


class Budget:
    """How many repeats all calls of a client may still make: a failing server is not asked ever more.

    Each repeat costs one; ten calls that went well earn one back. When it is empty, calls fail at once.
    """

    def __init__(self, most: int = 20, *, calls: int = 10) -> None:
        # In whole calls, so that ten earn exactly one.
        self._most, self._cost = most * calls, calls
        self._left = self._most
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Say whether one more repeat is allowed, and count it."""
        with self._lock:
            if self._left < self._cost:
                return False
            self._left -= self._cost
            return True

    def earn(self) -> None:
        """Count a call that went well."""
        with self._lock:
            self._left = min(self._most, self._left + 1)


def retry_after(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header, or None where it says none that make sense."""
    try:
        seconds = float((text or "").strip())
    except ValueError:
        return None  # a date: the clocks may differ, and our server never sends one
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
