"""The one Spark session of a process, tuned for small Delta tables on one machine; a cluster serves as well."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from gc import collect as collect_garbage
from pathlib import Path
from typing import Any

from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from infra.jars import IVY_SETTINGS, NOT_FOR_THE_SESSION, SESSION, java
from infra.settings import EngineSettings

_KNOWN_DEAD_WITHIN = 0.5
_RELEASED_WITHIN = 20.0


def _configuration(engine: EngineSettings, work: Path) -> Mapping[str, str]:
    ivy = work / "ivysettings.xml"
    return {
        "spark.jars.packages": ",".join(SESSION),
        "spark.jars.excludes": ",".join(NOT_FOR_THE_SESSION),
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
        # A run makes a few hundred classes, most of them for Delta; with room for 100, the next makes them anew.
        "spark.sql.codegen.cache.maxEntries": "1000",
        # HotSpot never compiles a method of more bytecodes: a plan that wide runs faster operator by operator.
        "spark.sql.codegen.hugeMethodLimit": "8000",
        # One Python worker serves many tasks; started once, it keeps its models.
        "spark.python.worker.reuse": "true",
    }


def session(engine: EngineSettings, work: Path) -> SparkSession:
    """Return the session; `work` holds its scratch files. Raise `Unavailable` where no JDK 17 is found."""
    java()
    work.mkdir(parents=True, exist_ok=True)
    (work / "ivysettings.xml").write_text(IVY_SETTINGS, encoding="utf-8")
    # Python workers start from this variable alone; without it they would be whatever python3 the PATH has.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # noqa: TID251 - Spark reads it nowhere else
    builder = SparkSession.builder.master(engine.master).appName("kindred")  # noqa: TID251 - the one place
    for key, value in _configuration(engine, work).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    # What Spark and its workers log of an error quotes the value that made it. Errors reach the caller anyway.
    spark.sparkContext.setLogLevel("OFF")
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True
    return spark


def is_alive(spark: SparkSession) -> bool:
    """Say whether a session's JVM lives; one that was just killed is given a moment to be known as dead."""
    process = getattr(spark.sparkContext._gateway, "proc", None)  # noqa: SLF001 - PySpark has no word for it
    if process is None:
        return True
    try:
        process.wait(timeout=_KNOWN_DEAD_WITHIN)
    except subprocess.TimeoutExpired:
        return True
    return False


def release(spark: SparkSession, work: Path) -> None:
    """Have Spark forget what plans that are done left behind, such as rows that were handed to every task.

    What memory had no room for lies below `work`, for as long as anything names it: a cache, a table's last state, an
    object of Python. Spark deletes it when the JVM's collector says that nothing does.
    """
    spark.catalog.clearCache()
    jvm: Any = spark._jvm  # noqa: SLF001 - PySpark has no other way to Delta's cache and to the collector
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    until = time.monotonic() + _RELEASED_WITHIN
    while time.monotonic() < until:
        collect_garbage()
        jvm.System.gc()
        if next(work.rglob("broadcast_*"), None) is None:
            return
        time.sleep(0.5)
