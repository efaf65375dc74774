"""`kindred tracking-plan`: what is imported can be checked and exported, and nothing half done is left behind."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.scaffold import validate, write_workspace
from infra.workspace import Workspace

WEB = """source: web
connector: {type: collector}
identifiers: {email: traits.email, cookie: anonymousId}
"""
RULES = {
    "rules": [
        {
            "key": "Order Completed",
            "type": "TRACK",
            "version": 2,
            "jsonSchema": {
                "type": "object",
                "properties": {
                    "properties": {
                        "type": "object",
                        "properties": {"total": {"type": "number", "minimum": 0, "multipleOf": 0.01}},
                        "required": ["total"],
                    }
                },
                "required": ["properties"],
            },
        }
    ]
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    write_workspace(folder)
    (folder / "sources" / "web.yaml").write_text(WEB)
    (tmp_path / "live.json").write_text(json.dumps(RULES))
    return folder


def run(shop: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["tracking-plan", *words, "-w", str(shop)])


def test_a_plan_goes_in_and_comes_out_again(shop: Path, tmp_path: Path) -> None:
    done = run(shop, "import", str(tmp_path / "live.json"), "--source", "web", "--on-violation", "accept_and_flag")
    assert done.exit_code == 0, done.output
    assert "tracking/web.yaml: 1 events for web" in done.stdout
    assert "multipleOf: track Order Completed 2: properties.total" in done.stderr
    text = (shop / "tracking" / "web.yaml").read_text()
    assert "- event: Order Completed\n" in text
    assert "1 tracking plans" in validate(Workspace.open(shop))
    out = run(shop, "export", "web")
    (rule,) = json.loads(out.stdout)["rules"]
    assert rule["jsonSchema"]["properties"]["properties"]["properties"] == {"total": {"type": "number", "minimum": 0}}
    assert "accept_and_flag: there it is a setting of the source" in out.stderr
    assert run(shop, "export", "web", "--for", "rudderstack", "--to", str(tmp_path / "out.json")).exit_code == 0
    assert json.loads((tmp_path / "out.json").read_text())["rules"]["events"][0]["eventType"] == "track"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("import", "live.json", "--source", "wep"), 3, "no source is called 'wep'"),
        (("import", "gone.json", "--source", "web"), 3, "gone.json cannot be read: no such file"),
        (("import", "live.json", "--source", "web", "--name", "Live"), 2, "small letters"),
        (("import", "shop/kindred.yaml", "--source", "web"), 2, "not JSON, at line 1"),
        (("export", "web"), 3, "no tracking plan is called 'web'; declared in tracking/: none"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_nothing(shop: Path, words: Any, code: int, says: str) -> None:
    placed = [str(shop.parent / word) if "." in word else word for word in words]
    done = run(shop, *placed)
    assert done.exit_code == code
    assert says in done.stderr
    assert not list(shop.glob("tracking/*"))


def test_an_import_does_not_write_over_a_plan_nor_leave_one_that_is_wrong(shop: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "live.json")
    assert run(shop, "import", file, "--source", "web").exit_code == 0
    before = (shop / "tracking" / "web.yaml").read_text()
    assert run(shop, "import", file, "--source", "web").exit_code == 4
    assert run(shop, "import", file, "--source", "web", "--force", "--on-violation", "drop_field").exit_code == 0
    assert (shop / "tracking" / "web.yaml").read_text() != before
    again = run(shop, "import", file, "--source", "web", "--name", "other")
    assert again.exit_code == 2
    assert "tracking plan web holds for this source already" in again.stderr or "other holds" in again.stderr
    assert [one.name for one in shop.glob("tracking/*")] == ["web.yaml"]
