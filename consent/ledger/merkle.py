"""The Merkle tree of RFC 9162 (section 2.1) as rules: hashes, roots, proofs and their verification.

A tree is known here by its complete subtrees: `Node` answers with the hash of the one at a level (0: leaves) and an
index. Whoever keeps those, in memory or in tiles, can prove anything with a few look-ups.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

Node = Callable[[int, int], bytes]

EMPTY: Final = hashlib.sha256(b"").digest()
HASH_SIZE: Final = 32


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf; its first byte keeps a leaf from ever being taken for a node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(size: int, node: Node) -> bytes:
    """Return the root over the first `size` leaves."""
    return _span(0, size, node) if size else EMPTY


def inclusion(index: int, size: int, node: Node) -> tuple[bytes, ...]:
    """Return the proof that a leaf is in the tree of a size: the hashes beside its way up, the lowest first."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    beside, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start = middle
    return tuple(_span(low, high, node) for low, high in reversed(beside))


def consistency(first: int, second: int, node: Node) -> tuple[bytes, ...]:
    """Return the proof that the tree of one size is the beginning of the tree of another."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} is no beginning of a tree of {second}")
    if first in {0, second}:
        return ()
    beside, start, end = [], 0, second
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start = middle
    if start:  # the first tree is no complete subtree of the second: its last part has to be told
        beside.append((start, end))
    return tuple(_span(low, high, node) for low, high in reversed(beside))


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> bool:
    """Say whether a proof leads from a leaf to the root of the tree of this size (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, reached = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached = node_hash(beside, reached)
            at, last = _risen(at, last)
        else:
            reached = node_hash(reached, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and reached == head


def consistent(first: int, second: int, proof: Sequence[bytes], before: bytes, after: bytes) -> bool:
    """Say whether a proof shows that nothing of an earlier tree was changed (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and before == after
    if first == 0:
        return not proof and before == EMPTY
    if not proof:
        return False
    path = [before, *proof] if first & (first - 1) == 0 else list(proof)
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for beside in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(beside, old), node_hash(beside, new)
            at, last = _risen(at, last)
        else:
            new = node_hash(new, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and old == before and new == after


class Frontier:
    """A tree of which only the complete subtrees at its right edge are kept: leaves go by, and the root is known."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Take in the next leaf's hash."""
        joined, size = leaf, self.size
        while size & 1:
            joined, size = node_hash(self._edge.pop(), joined), size >> 1
        self._edge.append(joined)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        return _folded(iter(reversed(self._edge))) if self._edge else EMPTY


def _span(start: int, end: int, node: Node) -> bytes:
    """Return the root over some leaves; `start` is a multiple of the complete subtree that begins there."""
    return _folded(iter([node(level, index) for level, index in _complete(start, end)][::-1]))


def _complete(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the complete subtrees that make up a span, the largest first."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _folded(from_right: Iterator[bytes]) -> bytes:
    folded = next(from_right)
    for left in from_right:
        folded = node_hash(left, folded)
    return folded


def _split(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)


def _risen(at: int, last: int) -> tuple[int, int]:
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last
