"""A sum behind each value, over key and value: what a disk or somebody's hand has altered is known, and never shown.

CRC-32 (ISO 3309): it sees every altered run of up to 32 bits, and all else but once in four thousand million times.
It is no seal: who can write the file can write the sum.
"""

from typing import Final
from zlib import crc32

_LENGTH: Final = 4


class Altered(ValueError):
    """A value that is not what was put under its key."""


def summed(key: bytes, value: bytes) -> bytes:
    """Return a value with its sum behind it."""
    return value + crc32(value, crc32(key)).to_bytes(_LENGTH, "big")


def checked(key: bytes, stored: bytes) -> bytes:
    """Return the value of what `summed` made; raise `Altered` for anything else."""
    value = stored[:-_LENGTH]
    # What is shorter than a sum has none: for a key whose own sum is 0, nothing at all would look whole.
    if len(stored) < _LENGTH or crc32(value, crc32(key)) != int.from_bytes(stored[-_LENGTH:], "big"):
        raise Altered
    return value
