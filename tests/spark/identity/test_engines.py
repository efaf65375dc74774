"""One machine or a cluster: the same edges, memberships, names and events to the byte.

By day `test_standalone.py` shows it, of the second batch of these worlds, where the workers are other processes.
"""

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.nightly]
BATCHES = (1, 2, 3)


def test_spark_resolves_as_duckdb_does(spark: Any, tmp_path: Path) -> None:
    from side_by_side import differing

    assert differing(spark, tmp_path, 11, BATCHES) == {batch: [] for batch in BATCHES}
