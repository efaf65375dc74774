"""Parquet: every page of every column opened, dictionaries with values that no row has any more among them.

Statistics, page index and footer stand in the file as they are and are found in its raw bytes. Pages whose encoding
takes values apart (common beginnings told once, bytes or bits of numbers interleaved) are read as columns instead.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from consent.residue.decoders.archives import Reading
from consent.residue.source import Content, Decoder, Piece, Source, Unread, Unreadable, halves
from consent.residue.streams import Bytes, framed, raw_block
from consent.residue.thrift import Compact

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_HEAD: Final = 64 * 2**10
_AT_ONCE: Final = 16_384  # values
_LARGEST_HEAD: Final = 16 * 2**20
_CODECS: Final = {"SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli", "ZSTD": "zstd", "LZ4_RAW": "lz4_raw"}
_DATA, _DATA_V2, _DICTIONARY = 0, 3, 2
# PLAIN, PLAIN_DICTIONARY, RLE, BIT_PACKED (of levels), RLE_DICTIONARY: values lie whole, and apart from each other.
_WHOLE: Final = frozenset({0, 2, 3, 4, 8})


class _Page(NamedTuple):
    kind: int
    encoding: int
    body: bytes
    plain: int  # how many bytes it has once opened
    levels: int  # at its beginning, never compressed
    packed: bool


def _contents(source: Source) -> Iterator[Content]:
    if source.read(max(source.size - 4, 0), 4) == _ENCRYPTED or source.head.startswith(_ENCRYPTED):
        raise Unreadable("an encrypted Parquet file")
    try:
        opened = pq.ParquetFile(Reading(source))
    except (pa.ArrowException, OSError, EOFError):
        raise Unreadable("not the whole Parquet file that it began as") from None
    metadata = opened.metadata
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            apart = yield from _chunk_pages(source, chunk)
            if apart:
                yield from _columns(opened, group, chunk.path_in_schema)


def _chunk_pages(source: Source, chunk: Any) -> Generator[Content, None, bool]:
    """Yield the pages of a column chunk, and return whether some keep their values apart."""
    where = f"column {chunk.path_in_schema}"
    if chunk.file_path:
        yield Unread(f"{where}: lies in another file")
        return False
    starts = [at for at in (chunk.dictionary_page_offset, chunk.data_page_offset) if at]
    at, apart = min(starts), False
    end = at + chunk.total_compressed_size
    try:
        while at < end:
            page, at = _page(source, at, end)
            if page.kind == _DICTIONARY or page.encoding in _WHOLE:
                yield from _opened(page, where, chunk.compression)
            else:
                apart = True
    except Unreadable as problem:
        yield Unread(f"{where}: {problem}")
        return True
    return apart


def _page(source: Source, at: int, end: int) -> tuple[_Page, int]:
    length = _HEAD
    while True:
        data = source.read(at, min(length, end - at))
        reader = Compact(data)
        try:
            head = reader.struct()
            break
        except Unreadable:
            if length >= _LARGEST_HEAD or len(data) < length:
                raise
            length *= 16  # statistics of a page may hold long values
    kind, plain, size = head.get(1), head.get(2), head.get(3)
    if not isinstance(kind, int) or not isinstance(plain, int) or not isinstance(size, int) or size < 0:
        raise Unreadable("a page's head without its sizes")
    start = at + reader.at
    body = source.read(start, size)
    if len(body) < size or start + size > end:
        raise Unreadable("a page that ends too early")
    if kind == _DATA_V2:
        told = head.get(8) or {}
        levels = told.get(5, 0) + told.get(6, 0)
        return _Page(kind, told.get(4, 0), body, plain, levels, told.get(7, True)), start + size
    told = head.get(5 if kind == _DATA else 7) or {}
    return _Page(kind, told.get(2, 0), body, plain, 0, packed=True), start + size


def _opened(page: _Page, where: str, compression: str) -> Iterator[Content]:
    part = f"{where}, dictionary" if page.kind == _DICTIONARY else where
    if compression == "UNCOMPRESSED" or not page.packed or len(page.body) == page.levels:
        yield Piece(part, page.body)
    elif compression in _CODECS:
        codec = pa.Codec(_CODECS[compression])
        yield Piece(part, raw_block(codec, page.body[page.levels :], page.plain - page.levels))
    elif compression == "LZ4":
        yield Piece(part, _old_lz4(page.body[page.levels :], page.plain - page.levels))
    else:
        yield Unread(f"{where}: no decoder for the codec {compression}")


def _old_lz4(body: bytes, plain: int) -> bytes:
    """Return what the deprecated LZ4 holds: blocks as Hadoop heads them, a frame, or one bare block."""
    if body.startswith(b"\x04\x22\x4d\x18"):
        return b"".join(framed("lz4")(iter([body])))
    codec, data, blocks = pa.Codec("lz4_raw"), Bytes(iter([body])), []
    try:
        while head := data.take(8):
            size, packed = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
            blocks.append(raw_block(codec, data.exactly(packed), size))
    except Unreadable:
        return raw_block(codec, body, plain)
    return b"".join(blocks)


def _columns(opened: pq.ParquetFile, group: int, path: str) -> Iterator[Content]:
    """Yield the values of one column of a row group, as Arrow lays them out."""
    try:
        table = opened.read_row_group(group, columns=[path], use_threads=False)
    except (pa.ArrowException, OSError, EOFError, ValueError):
        yield Unread(f"column {path}: cannot be read")
        return
    for column in table.columns:
        for array in column.chunks:
            yield from array_pieces(array, f"column {path}")


def array_pieces(array: pa.Array, where: str) -> Iterator[Piece]:
    """Yield the bytes in which an Arrow array keeps its values, nested and dictionary-encoded ones too."""
    if isinstance(array, pa.ExtensionArray):
        yield from array_pieces(array.storage, where)
    elif isinstance(array, pa.DictionaryArray):
        yield from array_pieces(array.dictionary, f"{where}, dictionary")
    elif isinstance(array, pa.StructArray):
        for index in range(array.type.num_fields):
            yield from array_pieces(array.field(index), where)
    elif isinstance(array, pa.MapArray):
        yield from array_pieces(array.keys, where)
        yield from array_pieces(array.items, where)
    elif isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        yield from array_pieces(array.values, where)
    elif len(array):
        yield from _flat(array, where)


def _flat(array: pa.Array, where: str) -> Iterator[Piece]:
    if array.type in (pa.string(), pa.binary(), pa.large_string(), pa.large_binary()):
        for start in range(0, len(array), _AT_ONCE):
            yield Piece(where, _apart(array[start : start + _AT_ONCE]))
        return
    yield from (Piece(where, memoryview(buffer)) for buffer in array.buffers()[1:] if buffer is not None)


def _apart(array: pa.Array) -> bytes:
    """Return the values with a newline between each two, so that no two of them look like one that nobody has."""
    values = array.cast(pa.binary()).fill_null(b"")
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(values)], values), b"\n")
    return bytes(joined[0].as_buffer())


def _canaries(value: str) -> Mapping[str, bytes]:
    rows = [*halves(value), value] * 9
    alike = sorted([f"{value[:9]}!{index:03d}" for index in range(40)] + [value] * 2)
    found = {}
    for codec in ("snappy", "zstd", "gzip", "lz4", "brotli"):
        nested = pa.table({"n": pa.array([{"seen": [{"v": one}]} for one in rows])})
        found[f"nested.{codec}.parquet"] = _written(nested, codec, use_dictionary=False)
        found[f"dictionary.{codec}.parquet"] = _written(pa.table({"d": rows}), codec)
        told = {"use_dictionary": False, "column_encoding": {"p": "DELTA_BYTE_ARRAY"}}
        found[f"prefixes.{codec}.parquet"] = _written(pa.table({"p": alike}), codec, **told)
    return found


def _written(table: pa.Table, codec: str, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=codec, write_statistics=False, store_schema=False, **options)
    return bytes(sink.getvalue())


PARQUET: Final = Decoder("parquet", lambda source: source.head.startswith((_MAGIC, _ENCRYPTED)), _contents, _canaries)
