"""`kindred replay` and `kindred check --against` say what is missing before any run begins."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.scaffold import write_workspace

WEB = "source: web\nconnector: {type: collector}\nidentifiers: {email: traits.email}\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["replay", "--since", "7d"], 2, "--into FOLDER"),
        (["replay", "--since", "7d", "--in-place", "--into", "x"], 2, "--into FOLDER"),
        (["replay", "--in-place"], 2, "say from when on"),
        (["replay", "wbe", "--since", "7d", "--in-place"], 3, "no source is called 'wbe'"),
        (["replay", "--since", "7 days", "--in-place"], 2, "--since: not a moment"),
        (["replay", "--since", "1d", "--until", "2d", "--in-place"], 2, "write the earlier moment first"),
        (["replay", "--since", "7d", "--into", "."], 4, "holds the workspace itself"),
        (["check", "--source", "web"], 2, "--source and --json go with --against"),
        (["check", "--against", "week"], 2, "not a moment"),
        (["check", "--against", "7d", "--source", "crm"], 3, "no source is called 'crm'"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, says: str
) -> None:
    shop = tmp_path / "shop"
    write_workspace(shop)
    (shop / "sources" / "web.yaml").write_text(WEB)
    monkeypatch.chdir(shop)
    found = CliRunner().invoke(app, words)
    assert found.exit_code == code
    assert says in " ".join(found.output.split())
    assert not (shop / "state" / "runner.log").exists()
