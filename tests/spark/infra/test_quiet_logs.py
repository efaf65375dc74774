"""What Spark says of an error names no value: its log is the job runner's, which holds no person's data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.nightly]
FAILS = """
import sys
from pathlib import Path
from pyspark.sql import functions as f
from infra.settings import EngineSettings
from infra.spark import session
spark = session(EngineSettings(driver_memory="1g"), Path(sys.argv[1]))
people = spark.range(2).select(f.concat(f.lit("ann.secret@example.org"), f.col("id").cast("string")).alias("v"))
def broken(batches):
    for batch in batches:
        raise ValueError(batch.column(0)[0].as_py())
        yield batch
for failing in (people.select(f.col("v").cast("int")), people.mapInArrow(broken, "v string")):
    try:
        failing.collect()
    except Exception as error:
        print("failed", type(error).__name__)
"""


def test_no_value_reaches_the_log(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS, str(tmp_path)], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.count("failed") == 2
    assert "secret" not in done.stderr + done.stdout
