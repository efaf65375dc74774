"""A sum behind each value, over key and value: what a disk or somebody's hand has altered is known, and never shown.

CRC-32 (ISO 3309): it sees every altered run of up to 32 bits, and all else but once in four thousand million times.
It is no seal: who can write the file can write the sum.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

from infra.serving.store import LAYOUT

_LENGTH: Final = 4
# What a CRC-32 over anything and its own CRC-32 behind it, lowest byte first, always comes to.
_WHOLE: Final = 0x2144DF1C


class Altered(ValueError):
    """A value that is not what was put under its key, or was put in another layout."""


def summed(key: bytes, value: bytes) -> bytes:
    """Return a value with its sum behind it."""
    return value + crc32(value, crc32(key, LAYOUT)).to_bytes(_LENGTH, "little")


def all_checked(keys: Sequence[bytes], stored: Iterable[bytes | None]) -> list[bytes | None]:
    """Return what `checked` says of each that is there: a call a value would cost a batch as much as its sum."""
    found = [
        one if one is None or (crc32(one, crc32(key, LAYOUT)) == _WHOLE and len(one) >= _LENGTH) else b""
        for key, one in zip(keys, stored, strict=True)
    ]
    if b"" in found:
        raise Altered
    return [None if one is None else one[:-_LENGTH] for one in found]


def checked(key: bytes, stored: bytes) -> bytes:
    """Return the value of what `summed` made; raise `Altered` for anything else."""
    # What is shorter than a sum has none: for a key whose own sum is right by chance, nothing at all would look whole.
    if crc32(stored, crc32(key, LAYOUT)) != _WHOLE or len(stored) < _LENGTH:
        raise Altered
    return stored[:-_LENGTH]
