"""Brings the log of decisions from the database into the lake, so that jobs can join it with what happened."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from activation.store import decisions
from activation.tables import DECISIONS
from infra import shelf
from infra.runtime import Runtime

_SCHEMA = (
    ("id", pa.string()),
    ("at", pa.timestamp("us", tz="UTC")),
    ("profile_id", pa.string()),
    ("decision", pa.string()),
    ("purpose", pa.string()),
    ("choice", pa.string()),
    ("propensity", pa.float64()),
    ("holdout", pa.bool_()),
    ("identity_version", pa.int64()),
    ("policy_version", pa.string()),
)


def mirror_decisions(runtime: Runtime) -> int:
    """Replace the mirror with the log as it is now and return how many decisions about people it holds."""
    work = runtime.workspace.state_path / "work"
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"decisions-{runtime.run.number:08d}.parquet"
    _export(file, _batches(runtime))
    runtime.lake.overwrite(DECISIONS, runtime.lake.spark.read.parquet(str(file)))
    file.unlink()
    return shelf.count(runtime.workspace.lake_path, DECISIONS)


def _batches(runtime: Runtime) -> Iterator[pa.Table]:
    for rows in decisions(runtime.database):
        yield pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(_SCHEMA))


def _export(file: Path, tables: Iterator[pa.Table]) -> None:
    with pq.ParquetWriter(str(file), pa.schema(_SCHEMA)) as writer:
        for table in tables:
            writer.write_table(table)
