"""A workspace's models and blocking rules as the command line shows them, on a small lake."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from api.cli import blocking as blocking_commands
from api.cli import jobs as job_commands
from api.cli import models as model_commands
from api.cli.scaffold import write_workspace
from api.cli.world import open_world
from identity.config import IdentityConfig
from identity.matching import scoring
from identity.matching.registry import FORMAT, as_text
from identity.modelling import album, modelbook, training
from identity.tables import EDGES, MODEL_REGISTRY, RECORD_FEATURES, TF_SNAPSHOT
from infra.workspace import Workspace


@pytest.fixture
def shop(
    tmp_path: Path,
    opened: Callable[..., Any],
    told: Any,
    row_of: Callable[..., dict[str, Any]],
    features_schema: pa.Schema,
    identity_config: IdentityConfig,
) -> Workspace:
    """A workspace with 240 records of 120 people, weighed with the model as it is declared."""
    folder = tmp_path / "shop"
    write_workspace(folder)
    workspace = Workspace.open(folder)
    people = [
        told(
            f"{spelling}{n:03d}",
            {
                "given_name": spelling,
                "family_name": f"Carver{n % 40}",
                "birth_date": f"19{50 + n % 41}-0{1 + n % 9}-1{n % 7}",
                "street": f"{n} Elm St",
                "postcode": f"430{10 + n % 20}",
            },
            {"email": f"p{n}@example.org"},
        )
        for n in range(120)
        for spelling in ("Robert", "Bob")
    ]
    connection = opened(people)
    model = training.declared(connection, identity_config)
    scoring.make_candidates(connection, identity_config)
    scoring.weigh(connection, model, identity_config, "candidates", "weighed")
    edges = connection.sql(f"SELECT *, '{model.version}' AS model_version FROM weighed").to_arrow_table()
    kept = connection.sql(f"SELECT '{model.frequencies_digest}' AS snapshot, * FROM frequencies").to_arrow_table()
    connection.close()
    features = pa.Table.from_pylist([row_of(person, identity_config) for person in people], schema=features_schema)
    stored = {
        "model_version": model.version, "model": as_text(model), "trained_at": datetime(2026, 3, 1, tzinfo=UTC),
        "records": model.records, "batch": 1,
    }  # fmt: skip
    tables = {
        RECORD_FEATURES: features,
        EDGES: edges,
        TF_SNAPSHOT: kept,
        MODEL_REGISTRY: pa.Table.from_pylist([stored]),
    }
    for table, rows in tables.items():
        write_deltalake(str(workspace.lake_path / table.name), rows)
    return workspace


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_charts_and_figures_are_kept_for_a_version(shop: Workspace, identity_config: IdentityConfig) -> None:
    (stored,) = modelbook.stored(shop.lake_path)
    place = album.keep(shop, identity_config, stored)
    assert place == shop.state_path / "models" / stored.version / "charts.html"
    page = place.read_text(encoding="utf-8")
    assert f"Model <code>{stored.version}</code>" in page
    assert "0 of 240 records (0.0 %)" in page
    assert "carver" not in page.lower()
    figures = json.loads((place.parent / "figures.json").read_text(encoding="utf-8"))
    assert figures == modelbook.facts(stored.model(), modelbook.frequencies_kept(shop.lake_path, stored.model()))
    assert sorted(path.name for path in place.parent.iterdir()) == ["charts.html", "figures.json"]
    assert album.keep(shop, identity_config, stored).read_text(encoding="utf-8") == page


def test_models_are_listed_shown_and_compared(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    model_commands.list_(shop.root, json=True)
    (row,) = printed(capsys)
    assert (row["status"], row["records"], row["format"]) == ("live", 240, FORMAT)
    model_commands.show(row["version"][:6], shop.root, json=True)
    assert printed(capsys)["version"] == row["version"]
    model_commands.diff(row["version"], row["version"], shop.root, json=True)
    assert printed(capsys)["levels"] == []
    for shown in (model_commands.list_, model_commands.show):
        shown(workspace=shop.root, json=False)
        assert row["version"] in capsys.readouterr().out


def test_a_version_that_is_not_there_ends_with_its_exit_code(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        model_commands.show("zzz", shop.root, json=True)
    assert ended.value.code == 3
    assert "kindred models list" in capsys.readouterr().err


def test_blocking_rules_are_reported_and_proposed(
    shop: Workspace, identity_config: IdentityConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    blocking_commands.report(shop.root, cap=None, json=True)
    declared = printed(capsys)
    assert [tuple(row["rule"]) for row in declared["rules"]] == list(identity_config.blocking)
    assert declared["records"] == 240
    assert declared["likely_matches"] >= 120
    blocking_commands.propose(shop.root, budget=8.0, cap=20, json=True)
    proposed = printed(capsys)
    assert proposed["pairs_a_record"] <= 8
    assert proposed["cap"] == 20
    assert 0.9 < proposed["recall_together"] <= 1
    blocking_commands.propose(shop.root, budget=8.0, cap=20, json=False)
    said = capsys.readouterr().out
    assert "blocking:\n  - [" in said
    assert "limits:\n  block: 20" in said


def test_a_budget_that_nothing_fits_is_refused(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        blocking_commands.propose(shop.root, budget=0.1, cap=2, json=True)
    assert ended.value.code == 4
    assert "raise --budget" in capsys.readouterr().err


def test_a_model_of_another_format_is_listed_as_unreadable_and_not_shown(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (stored,) = modelbook.stored(shop.lake_path)
    foreign = {
        "model_version": "f0f0f0f0f0f0f0f0", "model": stored.text.replace(f'"format":{FORMAT}', '"format":99'),
        "trained_at": stored.trained_at, "records": 1, "batch": 2,
    }  # fmt: skip
    write_deltalake(str(shop.lake_path / MODEL_REGISTRY.name), pa.Table.from_pylist([foreign]), mode="append")
    model_commands.list_(shop.root, json=True)
    assert [row["status"] for row in printed(capsys)] == [f"unreadable: format 99, not {FORMAT}", "live"]
    with pytest.raises(SystemExit) as ended:
        model_commands.diff(stored.version, "f0f0", shop.root, json=True)
    assert ended.value.code == 7
    assert "run `kindred train` to learn a new one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "says"), [(None, 3, "there is no file"), ("a,b\n1,2\n", 2, "no column source_a")]
)
def test_labels_that_cannot_be_read_are_told_before_a_run_begins(
    shop: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, says: str
) -> None:
    file = tmp_path / "labels.csv"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        job_commands.train(shop.root, file)
    assert ended.value.code == code
    assert says in capsys.readouterr().err
    assert open_world(shop.root).runs.latest() == []
