"""After every run the lake's log is linted: what is new, and what leaked, until it is gone. It fails no run."""

import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from api.cli.linting import lint_new
from infra.database import open_database
from infra.observer import Observer
from infra.runs import METADATA, Runs
from infra.runtime import RunInfo, Runtime
from infra.workspace import Workspace
from ingestion.tables import RECORDS

AT = datetime(2026, 11, 27, tzinfo=UTC)
ANN = "anne.of.the.log@example.org"
HYGIENE = {k: v for k, v in RECORDS.properties().items() if k != "delta.enableInCommitTimestamps"}
ROWS = pa.table({"identifiers": [[{"type": "email", "value": ANN}]], "key": [ANN]})
LEAKS = logging.getLogger("tests.leaks")


class World:
    """A workspace with a lake, whose runs are linted; `said` is what they told."""

    def __init__(self, root: Path) -> None:
        (root / "kindred.yaml").write_text("name: shop\n", encoding="utf-8")
        self.workspace = Workspace.open(root)
        self.workspace.state_path.mkdir(parents=True)
        self.database = open_database(self.workspace, METADATA)
        self.runs = Runs(self.database, lambda: AT)
        self.said: list[str] = []

    def fill(self, configuration: dict[str, str] | None) -> None:
        write_deltalake(self.workspace.lake_path / "records", ROWS, mode="append", configuration=configuration)

    def linted(self, run_id: str | None = None) -> tuple[str, Any]:
        if run_id is None:
            run_id = self.runs.submit("run", {}, anew=True)
            self.runs.begin_next({}, None)
        info = RunInfo(id=run_id, number=1, started_at=AT, salt="", base={})
        observer = Observer(run_id, 1, "run", logger=LEAKS)
        runtime = Runtime(self.workspace, cast("Any", None), self.database, info, self.said.append, observer)
        return run_id, lint_new(runtime, self.runs, [RECORDS])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_clean_lake_is_read_once_and_nothing_is_said(world: World) -> None:
    world.fill(HYGIENE)
    run_id, found = world.linted()
    assert found == {"files": 2, "findings": 0, "unscanned": 0}
    assert [step["name"] for step in world.runs.get(run_id).steps] == ["leaks"]
    world.fill(None)
    # A new commit and its file, and the file of before, whose name is looked at again; the old commit is not.
    assert world.linted()[1] == {"files": 3, "findings": 0, "unscanned": 0}
    assert world.said == []


def test_a_leak_is_told_after_every_run_until_it_is_gone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.fill(None)
    with caplog.at_level(logging.WARNING, LEAKS.name):
        first, second = world.linted()[1], world.linted()[1]
    assert first == second
    assert first["findings"] > 1
    assert [record.getMessage() for record in caplog.records] == ["lake leaks"] * 2
    assert any("records/_delta_log/00000000000000000000.json" in line for line in world.said)
    assert world.said[-1].startswith("the lake's log tells of people")
    assert ANN not in "\n".join(world.said) + caplog.text
    shutil.rmtree(world.workspace.lake_path / "records")
    world.fill(HYGIENE)
    assert world.linted()[1]["findings"] == 0


def test_a_resumed_run_is_linted_once_and_what_passed_may_be_forgotten(world: World) -> None:
    world.fill(HYGIENE)
    run_id, found = world.linted()
    assert world.linted(run_id) == (run_id, found)
    assert len(world.runs.get(run_id).steps) == 1
    for spoilt in ("", "[1", "{}", '"x"', "7"):
        (world.workspace.state_path / "linted.json").write_text(spoilt, encoding="utf-8")
        assert world.linted()[1] == found
