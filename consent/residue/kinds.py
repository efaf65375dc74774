"""All decoders, in the order in which they are asked, and which of them each kind of store is held to."""

from collections.abc import Mapping
from typing import Final

from consent.residue.decoders import archives, arrow, kafka, lmdb, packed, parquet, plain, rocksdb, sqlite, text
from consent.residue.model import PlaceKind
from consent.residue.source import Decoder

# What is named by its own sign comes first; text, which has none, comes after, and zlib, whose sign is short, last.
DECODERS: Final[tuple[Decoder, ...]] = (
    parquet.PARQUET,
    sqlite.SQLITE,
    sqlite.SQLITE_LOG,
    sqlite.SQLITE_JOURNAL,
    plain.SQLITE_SHM,
    lmdb.LMDB,
    plain.LMDB_LOCK,
    plain.HADOOP_CHECKSUM,
    plain.DELETION_VECTOR,
    plain.KAFKA_SIDE_FILE,
    kafka.KAFKA,
    packed.GZIP,
    packed.BZIP2,
    packed.XZ,
    packed.ZSTD,
    packed.LZ4,
    packed.SNAPPY,
    packed.STATE_LZ4,
    packed.STATE_SNAPPY,
    archives.ZIP,
    archives.TAR,
    arrow.ARROW,
    rocksdb.ROCKSDB,
    plain.STATE_SCHEMA,
    plain.ARRAY,
    plain.PICKLE,
    text.TEXT,
    packed.ZLIB,
)

# Held to their canaries in every scan of such a store, whether a file of theirs lies in it or not.
_PACKED: Final = ("gzip", "bzip2", "xz", "zstd", "lz4", "zlib", "zip")
EXPECTED: Final[Mapping[PlaceKind, tuple[str, ...]]] = {
    "delta": ("parquet", "text", "deletion vector", "hadoop checksum"),
    "sqlite": ("sqlite", "sqlite log"),
    "lmdb": ("lmdb",),
    "spool": ("text", "gzip", "zstd"),
    "kafka": ("kafka segment", "kafka index"),
    "files": ("text", "parquet", *_PACKED),
    "state": ("java-lz4", "zstd", "java-snappy", "rocksdb", "zip", "text"),
    "logs": ("text", "gzip", "zip"),
}
