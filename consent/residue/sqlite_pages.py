"""Where a page of SQLite leads on to another: long values go on from page to page, and so do those that were deleted.

Of what still has its cell the format says where its value goes on. Of what lost it, in free pages, free blocks and the
gap between cells, every four bytes that could be the number of a page are taken for one.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13
_HEADERS: Final = {INTERIOR_INDEX: 12, INTERIOR_TABLE: 12, LEAF_INDEX: 8, LEAF_TABLE: 8}
_LONGEST_VARINT: Final = 9


class Shape(NamedTuple):
    """What a database file says of its pages: their size, and how much of each holds content."""

    size: int
    usable: int

    @classmethod
    def of(cls, header: bytes) -> "Shape":
        """Return the shape by the first 100 bytes of a database."""
        size = int.from_bytes(header[16:18], "big")
        size = 65_536 if size == 1 else size
        return cls(size, size - header[20])

    @property
    def valid(self) -> bool:
        """Whether SQLite could have written it."""
        return 512 <= self.size <= 65_536 and self.size & (self.size - 1) == 0 and self.usable >= 480


def leads(page: bytes, shape: Shape, number: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield where content of a page ends, and the number of the page where it goes on.

    `number` is its own number, `count` the largest that there is.
    """
    follower = int.from_bytes(page[:4], "big")
    if 1 < follower <= count:
        yield shape.usable, follower  # it goes on as a page of overflow does
    start = 100 if number == 1 else 0
    kind = page[start]
    if kind not in _HEADERS:
        # What was a page of overflow and is now free, or a head that was written over: pages often follow each other.
        if number < count:
            yield shape.usable, number + 1
        yield from _possible(page, 0, shape.usable, count)
        return
    cells = int.from_bytes(page[start + 3 : start + 5], "big")
    content = int.from_bytes(page[start + 5 : start + 7], "big") or 65_536
    first = start + _HEADERS[kind]
    if kind != INTERIOR_TABLE:
        for at in struct.unpack_from(f">{min(cells, (shape.usable - first) // 2)}H", page, first):
            yield from _cell(page, at, kind, shape, count)
    yield from _possible(page, first, min(content, shape.usable), count)
    block = int.from_bytes(page[start + 1 : start + 3], "big")
    for _ in range(shape.usable // 4):
        if not first <= block <= shape.usable - 4:
            break
        size = int.from_bytes(page[block + 2 : block + 4], "big")
        yield from _possible(page, block + 4, min(block + size, shape.usable), count)
        block = int.from_bytes(page[block : block + 2], "big")


def _cell(page: bytes, at: int, kind: int, shape: Shape, count: int) -> Iterator[tuple[int, int]]:
    at += 4 if kind == INTERIOR_INDEX else 0
    if at + 1 >= shape.usable or page[at] < 0x80:
        return
    size, at = _varint(page, at)
    if kind == LEAF_TABLE:
        _, at = _varint(page, at)
    local = local_size(size, kind, shape.usable)
    if local < size and at + local + 4 <= shape.usable:
        follower = int.from_bytes(page[at + local : at + local + 4], "big")
        if 1 < follower <= count:
            yield at + local, follower


def local_size(size: int, kind: int, usable: int) -> int:
    """Return how much of a value stays in its cell (SQLite's file format, section 1.6)."""
    most = usable - 35 if kind == LEAF_TABLE else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    wanted = least + (size - least) % (usable - 4)
    return wanted if wanted <= most else least


def _varint(page: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(page[at : at + _LONGEST_VARINT]):
        if index == _LONGEST_VARINT - 1:
            return (value << 8) | byte, at + _LONGEST_VARINT
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + index + 1
    return 0, len(page)


def _possible(page: bytes, start: int, end: int, count: int) -> Iterator[tuple[int, int]]:
    if end - start < 4:
        return
    data = np.frombuffer(page, np.uint8, end - start, start).astype(np.uint32)
    numbers = (data[:-3] << 24) | (data[1:-2] << 16) | (data[2:-1] << 8) | data[3:]
    for index in np.flatnonzero((numbers > 1) & (numbers <= count)).tolist():
        yield start + index, int(numbers[index])
