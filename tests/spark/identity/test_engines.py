"""One machine or a cluster: the same edges, memberships, names and events to the byte."""

import random
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.spark


def test_spark_resolves_as_duckdb_does(spark: Any, tmp_path: Path) -> None:
    from worlds import CONFIG, Lake, World

    from identity.engine.batch import WRITES, resolve_batch
    from identity.engine.distributed import Distributed

    chance = random.Random(11)  # noqa: S311 - a seed, no secret
    worlds = [World(number, random.Random(chance.getrandbits(64))) for number in range(25)]  # noqa: S311
    lake = Lake()
    frozen = lake.connection.sql("SELECT * FROM frequencies").to_arrow_table()
    for _ in range(2):
        steps = [world.step() for world in worlds]
        wishes = {wish for world in worlds for wish in world.wishes}
        lake.resolve(
            [r for fresh, _, _ in steps for r in fresh],
            [k for _, gone, _ in steps for k in gone],
            wishes,
            [pair for _, _, taken in steps for pair in taken],
        )

        def opened(table: Any) -> Any:
            rows = lake.tables[table.name].to_pylist()
            return spark.createDataFrame([tuple(r.values()) for r in rows], table.ddl().replace(" NOT NULL", ""))

        engine = Distributed(spark, lake.model, CONFIG, frozen, opened, str(tmp_path), buckets=2)
        for name in ("fresh", "gone", "wishes", "taken"):
            rows = lake.connection.sql(f"SELECT * FROM {name}").to_arrow_table()
            engine.put(name, spark.createDataFrame(rows))
        resolve_batch(engine, CONFIG, lake.model.version, lake.batch)
        for write in WRITES:
            for name in filter(None, (write.rows, write.gone)):
                columns = (
                    sorted(c.name for c in write.table.columns() if c.name != "at") if name == write.rows else ["*"]
                )
                chosen = ", ".join(columns)
                local = lake.connection.sql(f"SELECT {chosen} FROM {name}").to_arrow_table().to_pylist()
                far = [row.asDict(recursive=True) for row in spark.sql(f"SELECT {chosen} FROM {name}").collect()]
                assert sorted(map(repr, far)) == sorted(map(repr, local)), name
        lake.commit(wishes)
