"""One machine or a cluster: the same edges, memberships, names and events to the byte."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.spark


def test_spark_resolves_as_duckdb_does(spark: Any, tmp_path: Path) -> None:
    from side_by_side import BATCHES, differing

    assert differing(spark, tmp_path, 11) == {batch: [] for batch in range(1, BATCHES + 1)}
