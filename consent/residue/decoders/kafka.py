"""Segments of Kafka: batches of records, opened where they are compressed, in the format since 0.11 or before."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa
from kafka.record.memory_records import MemoryRecordsBuilder

from consent.residue.source import Content, Decoder, Member, Source, Unread
from consent.residue.streams import XERIAL, framed, inflated, snappy_block, xerial

_NAME: Final = re.compile(r"\d{20}\.log(\.deleted|\.cleaned|\.swap)?")
_BATCH_HEAD: Final = 12
_MAGIC_AT: Final = 16
_RECORDS_AT: Final = 61
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_NAMES: Final = {_GZIP: "gzip", _SNAPPY: "snappy", _LZ4: "lz4", _ZSTD: "zstd"}
_LARGEST: Final = 256 * 2**20


def _contents(source: Source) -> Iterator[Content]:
    at = 0
    while at + _BATCH_HEAD < source.size:
        head = source.read(at, _RECORDS_AT + 8)
        size = int.from_bytes(head[8:12], "big")
        whole = _BATCH_HEAD + size
        if size <= 0 or size > _LARGEST or at + whole > source.size or head[_MAGIC_AT] > 2:
            if any(any(chunk) for chunk in source.chunks(at)):
                yield Unread("what stands at the end is no whole batch of records")
            return
        yield from _batch(source, at, whole, head)
        at += whole


def _batch(source: Source, at: int, whole: int, head: bytes) -> Iterator[Content]:
    if head[_MAGIC_AT] == 2:
        codec = int.from_bytes(head[21:23], "big") & 7
        if codec:
            yield _opened(codec, source.read(at + _RECORDS_AT, whole - _RECORDS_AT))
        return
    codec = head[17] & 7
    if codec:
        key_at = at + (26 if head[_MAGIC_AT] else 18)
        key = max(int.from_bytes(source.read(key_at, 4), "big", signed=True), 0)
        value_at = key_at + 4 + key + 4
        yield _opened(codec, source.read(value_at, at + whole - value_at))


def _opened(codec: int, packed: bytes) -> Content:
    chunks = iter([packed])
    if codec == _SNAPPY:
        bare = not packed.startswith(XERIAL)
        opened = iter([snappy_block(pa.Codec("snappy"), packed)]) if bare else xerial(chunks)
    elif codec == _GZIP:
        opened = inflated(chunks)
    elif codec in _NAMES:
        opened = framed(_NAMES[codec])(chunks)
    else:
        return Unread("a batch in a codec that Kafka does not have")
    return Member(f"batch, {_NAMES[codec]}", opened, plain=True)


def _recognises(source: Source) -> bool:
    head = source.head
    named = _NAME.fullmatch(source.name) is not None
    return named and (source.size == 0 or (len(head) > _MAGIC_AT and head[_MAGIC_AT] <= 2))


def _canaries(value: str) -> Mapping[str, bytes]:
    records = MemoryRecordsBuilder(magic=2, compression_type=_GZIP, batch_size=2**16)
    records.append(timestamp=1, key=b"k", value=value.encode() * 2, headers=[])
    records.close()
    return {"00000000000000000000.log": records.buffer()}


KAFKA: Final = Decoder("kafka segment", _recognises, _contents, _canaries)
