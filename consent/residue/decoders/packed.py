"""Compressed streams, each opened and decoded as the file that it holds: sources, exports, the state of streams."""

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pyarrow as pa

from consent.residue import streams
from consent.residue.decoders.text import is_text
from consent.residue.source import Content, Decoder, Member, Source, halves

# How Spark names the changes and snapshots of a stream's state; within are rows in a form of its own.
_STATE: Final = re.compile(r"\d+(_[^.]*)?\.(delta|snapshot|changelog)")
Opener = Callable[[Iterator[bytes]], Iterator[bytes]]


def _packed(
    name: str, ending: str, opener: Opener, magics: tuple[bytes, ...], pack: Callable[[bytes], bytes]
) -> Decoder:
    def recognises(source: Source) -> bool:
        return source.head.startswith(magics)

    def contents(source: Source) -> Iterator[Content]:
        state = _STATE.fullmatch(source.name) is not None
        yield Member(source.name.removesuffix(ending), opener(source.chunks()), plain=state)

    def canaries(value: str) -> Mapping[str, bytes]:
        return {f"canary.ndjson{ending}": pack(f"{halves(value)} {value}\n".encode() * 3)}

    return Decoder(name, recognises, contents, canaries)


def _frames(codec: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(data)
        return bytes(sink.getvalue())

    return pack


def _java_lz4(data: bytes) -> bytes:
    block = bytes(pa.Codec("lz4_raw").compress(data))
    sizes = len(block).to_bytes(4, "little") + len(data).to_bytes(4, "little")
    return streams.LZ4_BLOCK + b"\x26" + sizes + bytes(4) + block


def _java_snappy(data: bytes) -> bytes:
    block = bytes(pa.Codec("snappy").compress(data))
    return streams.XERIAL + (1).to_bytes(4, "big") * 2 + len(block).to_bytes(4, "big") + block


def _framed_snappy(data: bytes) -> bytes:
    block = bytes(pa.Codec("snappy").compress(data))
    return streams.SNAPPY_FRAMED + b"\0" + (len(block) + 4).to_bytes(3, "little") + bytes(4) + block


def _is_zlib(source: Source) -> bool:
    head = source.head
    looks = len(head) > 1 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and int.from_bytes(head[:2], "big") % 31 == 0
    return looks and not is_text(head)


GZIP: Final = _packed("gzip", ".gz", streams.inflated, (b"\x1f\x8b",), gzip.compress)
BZIP2: Final = _packed("bzip2", ".bz2", streams.bunzipped, (b"BZh",), bz2.compress)
XZ: Final = _packed("xz", ".xz", streams.unxz, (b"\xfd7zXZ\x00", b"\x5d\x00\x00"), lzma.compress)
ZSTD: Final = _packed("zstd", ".zst", streams.framed("zstd"), (b"\x28\xb5\x2f\xfd",), _frames("zstd"))
LZ4: Final = _packed("lz4", ".lz4", streams.framed("lz4"), (b"\x04\x22\x4d\x18",), _frames("lz4"))
SNAPPY: Final = _packed("snappy", ".sz", streams.snappy_frames, (streams.SNAPPY_FRAMED,), _framed_snappy)
# How Spark writes the changes and snapshots of a stream's state, by `spark.io.compression.codec`.
STATE_LZ4: Final = _packed("java-lz4", ".delta", streams.lz4_blocks, (streams.LZ4_BLOCK,), _java_lz4)
STATE_SNAPPY: Final = _packed("java-snappy", ".snapshot", streams.xerial, (streams.XERIAL,), _java_snappy)

_ZLIB: Final = _packed("zlib", ".z", streams.inflated, (), zlib.compress)
ZLIB: Final = Decoder("zlib", _is_zlib, _ZLIB.contents, _ZLIB.canaries)
