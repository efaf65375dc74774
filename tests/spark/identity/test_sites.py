"""The job writes the same wherever it resolves, and it resolves where the settings say."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.spark


HERE, THERE = "resolve_with: auto", "resolve_with: spark"
FEW, ENOUGH_TO_LEARN = 60, 120


@pytest.mark.nightly  # by day test_standalone.py holds Spark's outcome to DuckDB's, on a cluster
def test_a_change_is_resolved_alike_by_either_engine(spark: Any, tmp_path: Path) -> None:
    from sites import resolved

    here, there = resolved(spark, tmp_path, [HERE, THERE], [HERE], FEW)
    assert [name for name in here if here[name] != there[name]] == []
    assert all(here[name] for name in ("edges", "membership", "posting_index", "succession", "tf_snapshot"))
    assert "'whole': False" in here["summary"][0]


@pytest.mark.nightly
def test_all_is_learnt_and_resolved_alike_by_either_engine(spark: Any, tmp_path: Path) -> None:
    from sites import resolved

    here, there = resolved(spark, tmp_path, [HERE, THERE], [HERE, THERE], ENOUGH_TO_LEARN)
    assert [name for name in here if here[name] != there[name]] == []


@pytest.mark.nightly  # by day test_train.py learns
def test_both_learn_from_the_same_records(spark: Any, tmp_path: Path) -> None:
    from sites import lessons

    here, there = lessons(spark, tmp_path, [60, 4_000_000])
    assert here == there
    assert {int(everybody) for _, everybody, *_ in here} == {69}
    few, many = ((int(number), len(taught)) for number, _, *taught in here)
    assert few[0] == few[1]
    # of many, so many are taken as a driver can hold: here about half of them
    assert 0.2 < many[1] / many[0] < 0.8


def test_spark_resolves_where_its_workers_are_other_machines() -> None:
    from identity.engine.sites import spreads
    from infra.settings import EngineSettings

    assert [spreads(EngineSettings(), master) for master in ("local[2]", "local-cluster[2,1,1024]", "yarn")] == [
        False,
        False,
        True,
    ]
    assert spreads(EngineSettings(), "spark://127.0.0.1:7077")
    assert spreads(EngineSettings(resolve_with="spark"), "local[2]")
    assert not spreads(EngineSettings(resolve_with="duckdb"), "spark://127.0.0.1:7077")
