"""`kindred sources` and `kindred runs`: what the engineer sees, and what a machine gets."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.jobs import told
from api.cli.main import app
from api.cli.world import World, open_world
from infra.runs import Step

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
CRM = """source: crm
connector: {type: files, path: data/crm/*.csv, format: csv}
record: person
key: id
identifiers: {email: email}
"""
WAY = {
    "received": 5, "as_they_were": 2, "surveyed": 3, "read": 3, "accepted": 2, "changed": 0, "duplicate": 2,
    "quarantined": 1, "suppressed": 0, "consent_filtered": 0, "written": {"records": 2, "quarantine": 1},
}  # fmt: skip
WROTE = {"records": {"version": 4, "rows": 2, "removed": 0, "files": 1, "size": 900}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / "sources").mkdir(exist_ok=True)
    (root / "sources" / "crm.yaml").write_text(CRM)
    (root / "data" / "crm").mkdir(parents=True)
    (root / "data" / "crm" / "a.csv").write_text("id,email\n1,ann@example.org\n")
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={'k' * 40}\n")
    opened = open_world(root)
    yield opened
    opened.database.dispose()


@pytest.fixture
def kindred(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("COLUMNS", "40")

    def typed(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "-w", str(world.workspace.root)])
        assert result.exit_code == code, result.output
        return result.output

    return typed


def a_run(world: World) -> int:
    run_id = world.runs.submit("ingest", {})
    for _ in range(2):  # the first runner died
        row = world.runs.begin_next({}, None)
        world.runs.requeue_interrupted()
    world.runs.record_step(run_id, Step("ingest", 1.5, {"flow": {"crm": WAY}, "wrote": WROTE, "total": {}}))
    world.runs.finish(run_id)
    assert row is not None
    return int(row.number)


def test_a_run_shows_counts_in_and_counts_out(world: World, kindred: Callable[..., str]) -> None:
    number = a_run(world)
    shown = kindred("runs", str(number))
    assert f"run {number}, job ingest: succeeded" in shown
    assert "it was taken up 2 times" in shown
    assert "records 2, quarantine 1" in shown  # on a narrow screen, too
    assert "consent filtered" in shown
    facts = json.loads(kindred("runs", str(number), "--json"))
    (step,) = facts["steps"]
    assert (facts["taken_up"], step["flow"], step["wrote"]) == (2, {"crm": WAY}, WROTE)
    assert [one["number"] for one in json.loads(kindred("runs", "--json"))] == [number]
    assert "number" in kindred("runs", "--limit", "1")


def test_a_run_that_is_not_there_is_missing(kindred: Callable[..., str]) -> None:
    kindred("runs", "7", code=3)


def test_a_source_shows_what_waits(kindred: Callable[..., str]) -> None:
    shown = kindred("sources")
    assert "1 sources" in shown
    assert "crm" in shown
    (crm,) = json.loads(kindred("sources", "--json"))["sources"]
    assert (crm["source"], crm["waiting"]["count"], crm["waiting"]["bytes"]) == ("crm", 1, 27)
    assert crm["newest_arrival"] is None


def test_what_stands_still_is_said(world: World, kindred: Callable[..., str]) -> None:
    world.runs.submit("ingest", {})
    for _ in range(4):
        world.runs.begin_next({}, None)
        world.runs.requeue_interrupted()
    assert "the run under way was taken up 4 times: runners end over it" in kindred("sources")


def test_lines_are_for_machines_where_the_log_is(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    told(world, "taken in", run_id="a1")
    assert capsys.readouterr().out == "taken in\n"
    (world.workspace.root / ".env").write_text("KINDRED_LOG=json\n")
    machine: Any = open_world(world.workspace.root)
    told(machine, "taken in", run_id="a1")
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["text"], line["run_id"]) == ("said", "taken in", "a1")
    machine.database.dispose()
