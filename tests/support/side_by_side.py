"""One batch by both engines: whatever it writes to the lake is the same on a cluster as on one machine."""

import random
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from worlds import CONFIG, Lake, World

from identity.engine.batch import WRITES, resolve_batch
from identity.engine.distributed import Distributed

GIVEN = ("fresh", "gone", "wishes", "taken")
WORLDS = 25


def differing(spark: Any, shared: Path, seed: int, batches: Collection[int]) -> dict[int, list[str]]:
    """Return for each of these batches of some worlds' lives the tables that Spark makes otherwise than DuckDB.

    Of batches that nobody asks for, which cost Spark as much as any, DuckDB alone makes what the next is built on.
    """
    chance = random.Random(seed)  # noqa: S311 - a seed, no secret
    worlds = [World(number, random.Random(chance.getrandbits(64))) for number in range(WORLDS)]  # noqa: S311
    lake, found = Lake(), {}
    for batch in range(1, max(batches) + 1):
        steps = [world.step() for world in worlds]
        wishes = {wish for world in worlds for wish in world.wishes}
        lake.resolve(
            [r for fresh, _, _ in steps for r in fresh],
            [k for _, gone, _ in steps for k in gone],
            wishes,
            [pair for _, _, taken in steps for pair in taken],
        )
        if batch in batches:
            found[batch] = differences(spark, lake, shared)
        lake.commit(wishes)
    return found


def differences(spark: Any, lake: Lake, shared: Path) -> list[str]:
    """Return which tables of the batch that `lake` has just resolved Spark makes otherwise, by files in `shared`."""
    folder = shared / f"batch-{lake.batch}"

    def opened(table: Any) -> Any:
        return handed(spark, lake.tables[table.name], folder / f"base-{table.name}.parquet")

    frozen = lake.connection.sql("SELECT * FROM frequencies").to_arrow_table()
    engine = Distributed(spark, CONFIG, opened, str(folder / "work"))
    engine.weigh_by(lake.model, frozen)
    for name in GIVEN:
        rows = lake.connection.sql(f"SELECT * FROM {name}").to_arrow_table()
        engine.put(name, handed(spark, rows, folder / f"{name}.parquet"))
    resolve_batch(engine, CONFIG, lake.model.version, lake.batch)
    tables = [(name, write) for write in WRITES for name in (write.rows, write.gone) if name]
    return [
        name
        for name, write in tables
        if told(far(engine, name), write, name) != told(lake.connection.sql(f"SELECT * FROM {name}"), write, name)
    ]


def handed(spark: Any, rows: pa.Table, path: Path) -> Any:
    """Return rows as a frame over a file that every worker reaches: none travels with the plan."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, coerce_timestamps="us")
    return spark.read.parquet(str(path))


def far(engine: Distributed, name: str) -> Any:
    """Return a table of the engine as it lies in the shared folder."""
    return ds.dataset([file.removeprefix("file://") for file in engine.frame(name).inputFiles()])


def told(rows: Any, write: Any, name: str) -> list[str]:
    """Return rows in an order of their own, to the last bit of each value."""
    declared = {column.name for column in write.table.columns()} - {"at"}
    found = rows.to_arrow_table() if hasattr(rows, "to_arrow_table") else rows.to_table()
    chosen = sorted(declared if name == write.rows else found.schema.names)
    return sorted(map(repr, found.select(chosen).to_pylist()))
