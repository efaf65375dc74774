"""Training on Spark: what was learnt is told, drawn and kept; labels count; the same again is the same model."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import shelf

pytestmark = pytest.mark.spark


@pytest.mark.nightly  # by day test_demo.py trains
def test_training_tells_what_it_learnt_and_keeps_its_charts(street: Callable[..., Any], tmp_path: Path) -> None:
    from identity.jobs import resolve, train
    from identity.tables import MEMBERSHIP, MODEL_REGISTRY

    first = street(1)
    resolve(first, {})
    said: list[str] = []
    summary = train(replace(street(2), say=said.append), {})
    learnt = summary["learnt"]
    assert learnt["version"] == summary["model"]
    assert any(line.startswith(f"model {learnt['version']} (format ") for line in said)
    folder = first.workspace.state_path / "models" / learnt["version"]
    assert said[-1] == f"charts: {(folder / 'charts.html').relative_to(first.workspace.root)}"
    assert "carver" not in (folder / "charts.html").read_text(encoding="utf-8").lower()
    assert json.loads((folder / "figures.json").read_text(encoding="utf-8"))["version"] == learnt["version"]
    members = shelf.reader(first.workspace.lake_path, MEMBERSHIP).read_all().num_rows

    # few records teach nothing, so the same was declared again; a judged pair makes it another model
    labels = tmp_path / "labels.csv"
    labels.write_text("source_a,key_a,source_b,key_b,same\ncrm,crm-bob1,shop,shop-bob2,true\n", encoding="utf-8")
    third = street(3)
    said.clear()
    judged = train(replace(third, say=said.append), {"labels": str(labels)})
    assert "1 labels teach, 0 speak of records that are not compared" in said
    assert judged["model"] != summary["model"]
    assert judged["learnt"]["frequencies"] == learnt["frequencies"]
    assert shelf.reader(third.workspace.lake_path, MEMBERSHIP).read_all().num_rows == members
    stored = shelf.reader(third.workspace.lake_path, MODEL_REGISTRY).read_all().to_pylist()
    assert [row["model_version"] for row in sorted(stored, key=lambda row: int(row["batch"]))][-1] == judged["model"]
