"""What a table holds as one number, whatever the order and files of its rows: equal content, equal hash."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

import orjson
import pyarrow as pa

from infra import shelf
from infra.tables import Table

_MODULUS = 2**256


def table_hash(lake: Path, table: Table, *, ignore: Collection[str] = ()) -> str:
    """Return the hash of a table's rows as they are now; `ignore` leaves out columns that tell of a run, not of facts.

    Rows are hashed alone and the hashes added up, so neither order nor the layout of files matters, and a row
    that is there twice counts twice.
    """
    columns = [c.name for c in table.columns() if c.name not in ignore]
    total = sum(_rows(shelf.batches(lake, table, columns=columns)))
    return f"{total % _MODULUS:064x}"


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterable[int]:
    for batch in batches:
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            content = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
            yield int.from_bytes(hashlib.sha256(content).digest(), "big")


def state_hashes(lake: Path, tables: Iterable[Table], *, ignore: Collection[str] = ()) -> dict[str, str]:
    """Return the hash of each of the tables that exist, by name."""
    return {table.name: table_hash(lake, table, ignore=ignore) for table in tables if shelf.exists(lake, table)}
