"""Rows of NDJSON as Arrow batches: most lines are taken apart by a decoder that makes only what is asked for.

What a line comes to is `read.json_row`'s to say. The quick way leaves to it each line of which it might say otherwise;
a property test holds both equal.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from ingestion.model import Stretch
from ingestion.read import Batch, Steps, Whole, entries_of, json_row, json_tree, paths_of, stretch_lines, text_of

# More brackets may nest deeper than either reader goes; only one of them may say how deep that is.
_BRACKETS: Final = 400
_ALL: Final = ("*",)
_TEXT: Final = msgspec.json.Decoder(str)
_NUMBER: Final = frozenset(b"-0123456789")
_QUOTE, _BRACE, _NULL = b'"{n'
_CANNOT: Final = (ValueError, RecursionError, msgspec.DecodeError)


class Lines:
    """Takes JSON lines apart, into what stands at each of a source's columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._paths = paths_of(columns)
        self._object = _object(self._paths)

    def row(self, line: bytes) -> tuple[str | None, str | None, Sequence[str | None] | None]:
        """Return what `json_row` does."""
        if self._object is not None:
            try:
                text = line.decode()
                if text.count("{") + text.count("[") <= _BRACKETS:
                    return None, text.strip(), self._object.texts(line)
            except _CANNOT:
                pass
        return json_row(line, self._paths)


def _object(paths: Sequence[Steps]) -> "_Object | None":
    """Return the decoder of paths, None where there can be none: what is worked out from all of a row needs the row."""
    plain = [path for path in paths if not isinstance(path, Whole) and path != _ALL]
    if len(plain) < len(paths) or not plain:
        return None
    try:
        return _Object(plain)
    except ValueError:  # a name with a quote or a backslash in it
        return None


class _Object:
    """What is asked for of an object: its entries that are text, and others as they were written.

    An entry is first taken for text. The first one that is no text, a number say, makes it one that is looked at.
    """

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        self._width = len(paths)
        self._places: dict[str, list[int]] = {}  # of the values that each entry leads to
        for place, path in enumerate(paths):
            self._places.setdefault(path[0], []).append(place)
        self._names = list(self._places)
        self._insides: dict[str, _Object] = {}
        self._wholes: dict[str, list[int]] = {}
        self._leaves: dict[str, list[int]] = {}
        for name, places in self._places.items():
            self._leaves[name] = [place for place in places if len(paths[place]) == 1]
            self._wholes[name] = [place for place in places if paths[place][1:] == _ALL]
            deeper = [place for place in places if len(paths[place]) > 1 and paths[place][1:] != _ALL]
            self._places[name] = deeper
            if deeper:
                self._insides[name] = _Object([paths[place][1:] for place in deeper])
        self._looked = {name for name in self._names if self._insides.get(name) or self._wholes[name]}
        # As they come out of the decoder, where each entry is one value and all are in order.
        self._straight = self._width == len(self._names)
        self._written = self._decoder(set(self._names))
        self._decode = self._decoder(self._looked)

    def _decoder(self, looked: set[str]) -> Callable[[bytes], Any]:
        kinds = [msgspec.Raw if name in looked else str | None for name in self._names]
        fields: list[tuple[str, Any, Any]] = [
            (f"f{index}", kind, msgspec.field(name=name, default=None))
            for index, (name, kind) in enumerate(zip(self._names, kinds, strict=True))
        ]
        return msgspec.json.Decoder(msgspec.defstruct("Entries", fields, gc=False)).decode

    def texts(self, data: bytes) -> Sequence[str | None]:
        """Return what stands at each path; raise one of `_CANNOT` where that is for the plain rules to say."""
        try:
            found = msgspec.structs.astuple(self._decode(data))
        except msgspec.ValidationError:
            self._learn(data)
            found = msgspec.structs.astuple(self._decode(data))
        if self._straight and not self._looked:
            return found
        told: list[str | None] = [None] * self._width
        for name, value in zip(self._names, found, strict=True):
            if value is None:
                continue
            if name not in self._looked:
                for place in self._leaves[name]:
                    told[place] = value
            else:
                self._tell(name, bytes(value), told)
        return told

    def _learn(self, data: bytes) -> None:
        """Look from now on at the entries that are no text here."""
        written = msgspec.structs.astuple(self._written(data))
        fresh = {
            name
            for name, value in zip(self._names, written, strict=True)
            if value is not None and bytes(value)[0] not in (_QUOTE, _NULL)
        }
        self._looked |= fresh
        self._decode = self._decoder(self._looked)

    def _tell(self, name: str, written: bytes, told: list[str | None]) -> None:
        is_object = written[0] == _BRACE
        for place in self._leaves[name]:
            told[place] = _leaf(written)
        if is_object and self._wholes[name]:
            entries = entries_of(json_tree(written))
            for place in self._wholes[name]:
                told[place] = entries
        inside = self._insides.get(name)
        if is_object and inside is not None:
            for place, value in zip(self._places[name], inside.texts(written), strict=True):
                told[place] = value


def _leaf(written: bytes) -> str | None:
    """Return a value as text, by how it is written."""
    first = written[0]
    if first == _QUOTE:
        return _TEXT.decode(written)
    return written.decode() if first in _NUMBER else text_of(json_tree(written.decode()))


def ndjson_batches(path: Path, stretch: Stretch, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a stretch of an NDJSON file; columns are dotted paths into the object."""
    lines, nothing, places = Lines(columns), [None] * len(columns), list(range(len(columns)))
    batch = Batch(stretch.file, columns)
    for number, line in stretch_lines(path, stretch):
        fault, text, row = lines.row(line)
        batch.add(number, 1, fault, text, row or nothing)
        if batch.full:
            yield batch.flushed(places)
    yield batch.flushed(places)
