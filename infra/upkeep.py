"""What erasure and retention do to the lake's files: rows out by keys, no deleted row in a file, no old file on disk.

Values never stand in a statement: rows are named by a frame of keys, and Delta writes only the names of columns into
its log (docs/adr/0003). Commits made here are marked, so that nobody takes them for the writes of a run.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from infra import shelf
from infra.lake import Lake
from infra.tables import Table
from infra.together import together

_MARK: Final = "spark.databricks.delta.commitInfo.userMetadata"
_CHECK: Final = "spark.databricks.delta.retentionDurationCheck.enabled"
_TOLD: Final = "spark.databricks.delta.vacuum.logging.enabled"
_LISTING: Final = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
_LOG: Final = "_delta_log"
_POSITIONS: Final = "deletion_vector_"


@contextmanager
def _with(spark: SparkSession, name: str, value: str) -> Iterator[None]:
    """Set one word of the session for a while."""
    before = spark.conf.get(name, None)
    spark.conf.set(name, value)
    try:
        yield
    finally:
        spark.conf.unset(name) if before is None else spark.conf.set(name, before)


def erase(lake: Lake, table: Table, gone: DataFrame, keys: Sequence[str]) -> None:
    """Take the rows with the keys in `gone` out of a table, where it holds any row; to do so again changes nothing."""
    if not shelf.exists(lake.root, table) or not shelf.count(lake.root, table):
        return
    same = " AND ".join(f"held.{key} <=> gone.{key}" for key in keys)
    held = DeltaTable.forPath(lake.spark, lake.path(table)).alias("held")
    with _with(lake.spark, _MARK, shelf.ERASURE):
        held.merge(gone.select(*keys).distinct().alias("gone"), same).whenMatchedDelete().execute()


def purge(lake: Lake, tables: Iterable[Table]) -> None:
    """Rewrite the files in which deleted rows only carry a mark; a table without such marks has none."""
    there = [table for table in tables if table.merged and shelf.exists(lake.root, table)]
    with _with(lake.spark, _MARK, shelf.ERASURE):
        together(*(partial(_reorganise, lake, table) for table in there))


def _reorganise(lake: Lake, table: Table) -> None:
    lake.spark.sql(f"REORG TABLE delta.`{lake.path(table)}` APPLY (PURGE)")


def checkpoint(lake: Lake, tables: Iterable[Table]) -> int:
    """Write a checkpoint of every table that changed since its last one, and return how many.

    Delta deletes what its log has kept long enough only when it writes one.
    """
    due = [t for t in tables if shelf.exists(lake.root, t) and shelf.version(lake.root, t) > _checked(lake.root, t)]
    together(*(partial(_checkpoint, lake, table) for table in due))
    return len(due)


def _checkpoint(lake: Lake, table: Table) -> None:
    jvm: Any = lake.spark._jvm  # noqa: SLF001 - Delta says it to its own engine alone
    log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(lake.spark._jsparkSession, lake.path(table))  # noqa: SLF001
    log.checkpoint()


def _checked(root: Path, table: Table) -> int:
    """Return the version of a table's last checkpoint, -1 where it has none."""
    file = root / table.name / _LOG / "_last_checkpoint"
    return int(json.loads(file.read_bytes())["version"]) if file.is_file() else -1


def expire(lake: Lake, tables: Iterable[Table], hours: int | None = None) -> None:
    """Delete the files that no version within the retention needs: the table's own, or so many hours.

    Zero hours leave the newest version alone. That is allowed to the one process that writes the lake, while nobody
    reads an older version; then what lies there is compared with what the newest version names, without Spark.
    """
    there = [table for table in tables if shelf.exists(lake.root, table)]
    if hours == 0:
        for table in there:
            _sweep(lake.root, table)
        return
    spark = lake.spark
    # folders of ours are few: a listing with the default's ten thousand tasks would be slow
    with _with(spark, _CHECK, str(hours is None).lower()), _with(spark, _TOLD, "false"), _with(spark, _LISTING, "2"):
        together(*(partial(_vacuum, lake, table, hours) for table in there))
        # a folder that its first run emptied goes with a second
        again = [table for table in there if _has_empty_folder(lake.root / table.name)]
        together(*(partial(_vacuum, lake, table, hours) for table in again))


def _vacuum(lake: Lake, table: Table, hours: int | None) -> None:
    kept = "" if hours is None else f" RETAIN {hours} HOURS"
    lake.spark.sql(f"VACUUM delta.`{lake.path(table)}`{kept}")


def _sweep(root: Path, table: Table) -> None:
    """Delete every data file that the newest version does not name, with its checksum, and folders that are empty then.

    Marks of deleted rows stay: they are positions, nobody's values, and a version may need them.
    """
    folder, named = root / table.name, shelf.data_files(root, table)
    files = [path for path in folder.rglob("*") if path.is_file() and _LOG not in path.relative_to(folder).parts]
    for path in files:
        data = path.name.removeprefix(".").removesuffix(".crc") if path.name.endswith(".crc") else path.name
        if path.with_name(data) not in named and not data.startswith(_POSITIONS):
            path.unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if _LOG not in path.relative_to(folder).parts and not any(path.iterdir()):
            path.rmdir()


def _has_empty_folder(root: Path) -> bool:
    folders = (path for path in root.rglob("*") if path.is_dir() and _LOG not in path.parts)
    return any(not any(folder.iterdir()) for folder in folders)
