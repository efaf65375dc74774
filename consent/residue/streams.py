"""What was compressed as a stream, opened piece by piece: nothing is held whole, and nothing expands without bound."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import pyarrow as pa

from consent.residue.source import CHUNK, Unreadable

_GZIP_OR_ZLIB: Final = 47
LZ4_BLOCK: Final = b"LZ4Block"
XERIAL: Final = b"\x82SNAPPY\x00"
SNAPPY_FRAMED: Final = b"\xff\x06\x00\x00sNaPpY"
_LARGEST_BLOCK: Final = 256 * 2**20


class _Inflating(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what gzip (any number of members) or zlib packed."""
    return _members(chunks, lambda: zlib.decompressobj(_GZIP_OR_ZLIB), _inflate)


def bunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what bzip2 packed."""
    return _members(chunks, bz2.BZ2Decompressor, _decompress)


def unxz(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what xz or lzma packed."""
    return _members(chunks, lzma.LZMADecompressor, _decompress)


def _inflate(opened: Any, data: bytes) -> Iterator[bytes]:
    while data:
        yield opened.decompress(data, CHUNK)
        data = opened.unconsumed_tail


def _decompress(opened: Any, data: bytes) -> Iterator[bytes]:
    yield opened.decompress(data, CHUNK)
    while not opened.eof and not opened.needs_input:
        yield opened.decompress(b"", CHUNK)


def _members(
    chunks: Iterator[bytes], begin: Callable[[], _Inflating], step: Callable[[Any, bytes], Iterator[bytes]]
) -> Iterator[bytes]:
    opened, begun = begin(), False
    try:
        for chunk in chunks:
            data = chunk
            while data:
                begun = True
                yield from (part for part in step(opened, data) if part)
                data = opened.unused_data if opened.eof else b""
                if opened.eof:
                    opened, begun, data = begin(), False, data.lstrip(b"\0")
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        raise Unreadable("what follows is no more of the compressed stream that it began as") from None
    if begun:
        raise Unreadable("a compressed stream that ends too early")


class _Reading(io.RawIOBase):
    """Chunks as a file, for those who read files."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def framed(codec: str) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """Return the opener of streams of frames, `zstd` or `lz4`."""

    def opened(chunks: Iterator[bytes]) -> Iterator[bytes]:
        reading = _Reading(chunks)
        try:
            with pa.CompressedInputStream(pa.PythonFile(reading, mode="r"), codec) as stream:
                while part := stream.read(CHUNK):
                    yield part
        except (OSError, pa.ArrowInvalid):
            raise Unreadable(f"what follows is no more of the {codec} stream that it began as") from None

    return opened


class Bytes:
    """Chunks from which so many bytes at a time are taken."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def take(self, count: int) -> bytes:
        """Return the next bytes, fewer only at the end."""
        parts, missing = [self._rest], count - len(self._rest)
        while missing > 0 and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            missing -= len(chunk)
        whole = b"".join(parts)
        self._rest = whole[count:]
        return whole[:count]

    def exactly(self, count: int) -> bytes:
        """Return the next bytes; raise `Unreadable` where there are fewer."""
        if not 0 <= count <= _LARGEST_BLOCK or len(data := self.take(count)) < count:
            raise Unreadable("a compressed stream that ends too early")
        return data


def lz4_blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what Java's LZ4BlockOutputStream packed: how Spark keeps the state of streams."""
    data, codec = Bytes(chunks), pa.Codec("lz4_raw")
    while magic := data.take(len(LZ4_BLOCK)):
        head = data.exactly(13)
        if magic != LZ4_BLOCK:
            raise Unreadable("what follows is no more of the LZ4 blocks that it began as")
        packed, plain = (int.from_bytes(head[at : at + 4], "little") for at in (1, 5))
        block = data.exactly(packed)
        if plain:
            yield block if head[0] & 0xF0 == 0x10 else raw_block(codec, block, plain)


def xerial(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what Java's SnappyOutputStream packed: Kafka's snappy, and Spark's."""
    data, codec = Bytes(chunks), pa.Codec("snappy")
    if not data.exactly(16).startswith(XERIAL):
        raise Unreadable("not the blocks of snappy that it seemed to be")
    while length := data.take(4):
        if length == XERIAL[:4]:  # streams may follow one another
            data.exactly(12)
            continue
        yield snappy_block(codec, data.exactly(int.from_bytes(length, "big")))


def snappy_frames(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what snappy's own framing format packed."""
    data, codec = Bytes(chunks), pa.Codec("snappy")
    while head := data.take(4):
        block = data.exactly(int.from_bytes(head[1:], "little"))
        if head[0] == 0:
            yield snappy_block(codec, block[4:])
        elif head[0] == 1:
            yield block[4:]
        elif head[0] < 0x80:
            raise Unreadable("a frame of snappy that must not be passed over")


def snappy_block(codec: pa.Codec, block: bytes) -> bytes:
    """Return what one raw block of snappy holds; it begins with its length."""
    size = shift = 0
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return raw_block(codec, block, size)


def raw_block(codec: pa.Codec, block: bytes, size: int) -> bytes:
    """Return what one compressed block holds; raise `Unreadable` where it is none of so many bytes."""
    if not 0 <= size <= _LARGEST_BLOCK:
        raise Unreadable("a compressed block of a size that nobody writes")
    try:
        return bytes(codec.decompress(block, decompressed_size=size, asbytes=True))
    except (OSError, pa.ArrowInvalid):
        raise Unreadable("a compressed block that cannot be opened") from None
