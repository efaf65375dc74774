"""A driver of a cluster: `far.py MASTER SHARED` prints as JSON what it saw. A process has one Spark session.

All that is the driver's own lies under its working directory and is named by relative paths. Another process that were
told to look there would look into its own directory and find nothing: only `SHARED` means the same to all.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from side_by_side import differing

from infra.settings import EngineSettings
from infra.spark import session

SCRATCH = Path("scratch")
# the second batch builds on a first: everything that a batch can do happens in it
BATCHES = (2,)


def sight(_: Iterator[int]) -> Iterator[tuple[str, bool]]:
    """Yield where a task runs, and whether it sees the driver's own files."""
    time.sleep(0.5)  # long enough for the other worker to take the next task
    yield str(Path.cwd()), SCRATCH.exists()


def main(master: str, shared: Path) -> dict[str, Any]:
    engine = EngineSettings(
        master=master,
        driver_memory="512m",
        executor_memory="768m",
        shuffle_partitions=2,
        # what all tasks of a step may send to the driver: their metrics, and no tables
        max_result_size="1m",
        java_options="-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    )
    spark = session(engine, SCRATCH)
    # rows are few here and plans many, as in the other tests
    spark.conf.set("spark.sql.codegen.wholeStage", "false")
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    seen = spark.sparkContext.parallelize(range(8), 8).mapPartitions(sight).collect()
    told = {
        "places": sorted({place for place, _ in seen}),
        "scratch": SCRATCH.exists(),
        "scratch_seen": any(own for _, own in seen),
        "differing": differing(spark, shared / "worlds", 11, BATCHES),
    }
    spark.stop()
    return told


if __name__ == "__main__":
    Path("told.json").write_text(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
