"""RocksDB's tables (SST files), as the state of streams keeps them: blocks opened, and keys made whole again.

A block tells of each key only what differs from the one before it, so a key is found nowhere in the bytes.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import pyarrow as pa

from consent.residue.source import Content, Decoder, Piece, Source, Unreadable
from consent.residue.streams import bunzipped, framed, raw_block, snappy_block

_MAGICS: Final = (bytes.fromhex("f7cff485b741e288"), bytes.fromhex("57fb808b247547db"))
_FOOTER: Final = 53
_TRAILER: Final = 5
_INDEX: Final = b"rocksdb.index"
_IN_PARTS: Final = 2
_DIFFERENCES_SINCE, _NEWEST = 4, 6
_NONE, _SNAPPY, _ZLIB, _BZIP2, _LZ4, _LZ4HC, _ZSTD = 0, 1, 2, 3, 4, 5, 7


class _Handle(NamedTuple):
    """Where a block lies."""

    offset: int
    size: int


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Unreadable("a number in a table of RocksDB that does not end")


def _handle(data: bytes, at: int = 0) -> tuple[_Handle, int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return _Handle(offset, size), at


def _contents(source: Source) -> Iterator[Content]:
    footer = source.read(max(source.size - _FOOTER, 0), _FOOTER)
    if footer[-8:] not in _MAGICS:
        raise Unreadable("not the whole table of RocksDB that it is named as")
    version = int.from_bytes(footer[-12:-8], "little") if footer[-8:] == _MAGICS[0] else 0
    named, index = _meta(source, footer, version)
    properties = dict(_entries(_block(source, named[b"rocksdb.properties"]))) if b"rocksdb.properties" in named else {}
    for name, handle in named.items():
        if name != _INDEX and b"filter" not in name:
            yield from _told(source, handle, name.decode("ascii", "replace"))
    parts = int.from_bytes(properties.get(b"rocksdb.block.based.table.index.type", b"")[:4], "little") == _IN_PARTS
    for handle in _leaves(source, index, version):
        blocks = _leaves(source, handle, version) if parts else (handle,)
        for block in blocks:
            yield from _told(source, block, "records")


def _meta(source: Source, footer: bytes, version: int) -> tuple[dict[bytes, _Handle], _Handle]:
    """Return where the named blocks lie, and the index."""
    if version > _NEWEST:
        raise Unreadable("a table of RocksDB in a format newer than its decoder")
    if version == _NEWEST:  # the meta index lies right before the footer, and names the index
        size = int.from_bytes(footer[13:17], "little")
        named = _named(source, _Handle(source.size - _FOOTER - _TRAILER - size, size))
        return named, named[_INDEX]
    body = footer[1:] if version else footer[5:]  # the first ones had no byte for the kind of checksum
    meta, at = _handle(body)
    return _named(source, meta), _handle(body, at)[0]


def _named(source: Source, meta: _Handle) -> dict[bytes, _Handle]:
    return {name: _handle(told)[0] for name, told in _entries(_block(source, meta))}


def _told(source: Source, handle: _Handle, where: str) -> Iterator[Content]:
    block = _block(source, handle)
    yield Piece(where, block)
    keys = b"\n".join(key for key, _ in _entries(block))
    yield Piece(f"{where}, keys", keys)


def _leaves(source: Source, index: _Handle, version: int) -> Iterator[_Handle]:
    """Yield the blocks that an index names."""
    block = _block(source, index)
    if version < _DIFFERENCES_SINCE:
        yield from (_handle(told)[0] for _, told in _entries(block))
        return
    # A handle tells only how much its size differs from the one before it, unless its key is whole.
    end, at, last = _end(block), 0, _Handle(0, 0)
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        at += own
        if shared:
            raw, at = _varint(block, at)
            last = _Handle(last.offset + last.size + _TRAILER, last.size + ((raw >> 1) ^ -(raw & 1)))
        else:
            last, at = _handle(block, at)
        yield last


def _block(source: Source, handle: _Handle) -> bytes:
    raw = source.read(handle.offset, handle.size + 1)
    if handle.size > source.size or len(raw) <= handle.size:
        raise Unreadable("a table of RocksDB that ends too early")
    kind, data = raw[-1], raw[:-1]
    if kind == _NONE:
        return data
    if kind == _SNAPPY:
        return snappy_block(pa.Codec("snappy"), data)
    size, at = _varint(data, 0)
    if kind in (_LZ4, _LZ4HC):
        return raw_block(pa.Codec("lz4_raw"), data[at:], size)
    if kind == _ZLIB:
        try:
            return zlib.decompress(data[at:], -15)
        except zlib.error:
            raise Unreadable("a block of RocksDB that cannot be opened") from None
    if kind == _BZIP2:
        return b"".join(bunzipped(iter([data[at:]])))
    if kind == _ZSTD:
        return b"".join(framed("zstd")(iter([data[at:]])))
    raise Unreadable("a block of RocksDB in a codec without a decoder")


def _end(block: bytes) -> int:
    return len(block) - 4 - 4 * (int.from_bytes(block[-4:], "little") & 0x0FFF_FFFF)


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block."""
    end, at, key = _end(block), 0, b""
    while 0 <= at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        size, at = _varint(block, at)
        if at + own + size > end or shared > len(key):
            raise Unreadable("a block of RocksDB that is no list of keys and values")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size


def _canaries(value: str) -> Mapping[str, bytes]:
    """Return a table of one block whose second key tells only its end."""
    raw = value.encode()
    first = raw[:20] + b"!" + bytes(8)
    block = _written(
        b"\0" + bytes([len(first), 1]) + first + b"1", bytes([20, len(raw) - 12, 1]) + raw[20:] + bytes(8) + b"2"
    )
    data = _packed(block)
    handle = b"\0" + _number(len(data) - _TRAILER)
    index = _written(b"\0\x01" + bytes([len(handle)]) + b"z" + handle) + bytes(_TRAILER)
    meta = _written() + bytes(_TRAILER)
    at = _number(len(data) + len(index)) + _number(len(meta) - _TRAILER)
    at += _number(len(data)) + _number(len(index) - _TRAILER)
    footer = b"\x01" + at.ljust(40, b"\0") + (2).to_bytes(4, "little") + _MAGICS[0]
    return {"000007.sst": data + index + meta + footer}


def _written(*entries: bytes) -> bytes:
    return b"".join(entries) + bytes(4) + (1).to_bytes(4, "little")


def _packed(block: bytes) -> bytes:
    return _number(len(block)) + bytes(pa.Codec("lz4_raw").compress(block)) + bytes([_LZ4]) + bytes(4)


def _number(value: int) -> bytes:
    low = b""
    while value >= 0x80:
        low, value = low + bytes([value & 0x7F | 0x80]), value >> 7
    return low + bytes([value])


def _recognises(source: Source) -> bool:
    return source.size > _FOOTER and source.read(source.size - 8, 8) in _MAGICS


ROCKSDB: Final = Decoder("rocksdb", _recognises, _contents, _canaries)
