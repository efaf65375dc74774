"""The one Spark session of a process, tuned for small Delta tables on one machine; a cluster serves as well."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from infra.errors import Unavailable
from infra.settings import EngineSettings

DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"

# An Ivy file of our own: without it Spark asks the local Maven cache first, where a cached pom without its
# jar ends the resolution.
_IVY = """<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true"/></resolvers>
</ivysettings>
"""


def _configuration(engine: EngineSettings, work: Path) -> Mapping[str, str]:
    ivy = work / "ivysettings.xml"
    return {
        "spark.jars.packages": DELTA,
        "spark.jars.ivySettings": str(ivy),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.local.dir": str(work / "spark"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": engine.driver_host,
        "spark.driver.bindAddress": engine.driver_host,
        "spark.driver.memory": engine.driver_memory,
        "spark.driver.maxResultSize": engine.max_result_size,
        "spark.driver.extraJavaOptions": f"{engine.java_options} -Duser.timezone=UTC",
        "spark.executor.memory": engine.executor_memory,
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(engine.shuffle_partitions),
        "spark.default.parallelism": str(engine.shuffle_partitions),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.shuffle.compress": "false",
        "spark.sql.adaptive.coalescePartitions.initialPartitionNum": str(engine.shuffle_partitions),
        "spark.databricks.delta.snapshotPartitions": "2",
        # What a merge takes out is always a file that no run changes: to keep a copy of it costs a third of the merge.
        "spark.databricks.delta.merge.materializeSource": "none",
        # The checksum file repeats every statistic; statistics of personal columns are off already, this is
        # the second lock on the same door (consent chapter of the design).
        "spark.databricks.delta.writeChecksumFile.enabled": "false",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # One Python worker serves many tasks; started once, it keeps its models.
        "spark.python.worker.reuse": "true",
    }


def session(engine: EngineSettings, work: Path) -> SparkSession:
    """Return the session; `work` holds its scratch files. Raise `Unavailable` where no JDK 17 is found."""
    if shutil.which("java") is None:
        raise Unavailable("no java on the PATH; install a JDK 17, for example: apt-get install openjdk-17-jdk-headless")
    work.mkdir(parents=True, exist_ok=True)
    (work / "ivysettings.xml").write_text(_IVY, encoding="utf-8")
    # Python workers start from this variable alone; without it they would be whatever python3 the PATH has.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # noqa: TID251 - Spark reads it nowhere else
    builder = SparkSession.builder.master(engine.master).appName("kindred")  # noqa: TID251 - the one place
    for key, value in _configuration(engine, work).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
