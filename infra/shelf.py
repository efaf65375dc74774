"""Delta without a JVM: rows leave the lake as Arrow batches, so that no driver ever holds a person's rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from infra.errors import Missing
from infra.tables import Table


def exists(lake: Path, table: Table) -> bool:
    """Say whether the table has been created."""
    return bool(DeltaTable.is_deltatable(str(lake / table.name)))


def version(lake: Path, table: Table) -> int:
    """Return the newest version of a table."""
    return int(_open(lake, table, None).version())


def newest_versions(lake: Path) -> dict[str, int]:
    """Return the newest version of every table of the lake, by name."""
    if not lake.is_dir():
        return {}
    paths = (path for path in sorted(lake.iterdir()) if DeltaTable.is_deltatable(str(path)))
    return {path.name: int(DeltaTable(str(path)).version()) for path in paths}


def dataset(lake: Path, table: Table, at: int | None = None) -> ds.Dataset:
    """Return a table (at a version) as an Arrow dataset."""
    found: ds.Dataset = _open(lake, table, at).to_pyarrow_dataset()
    return found


def batches(
    lake: Path, table: Table, at: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a table's rows in Arrow batches, a bounded number in memory at a time."""
    scanner = dataset(lake, table, at).scanner(
        columns=list(columns) if columns is not None else None, batch_size=8192, batch_readahead=2, fragment_readahead=1
    )
    yield from scanner.to_batches()


def parquet_files(lake: Path, table: Table, at: int | None = None) -> list[str]:
    """Return the Parquet files that make up a table, for engines that read Parquet themselves."""
    return sorted(_open(lake, table, at).file_uris())


def _open(lake: Path, table: Table, at: int | None) -> DeltaTable:
    path = str(lake / table.name)
    if not DeltaTable.is_deltatable(path):
        raise Missing(f"there is no table {table.name} yet; `kindred run` makes it")
    return DeltaTable(path, version=at)
