"""Arrow files (IPC, Feather): the buffers of every column, opened where they are compressed."""

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa

from consent.residue.decoders.archives import Reading
from consent.residue.decoders.parquet import array_pieces
from consent.residue.source import Content, Decoder, Source, Unreadable, halves


def _contents(source: Source) -> Iterator[Content]:
    try:
        with pa.ipc.open_file(Reading(source)) as opened:
            for index in range(opened.num_record_batches):
                batch = opened.get_batch(index)
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    yield from array_pieces(column, f"column {name}")
    except (pa.ArrowException, OSError, EOFError):
        raise Unreadable("not the whole Arrow file that it began as") from None


def _canaries(value: str) -> Mapping[str, bytes]:
    sink = pa.BufferOutputStream()
    table = pa.table({"v": [*halves(value), value] * 9})
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return {"canary.arrow": bytes(sink.getvalue())}


ARROW: Final = Decoder("arrow", lambda source: source.head.startswith(b"ARROW1\0\0"), _contents, _canaries)
