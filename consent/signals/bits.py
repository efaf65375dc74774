"""Strings of the IAB are bits in base64 (RFC 4648, for URLs, unfilled): read from the front, never beyond the end."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Longer than any number of a section.
_LONGEST_FIBONACCI: Final = 24


class Short(Exception):
    """The bits end before the field does, or say what cannot be; it never leaves this package."""


class Bits:
    """A segment's bits, read from the front."""

    def __init__(self, text: str) -> None:
        self._length = len(text) * 6
        filled = text + "A" * (-len(text) % 4)
        self._bits = int.from_bytes(base64.urlsafe_b64decode(filled)) >> (len(filled) * 6 - self._length)
        self._at = 0

    def number(self, width: int) -> int:
        """Return the next bits as a number."""
        end = self._at + width
        if end > self._length:
            raise Short
        self._at = end
        return (self._bits >> (self._length - end)) & ((1 << width) - 1)

    def flag(self) -> bool:
        """Return the next bit."""
        return self.number(1) == 1

    def moment(self) -> datetime:
        """Return the next 36 bits as a moment, told in tenths of a second."""
        return _EPOCH + timedelta(milliseconds=self.number(36) * 100)

    def fibonacci(self) -> int:
        """Return the next number in Fibonacci coding, which ends with two ones."""
        total, before, step, last = 0, 1, 1, False
        for _ in range(_LONGEST_FIBONACCI):
            bit = self.flag()
            if bit and last:
                return total
            total += step if bit else 0
            before, step, last = step, before + step, bit
        raise Short
