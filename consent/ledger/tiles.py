"""The tree as tiles: eight levels of complete subtrees at a time, so that a proof reads a few rows and hashes little.

A full tile never changes. Of each level only the tile at the right edge grows, so sealing a batch writes those and
what is new.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from consent.ledger.merkle import HASH_SIZE

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
TILE_BYTES: Final = (2 * WIDTH - 2) * HASH_SIZE
_LEVEL_BITS: Final = 48

TileId = int


def tile_id(storey: int, index: int) -> TileId:
    """Return the number of a tile: its storey (of eight levels each) and its place in it."""
    return storey << _LEVEL_BITS | index


def edge(size: int) -> Iterator[TileId]:
    """Yield the unfinished tiles at the right edge of a tree: all that its growth depends on."""
    for storey in count():
        nodes = size >> (storey * HEIGHT)
        if not nodes:
            return
        if nodes & (WIDTH - 1):
            yield tile_id(storey, nodes >> HEIGHT)


def around(index: int, size: int) -> Iterator[TileId]:
    """Yield the tiles that the proof of a leaf may look into: those above it and those at the right edge."""
    for storey in count():
        nodes = size >> (storey * HEIGHT)
        if not nodes:
            return
        places = {index >> (HEIGHT * (storey + 1)), (nodes - 1) >> HEIGHT, nodes >> HEIGHT}
        yield from (tile_id(storey, place) for place in sorted(places) if place << HEIGHT < nodes)


class Tiles:
    """The tiles at hand; `changed` names those that growth has touched."""

    def __init__(self, size: int = 0, held: Mapping[TileId, bytes] | None = None) -> None:
        self.size = size
        self.held = {tile: bytearray(content) for tile, content in (held or {}).items()}
        self.changed: set[TileId] = set()

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree; raise `KeyError` where its tile is not at hand."""
        tile, offset = _place(level, index)
        return bytes(self.held[tile][offset : offset + HASH_SIZE])

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaves' hashes and every complete subtree that they complete."""
        if not leaves:
            return
        sha256, row, start, level = hashlib.sha256, list(leaves), self.size, 0
        while row:
            self._put(level, start, row)
            if start & 1:
                row.insert(0, self.node(level, start - 1))
                start -= 1
            pairs = iter(row)
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
            start, level = start >> 1, level + 1
        self.size += len(leaves)

    def _put(self, level: int, start: int, row: Sequence[bytes]) -> None:
        width, done = WIDTH >> (level % HEIGHT), 0
        while done < len(row):
            at = start + done
            part = row[done : done + width - at % width]
            tile, offset = _place(level, at)
            content = self.held.setdefault(tile, bytearray(TILE_BYTES))
            content[offset : offset + HASH_SIZE * len(part)] = b"".join(part)
            self.changed.add(tile)
            done += len(part)


def of(leaves: Iterable[bytes]) -> Tiles:
    """Return the whole tree over leaves' hashes."""
    tiles = Tiles()
    tiles.extend(list(leaves))
    return tiles


def _place(level: int, index: int) -> tuple[TileId, int]:
    storey, inside = divmod(level, HEIGHT)
    bits = HEIGHT - inside
    first = 2 * WIDTH - (2 * WIDTH >> inside)  # where this level begins in a tile: after 256, 128, … hashes
    return tile_id(storey, index >> bits), HASH_SIZE * (first + (index & ((1 << bits) - 1)))
