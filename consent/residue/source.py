"""Bytes as decoders take them, wherever they lie, and what decoders give back."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

CHUNK: Final = 4 * 2**20
HEAD: Final = 4096


class Unreadable(Exception):
    """Bytes that are not what they seem to be; whoever searches lists them as unscanned and goes on."""


class Piece(NamedTuple):
    """Decoded bytes and where in the file they stand; neighbours have as much in common as a value is long."""

    where: str
    data: bytes | memoryview


class Member(NamedTuple):
    """A file within a file, to be decoded in its turn. `plain`: where no decoder knows it, it is read as it is."""

    name: str
    chunks: Iterator[bytes]
    plain: bool = False


class Unread(NamedTuple):
    """A part that could not be decoded, and why."""

    why: str


Content = Piece | Member | Unread


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes that can be read anywhere. `overlap` is what neighbouring pieces have in common, `path` its own place."""

    name: str
    size: int
    read: Callable[[int, int], bytes]
    overlap: int
    path: Path | None = None

    @classmethod
    def of(cls, name: str, data: bytes, overlap: int) -> "Source":
        """Return bytes in memory as a source."""
        return cls(name, len(data), lambda offset, length: data[offset : offset + length], overlap)

    @classmethod
    def file(cls, path: Path, descriptor: int, overlap: int) -> "Source":
        """Return an open file as a source; it is read and not mapped, since others may shorten it meanwhile."""

        def read(offset: int, length: int) -> bytes:
            return os.pread(descriptor, length, offset)

        return cls(path.name, os.fstat(descriptor).st_size, read, overlap, path)

    @property
    def head(self) -> bytes:
        """The first bytes, by which kinds are recognised."""
        return self.read(0, HEAD)

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from start to end in order, a few megabytes at a time."""
        end = self.size if end is None else min(end, self.size)
        while start < end and (chunk := self.read(start, min(CHUNK, end - start))):
            yield chunk
            start += len(chunk)

    def pieces(self, where: str, start: int = 0, end: int | None = None) -> Iterator[Piece]:
        """Yield the bytes from start to end as pieces, none of which may hide a value at its edge."""
        return (Piece(where, data) for data in overlapping(self.chunks(start, end), self.overlap))


def overlapping(chunks: Iterable[bytes], overlap: int) -> Iterator[bytes]:
    """Yield the chunks, each beginning with the end of those before it."""
    tail = b""
    for chunk in chunks:
        data = tail + chunk
        yield data
        tail = data[-overlap:] if overlap else b""


@dataclass(frozen=True, slots=True)
class Decoder:
    """One kind of bytes: its name, how it is recognised by name and first bytes, what it says, and its canaries.

    `plain` says that the contents are all the bytes as they are, which need no second search. `canaries` makes files of
    this kind, by name, in which a value is hidden as deep as the kind allows.
    """

    name: str
    recognises: Callable[[Source], bool]
    contents: Callable[[Source], Iterator[Content]]
    canaries: Callable[[str], Mapping[str, bytes]]
    plain: bool = False


def halves(value: str) -> tuple[str, str]:
    """Return two texts after which a compressed stream tells the value as copies of them, and no more as it is."""
    middle = len(value) // 2
    return f"{value[:middle]}#", f"#{value[middle:]}"
