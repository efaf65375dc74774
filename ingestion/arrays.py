"""Rows of a JSON file that is one array, or holds one: each entry is a row, as if it stood in a line of its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import pyarrow as pa

from ingestion.lines import Lines
from ingestion.packed import open_bytes
from ingestion.read import Batch

Kind = TypeVar("Kind")
# The file is held as bytes while it is read; its entries are taken apart one by one.
LARGEST: Final = 1 << 30


class NoArray(ValueError):
    """What a JSON file is instead of the array that was looked for; free of its values."""


def entries(path: Path, steps: Sequence[str]) -> list[msgspec.Raw]:
    """Return the entries of the array at a path into a JSON file; raise `NoArray` where there is none."""
    with open_bytes(path) as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise NoArray(f"more than {LARGEST >> 30} GB of JSON in one array")
    found: bytes | msgspec.Raw = data.removeprefix(b"\xef\xbb\xbf")
    for step in steps:
        inside = _decoded(found, dict[str, msgspec.Raw], f"no object that has {step!r}")
        if step not in inside:
            raise NoArray(f"no object that has {step!r}")
        found = inside[step]
    return _decoded(found, list[msgspec.Raw], f"no array at {'.'.join(steps)!r}" if steps else "no JSON array")


def _decoded(data: bytes | msgspec.Raw, kind: type[Kind], otherwise: str) -> Kind:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        raise NoArray(otherwise) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        what = str(error) if type(error) is msgspec.DecodeError else "nested deeper than can be read"
        raise NoArray(f"not whole JSON ({what.removeprefix('JSON is malformed: ')})") from None


def array_batches(path: Path, name: str, steps: Sequence[str], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an array; their position is their place in it, from 1."""
    lines, nothing, places = Lines(columns), [None] * len(columns), list(range(len(columns)))
    batch = Batch(name, columns)
    for number, entry in enumerate(entries(path, steps), 1):
        fault, text, row = lines.row(bytes(entry))
        batch.add(number, 1, fault, text, row or nothing)
        if batch.full:
            yield batch.flushed(places)
    yield batch.flushed(places)
