"""What differs between two versions of a table, found in columns: a hash for each row by its key, and no row in Python.

A run replaces the tables whole (ADR 0009), so their logs do not tell what changed; the rows have to be compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from infra import shelf
from infra.tables import Table

_KEYS: Final = pa.string()


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows of a table by what became of them; `changed` holds the keys of new rows and of those that differ."""

    changed: pa.Table
    gone: pa.Table
    before: int
    after: int

    @property
    def kept(self) -> int:
        """How many rows are as they were."""
        return self.after - int(self.changed.num_rows)

    def with_keys(self, keys: Sequence[Sequence[str]]) -> "Difference":
        """Return the difference with further keys among those that changed; keys of no row do no harm."""
        if not keys:
            return self
        names = self.changed.column_names
        columns = [pa.array([key[place] for key in keys], _KEYS) for place in range(len(names))]
        both = pa.concat_tables([self.changed, pa.table(dict(zip(names, columns, strict=True)))])
        return Difference(both.group_by(names).aggregate([]).select(names), self.gone, self.before, self.after)


def compared(
    lake: Path, table: Table, versions: tuple[int, int], keys: Sequence[str], shown: Sequence[str]
) -> Difference:
    """Return what differs between two versions of a table in the columns that are shown of it."""
    with duckdb.connect() as connection:
        for name, version in zip(("before", "after"), versions, strict=True):
            rows = shelf.reader(lake, table, version, columns=[*keys, *shown])  # noqa: F841 - DuckDB finds it by name
            hashed = f"hash({', '.join(map(_quoted, shown))})" if shown else "0::UBIGINT"
            connection.execute(f'CREATE TABLE "{name}" AS SELECT {_listed(keys)}, {hashed} AS digest FROM rows')
        joined = " AND ".join(f"a.{_quoted(key)} = b.{_quoted(key)}" for key in keys)
        changed = connection.sql(
            f'SELECT {_listed(keys, "a.")} FROM "after" a LEFT JOIN "before" b ON {joined} '
            "WHERE b.digest IS DISTINCT FROM a.digest"
        ).to_arrow_table()
        gone = connection.sql(
            f'SELECT {_listed(keys, "b.")} FROM "before" b ANTI JOIN "after" a ON {joined}'
        ).to_arrow_table()
        return Difference(_plain(changed), _plain(gone), _count(connection, "before"), _count(connection, "after"))


def unchanged(keys: Sequence[str], count: int) -> Difference:
    """Return the difference of a table from itself."""
    nothing = pa.table({key: pa.array([], _KEYS) for key in keys})
    return Difference(nothing, nothing, count, count)


def rows(lake: Path, table: Table, version: int, changed: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a version whose keys are named, few as Python objects at a time."""
    if not changed.num_rows:
        return
    stream = shelf.reader(lake, table, version)
    declared = stream.schema
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("everything", stream)
        connection.register("wanted", changed)
        on = " AND ".join(f"e.{_quoted(key)} = w.{_quoted(key)}" for key in changed.column_names)
        found = connection.sql(f"SELECT e.* FROM everything e SEMI JOIN wanted w ON {on}").to_arrow_reader(1_024)
        for batch in found:
            for start in range(0, batch.num_rows, 256):
                yield from pa.Table.from_batches([batch.slice(start, 256)]).cast(declared).to_pylist()


def _plain(table: pa.Table) -> pa.Table:
    return table.cast(pa.schema([pa.field(name, _KEYS) for name in table.column_names]))


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    found = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()
    return int(found[0]) if found else 0


def _quoted(name: str) -> str:
    return f'"{name}"'


def _listed(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{_quoted(name)}" for name in names)
