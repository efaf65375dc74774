"""Delta without a JVM: rows leave the lake as Arrow batches, so that no driver ever holds a person's rows."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from infra import reads
from infra.errors import Broken, Missing
from infra.tables import Table

# How an erasure marks its commits. Like those that only lay files out anew, they change nothing that a run settles.
ERASURE = "kindred.erasure"
_UPKEEP = ("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END")


def exists(lake: Path, table: Table) -> bool:
    """Say whether the table has been created."""
    return bool(DeltaTable.is_deltatable(str(lake / table.name)))


def clear_unborn(lake: Path, table: Table) -> None:
    """Remove the log of a table that was never committed: drafts of its first commit, and nothing else."""
    log = lake / table.name / "_delta_log"
    if log.is_dir() and all(file.name.startswith(".") for file in log.rglob("*") if file.is_file()):
        shutil.rmtree(log)


def version(lake: Path, table: Table) -> int:
    """Return the newest version of a table."""
    return int(_open(lake, table, None).version())


def transaction(lake: Path, table: Table, app: str) -> int:
    """Return the newest number that an application's write to a table was marked with, or -1."""
    found = _open(lake, table, None).transaction_version(app)
    return -1 if found is None else int(found)


def written(lake: Path, table: Table, app: str, until: int, at: int) -> int:
    """Return the version, `at` or before it, that an application's newest write of a number up to `until` made.

    A table that no such write ever reached is as it was created; of versions that the log no longer keeps, the oldest
    that it keeps stands for those with the same number. Raise `Broken` where it keeps none that is old enough.
    """
    opened, here = _open(lake, table, at), at

    def mark(version: int) -> int | None:
        try:
            opened.load_as_version(version)
        except DeltaError:
            return None
        found = opened.transaction_version(app)
        return -1 if found is None else int(found)

    wanted = mark(here)
    while here > 0 and wanted is not None and wanted > until:
        here -= 1
        wanted = mark(here)
    if wanted is None:
        raise Broken(
            f"table {table.name}: a run that never ended wrote it, and the log no longer keeps what was before; move "
            "identity's tables away and let `kindred run` make them anew"
        )
    while here > 0 and mark(here - 1) == wanted:
        here -= 1
    while here < at and _is_upkeep(lake, table, here + 1):
        here += 1
    return here


def _is_upkeep(lake: Path, table: Table, version: int) -> bool:
    """Say whether a version came about by an erasure, or by laying files out anew: to go back behind it undoes that."""
    told = [commit.get("userMetadata") == ERASURE or commit.get("operation") in _UPKEEP
            for commit in commits(lake, table, version, version)]  # fmt: skip
    return any(told)


def commits(lake: Path, table: Table, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Yield what the log still tells of the commits that made some versions, the first to the last."""
    for number in range(first, last + 1):
        file = lake / table.name / "_delta_log" / f"{number:020d}.json"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        yield from (action["commitInfo"] for line in lines if "commitInfo" in (action := json.loads(line)))


def newest_versions(lake: Path) -> dict[str, int]:
    """Return the newest version of every table of the lake, by name."""
    if not lake.is_dir():
        return {}
    paths = (path for path in sorted(lake.iterdir()) if DeltaTable.is_deltatable(str(path)))
    return {path.name: int(DeltaTable(str(path)).version()) for path in paths}


def reader(
    lake: Path, table: Table, at: int | None = None, columns: Sequence[str] | None = None
) -> pa.RecordBatchReader:
    """Return a table's rows (at a version) as a stream of Arrow batches, in no order; to be read once.

    Reads tables with deletion vectors too, which Arrow datasets and plain Parquet readers do not know.
    """
    opened = _open(lake, table, at)
    reads.note(table.name)
    declared = pa.schema(opened.schema().to_arrow())
    wanted = list(columns) if columns is not None else declared.names
    absent = [name for name in wanted if name not in declared.names]
    if absent:
        raise Broken(
            f"table {table.name} lacks {', '.join(absent)}: another version of Kindred wrote it; run that one, or move "
            "the table away and let `kindred run` make it anew"
        )
    names = ", ".join(f'"{name}"' for name in wanted)
    stream = pa.RecordBatchReader.from_stream(
        QueryBuilder().register("rows", opened).execute(f"SELECT {names} FROM rows")
    )
    # the engine answers in string views, for which half of Arrow's functions have no kernel
    return stream.cast(pa.schema([declared.field(name) for name in wanted]))


def batches(
    lake: Path, table: Table, at: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a table's rows in Arrow batches, a bounded number in memory at a time."""
    yield from reader(lake, table, at, columns)


def lookup(
    lake: Path, table: Table, wanted: pc.Expression, columns: Sequence[str] | None = None, at: int | None = None
) -> pa.Table:
    """Return the rows that an expression wants, for answers that are small; the table itself streams by."""
    stream = reader(lake, table, at)
    names = list(columns) if columns is not None else stream.schema.names
    # Not by a dataset's scanner, which brings pandas into every process that serves.
    empty = stream.schema.empty_table().select(names)
    return pa.concat_tables([empty, *(pa.table(batch).filter(wanted).select(names) for batch in stream)])


def count(lake: Path, table: Table, at: int | None = None) -> int:
    """Return how many rows a table has."""
    return sum(batch.num_rows for batch in reader(lake, table, at, columns=[table.keys[0]]))


def parquet_files(lake: Path, table: Table, at: int | None = None) -> list[str]:
    """Return the Parquet files that make up a table, for engines that read Parquet themselves.

    Raise `Broken` for a table whose files hold rows that are deleted: only `reader` knows which.
    """
    reads.note(table.name)
    if table.merged:
        raise Broken(f"the files of {table.name} hold deleted rows; read it with shelf.reader")
    return sorted(_open(lake, table, at).file_uris())


def data_files(lake: Path, table: Table) -> frozenset[Path]:
    """Return the data files that the newest version of a table is made of, whatever of their rows counts."""
    return frozenset(map(Path, _open(lake, table, None).file_uris()))


def _open(lake: Path, table: Table, at: int | None) -> DeltaTable:
    path = str(lake / table.name)
    if not DeltaTable.is_deltatable(path):
        raise Missing(f"there is no table {table.name} yet; `kindred run` makes it")
    return DeltaTable(path, version=at)
