"""Formats that keep values as they are: nothing is opened, but the kind is known, so that it counts as read."""

import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from consent.residue.source import Content, Decoder, Source

_KAFKA_SIDE_FILE: Final = re.compile(r"\d{20}\.(index|timeindex|txnindex|snapshot)|.*\.checkpoint.*")
_DELETION_VECTOR: Final = re.compile(r"deletion_vector_.*\.bin")
_PICKLE_PROTOCOLS: Final = range(2, 6)


def _contents(source: Source) -> Iterator[Content]:
    return source.pieces("bytes")


def _plain(name: str, recognises: Callable[[Source], bool], file: str, around: tuple[bytes, bytes]) -> Decoder:
    def canaries(value: str) -> Mapping[str, bytes]:
        return {file: around[0] + value.encode() + around[1]}

    return Decoder(name, recognises, _contents, canaries, plain=True)


def _is_pickle(source: Source) -> bool:
    head = source.head
    return len(head) > 1 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS


# Delta keeps the numbers of deleted rows in these, never a value.
DELETION_VECTOR: Final = _plain(
    "deletion vector",
    lambda source: _DELETION_VECTOR.fullmatch(source.name) is not None and source.head[:1] == b"\x01",
    "deletion_vector_0.bin",
    (b"\x01\0\0\0\x22\xd1\xd3\x39\x64", b"\0\0\0\0"),
)
HADOOP_CHECKSUM: Final = _plain(
    "hadoop checksum", lambda source: source.head.startswith(b"crc\0"), ".0.json.crc", (b"crc\0\0\0\x02\0", b"\0")
)
KAFKA_SIDE_FILE: Final = _plain(
    "kafka index",
    lambda source: _KAFKA_SIDE_FILE.fullmatch(source.name) is not None,
    "00000000000000000000.timeindex",
    (b"\0\0\x01\x8f", b"\0\0\0\0"),
)
LMDB_LOCK: Final = _plain(
    "lmdb lock", lambda source: source.name in {"lock.mdb", "data.mdb-lock"}, "lock.mdb", (b"\xde\xc0\xef\xbe\0", b"\0")
)
SQLITE_SHM: Final = _plain(
    "sqlite index", lambda source: source.name.endswith("-shm"), "canary.db-shm", (b"\x18\xe2\x2d\0", b"\0")
)
PICKLE: Final = Decoder(
    "pickle", _is_pickle, _contents, lambda value: {"model.pickle": pickle.dumps({"seen": [value]})}, plain=True
)


def _array(value: str) -> Mapping[str, bytes]:
    array = np.array([value.encode()])
    shape = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': (1,), }}".ljust(117) + "\n"
    return {"vocabulary.npy": b"\x93NUMPY\x01\x00\x76\x00" + shape.encode() + array.tobytes()}


# Java's text with its length before it: how Spark writes down of what shape a stream's state is.
STATE_SCHEMA: Final = _plain(
    "state schema", lambda source: source.head.startswith(b"\0\x02v"), "schema", (b"\0\x02v3\0\x30", b"")
)
ARRAY: Final = Decoder("numpy", lambda source: source.head.startswith(b"\x93NUMPY"), _contents, _array, plain=True)
