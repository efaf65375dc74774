"""`kindred discover` on the terminal: findings without values, labels to paste or written."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.scaffold import write_workspace
from consent.config import load_policy
from infra.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CRM = """source: crm
connector: {type: files, path: data/*.csv, format: csv}
record: person
key: id
identifiers: {email: email}
fields: {segment: segment}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_workspace(tmp_path)
    (tmp_path / "sources/crm.yaml").write_text(CRM)
    (tmp_path / "data").mkdir()
    lines = [
        f"{n},a{n}@example.org,b{n}@example.org,+1 614-555-01{n:02d},536-9{n % 9}-43{n:02d},{n}" for n in range(60)
    ]
    (tmp_path / "data/crm.csv").write_text("id,email,segment,second_phone,ssn,points\n" + "\n".join(lines))
    return tmp_path


def run(shop: Path, *more: str) -> str:
    result = CliRunner().invoke(app, ["discover", "-w", str(shop), *more], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_findings_are_told_with_their_standing_and_never_with_a_value(shop: Path) -> None:
    told = run(shop)
    assert "# for consent/labels.yaml (or run again with --write):" in told
    assert "fields: [email, phone, street, segment, second_phone]" in told
    assert "  official:" in told
    assert "identifiers: {phone: [second_phone]}" in told
    assert "example.org" not in told
    assert "555-01" not in told
    assert "points" not in told


def test_machines_are_told_the_same(shop: Path) -> None:
    (crm,) = json.loads(run(shop, "crm", "--json"))
    assert {(f["column"], f["kind"], f["standing"]) for f in crm["findings"]} == {
        ("email", "email", "declared"),
        ("segment", "email", "unexpected"),
        ("second_phone", "phone", "undeclared"),
        ("ssn", "national_id", "undeclared"),
    }
    assert (crm["rows"], crm["whole"]) == (60, True)


def test_labels_are_written_once_and_the_policy_still_reads(shop: Path) -> None:
    assert "3 fields added" in run(shop, "--write")
    after = (shop / "consent/labels.yaml").read_text()
    assert "# Which fields are of which kind" in after  # what an officer wrote stays
    masks = load_policy(Workspace.open(shop)).masks
    assert "segment" in masks["analytics"]
    assert all("ssn" in masked for masked in masks.values())
    told = run(shop, "--write")
    assert "every column that looks personal is declared as such" in told
    assert (shop / "consent/labels.yaml").read_text() == after
    assert sorted(p.name for p in (shop / "consent").iterdir()) == [
        "labels.yaml",
        "policy.yaml",
        "retention.yaml",
        "signals.yaml",
    ]


def test_a_source_that_is_not_there_is_named_with_those_that_are(shop: Path) -> None:
    result = CliRunner().invoke(app, ["discover", "cmr", "-w", str(shop)])
    assert result.exit_code == 3
    assert "crm" in result.output
