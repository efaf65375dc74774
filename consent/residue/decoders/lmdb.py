"""LMDB: all pages as they lie, free ones too. A long value's pages follow one another without anything between."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import lmdb

from consent.residue.source import Content, Decoder, Source

_MAGIC: Final = b"\xde\xc0\xef\xbe"
_MAGIC_AT: Final = 16
_MAP_SIZE: Final = 2**20


def _recognises(source: Source) -> bool:
    return source.read(_MAGIC_AT, 4) == _MAGIC


def _contents(source: Source) -> Iterator[Content]:
    return source.pieces("pages")


def _canaries(value: str) -> Mapping[str, bytes]:
    """Return an environment from which the value was deleted: it stands on free pages, across their edges."""
    long = (value * (12_000 // len(value))).encode()
    with tempfile.TemporaryDirectory() as folder:
        environment = lmdb.open(folder, map_size=_MAP_SIZE)
        with environment.begin(write=True) as transaction:
            transaction.put(b"k", long)
        with environment.begin(write=True) as transaction:
            transaction.delete(b"k")
        environment.close()
        return {"data.mdb": (Path(folder) / "data.mdb").read_bytes()}


LMDB: Final = Decoder("lmdb", _recognises, _contents, _canaries, plain=True)
