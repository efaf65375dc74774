"""`kindred quarantine`, typed: what it prints, what it keeps to itself, how it ends."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from api.cli import quarantine
from api.cli.main import app
from infra.database import open_database
from infra.workspace import Workspace
from ingestion.quarantine import store

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 11, 1, tzinfo=UTC)
SOURCE = """
source: crm
connector: {type: files, path: data/crm/*.csv, format: csv}
record: person
key: id
fields: {given_name: name, birth_date: dob}
identifiers: {email: email}
contract: {dob: {type: date}}
"""
Run = Callable[..., Any]


@pytest.fixture
def kindred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    root = tmp_path / "shop"
    shutil.copytree(ROOT / "api" / "templates" / "workspace", root)
    (root / "sources").mkdir(exist_ok=True)
    (root / "sources" / "crm.yaml").write_text(SOURCE, encoding="utf-8")
    names = ("Ann", "Bob", "Cy")
    rows = [
        {
            "source": "crm",
            "file": "a.csv",
            "position": number,
            "field": "dob",
            "rule": "type",
            "value_class": "text of 10 characters",
            "reason": "dob must be a date",
            "received_at": AT,
            "batch": 1,
            "content_hash": f"h{number}",
            "payload": json.dumps({"id": f"C{number}", "name": name, "dob": dob, "email": f"{name}@example.org"}),
        }
        for number, (name, dob) in enumerate(zip(names, ("03.02.1980", "04.02.1980", "some day"), strict=True), 2)
    ]
    write_deltalake(str(Workspace.open(root).lake_path / "quarantine"), pa.Table.from_pylist(rows))
    monkeypatch.chdir(root)

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["quarantine", *words])

    return run


def test_list_counts_by_reason_and_names_nobody(kindred: Run) -> None:
    (group,) = json.loads(kindred("list", "--json").stdout)
    assert (group["source"], group["field"], group["rule"], group["rows"]) == ("crm", "dob", "type", 3)
    assert (group["reason"], group["places"][0]) == ("dob must be a date", "crm:a.csv:2")
    assert "3 rejections are open" in kindred("list").stdout
    assert json.loads(kindred("list", "--rule", "max", "--json").stdout) == []
    assert kindred("list", "--source", "elsewhere").exit_code == 3


def test_show_masks_values_and_writes_down_who_looked(kindred: Run) -> None:
    (row,) = json.loads(kindred("show", "crm:a.csv:3", "--json").stdout)
    assert row["row"]["attributes.given_name"] == "text of 3 characters"
    assert "Bob" not in kindred("show", "--source", "crm").stdout
    assert kindred("show", "crm:a.csv:9").exit_code == 3
    database = open_database(Workspace.open(Path()), store.METADATA)
    assert store.revealed(database) == ()
    assert "Bob@example.org" in kindred("show", "crm:a.csv:3", "--reveal").stdout
    ((_, _, wanted, rows),) = store.revealed(database)
    assert (wanted, rows) == ({"place": "crm:a.csv:3"}, 1)
    database.dispose()


def test_fix_shows_its_effect_and_is_saved_with_a_reason(kindred: Run) -> None:
    words = ("fix", "--source", "crm", "--rule", "type", "--cast", "dob=date:%d.%m.%Y", "--json")
    effect = json.loads(kindred(*words).stdout)
    assert (effect["named"], effect["changed"], effect["passing"], effect["saved"]) == (3, 2, 2, False)
    assert effect["examples"][0]["after"] == {"dob": "text of 10 characters"}
    assert json.loads(kindred("fixes", "--json").stdout) == []
    assert json.loads(kindred(*words, "--reason", "the branch in Berlin").stdout)["fix"] == effect["fix"]
    (saved,) = json.loads(kindred("fixes", "--json").stdout)
    assert (saved["id"], saved["signed"]["reason"]) == (effect["fix"], "the branch in Berlin")
    assert "3 rows are named, 2 would change" in kindred(*words[:-1]).stdout
    assert effect["fix"] in kindred("fixes").stdout


def test_fix_reads_a_file_of_the_workspace(kindred: Run, tmp_path: Path) -> None:
    Path("quarantine").mkdir()
    rules = "source: crm\nwhen: {name: [Ann, Bob]}\nsteps:\n  - cast: {dob: 'date:%d.%m.%Y'}\n"
    Path("quarantine/dates.yaml").write_text(rules, encoding="utf-8")
    told = json.loads(kindred("fix", "quarantine/dates.yaml", "--json").stdout)
    assert (told["named"], told["passing"]) == (2, 2)
    Path("quarantine/dates.yaml").write_text(rules.replace("%d.%m", "%d.x"), encoding="utf-8")
    wrong = kindred("fix", "quarantine/dates.yaml")
    assert wrong.exit_code == 2
    (tmp_path / "out.yaml").write_text(rules, encoding="utf-8")
    assert kindred("fix", str(tmp_path / "out.yaml")).exit_code == 2
    assert kindred("fix", "quarantine/none.yaml").exit_code == 2
    assert kindred("fix", "quarantine/dates.yaml", "--drop", "name").exit_code == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("fix", "--source", "crm"), 2),
        (("fix", "--drop", "name"), 2),
        (("fix", "--source", "crm", "--cast", "dob=money"), 2),
        (("fix", "--source", "crm", "--map", "dob"), 2),
        (("fix", "--source", "crm", "--replace", "name:(?=A)=>B"), 2),
        (("fix", "--source", "crm", "--when", "name", "--drop", "name"), 2),
        (("fix", "--source", "elsewhere", "--drop", "name"), 3),
        (("fix", "--source", "crm", "--rule", "max", "--drop", "name"), 3),
        (("replay",), 2),
        (("replay", "nope"), 3),
        (("replay", "nope", "--source", "crm"), 2),
        (("replay", "--source", "elsewhere"), 3),
        (("recovered", "crm"), 2),
        (("recovered", "crm:C2"), 3),
    ],
)
def test_what_cannot_be_meant_ends_with_its_code(kindred: Run, words: tuple[str, ...], code: int) -> None:
    assert kindred(*words).exit_code == code


def test_replay_hands_the_fix_to_the_runner(kindred: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def handed(_world: Any, job: str, arguments: Any, *, quiet: bool) -> Any:
        asked.append((job, dict(arguments), quiet))
        steps = [{"name": "ingest", "summary": {"total": {"read": 3, "accepted": 2, "quarantined": 1}}}]
        return type("Row", (), {"number": 7, "steps": steps})

    monkeypatch.setattr(quarantine, "hand_over", handed)
    told = json.loads(kindred("replay", "--source", "crm", "--rule", "type", "--json").stdout)
    assert (told["run"], told["account"]["accepted"]) == (7, 2)
    assert asked == [("ingest", {"replay": told["fix"]}, True)]
    assert json.loads(kindred("replay", told["fix"], "--json").stdout)["fix"] == told["fix"]
    (saved,) = json.loads(kindred("fixes", "--json").stdout)
    assert saved["rules"] == {"source": "crm", "rule": "type"}


def test_recovered_tells_the_fix_by_source_and_key(kindred: Run) -> None:
    told = {"source": "crm", "key": "C2", "field": "dob", "rule": "type", "fix": "f1", "verdict": "accepted"}
    row = {**told, "content_hash": "h2", "arrived_at": AT, "replayed_at": AT, "batch": 2}
    write_deltalake(str(Workspace.open(Path()).lake_path / "recovered"), pa.Table.from_pylist([row]))
    (found,) = json.loads(kindred("recovered", "crm:C2", "--json").stdout)
    assert (found["fix"], found["verdict"]) == ("f1", "accepted")
    assert "f1" in kindred("recovered", "crm:C2").stdout
    counted = kindred("recovered", "--json").stdout
    assert json.loads(counted)[0]["rows"] == 1
    assert "C2" not in counted
    assert "1 rejections are settled" in kindred("recovered").stdout
    assert json.loads(kindred("list", "--json").stdout)[0]["rows"] == 2
