"""What the commands around a collector say where they are typed wrongly: the option that would be right."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
WEB = "source: web\nconnector: {type: collector}\nidentifiers: {customer: userId, cookie: anonymousId}\n"


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        (("keys", "create", "--scope", "events:write"), "--source web"),
        (("keys", "create", "--scope", "admin"), "--name"),
        (("ingest", "--pause", "5s"), "--follow"),
        (("ingest", "--follow", "--pause", "5"), "--pause 5: write a whole number with s, m or h"),
    ],
)
def test_a_refusal_names_the_option_that_would_be_right(tmp_path: Path, typed: tuple[str, ...], right: str) -> None:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / "sources").mkdir(exist_ok=True)
    (root / "sources" / "web.yaml").write_text(WEB)
    (root / ".env").write_text("KINDRED_TOKEN_KEY=a-key-of-tests-that-guards-nothing-at-all\n")
    told = CliRunner().invoke(app, [*typed, "-w", str(root)])
    assert told.exit_code == 2
    assert right in told.output
