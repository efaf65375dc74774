"""A purpose's view of a person as one value: ETag, the tokens under which it may be refused, answer.

They lie together so that a read is one look-up: whoever finds an answer has found what it is held against. The same
tokens, one a line, lie under the person's own key, by which they are found and put into each view anew.
"""

from typing import Final

ETAG_BYTES: Final = 18
_SIZED: Final = 3
HEAD: Final = ETAG_BYTES + _SIZED
# Stands for a list that is not known: then nobody can tell what was refused, and nothing is shown.
_UNKNOWN: Final = 2 ** (8 * _SIZED) - 1


def packed(tag: bytes, body: bytes, held: bytes | None) -> bytes:
    """Return what is stored of an answer and the list of tokens, of which None says that it is not known."""
    size = _UNKNOWN if held is None else len(held)
    return b"".join((tag, size.to_bytes(_SIZED, "big"), held or b"", body))


def unpacked(stored: bytes) -> tuple[bytes, bytes | None, bytes]:
    """Return ETag, list and answer of what `packed` made."""
    size = int.from_bytes(stored[ETAG_BYTES:HEAD], "big")
    if size == _UNKNOWN:
        return stored[:ETAG_BYTES], None, stored[HEAD:]
    return stored[:ETAG_BYTES], stored[HEAD : HEAD + size], stored[HEAD + size :]


def answered(stored: bytes) -> bytes:
    """Return the answer of what `packed` made."""
    return unpacked(stored)[2]


def held_anew(stored: bytes, held: bytes | None) -> bytes:
    """Return a stored view under another list."""
    tag, _, body = unpacked(stored)
    return packed(tag, body, held)
