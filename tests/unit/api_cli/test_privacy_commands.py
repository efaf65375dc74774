"""Privacy requests as an officer types them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("requests") / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    return root


@pytest.fixture
def typed(shop: Path) -> Any:
    def invoke(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["privacy", *words, "-w", str(shop)])
        assert done.exit_code == code, done.output
        return done.output

    return invoke


def test_a_request_from_its_receipt_to_its_end(typed: Any) -> None:
    receipt = json.loads(typed("request", "objection", "email:ann@example.org", "--jurisdiction", "DE", "--json"))
    word = typed("verify", receipt["id"], "--send", "0").splitlines()[-1]
    assert "ann@" not in word
    assert "accepted" in typed("verify", receipt["id"], "--proof", word)
    assert "closed" in typed("run")
    shown = json.loads(typed("show", receipt["id"], "--json"))
    assert [s["step"] for s in shown["steps"]] == [
        "received", "verifying", "proof_sent", "proved", "accepted", "planned", "notifying", "closed",
    ]  # fmt: skip
    assert "ann@" not in json.dumps(shown)
    assert receipt["id"] not in typed("list", "--json")
    assert receipt["id"] in typed("list", "--all", "--json")


def test_an_answer_is_written_for_the_person_alone(typed: Any, tmp_path: Path) -> None:
    asked = json.loads(typed("request", "access", "email:cora@example.org", "--jurisdiction", "DE", "--json"))["id"]
    file = tmp_path / "answer.zip"
    typed("export", asked, "--to", str(file), code=4)
    typed("verify", asked, "--seen", "passport")
    typed("run")
    typed("export", asked, "--to", str(tmp_path / "answer.pdf"), code=2)
    typed("export", asked, "--to", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as archive:
        document = json.loads(archive.read("answer.json"))
    assert document["request"]["right"] == "access"
    assert document["data"] == []
    assert "records" in document["nothing_held_in"]
    assert "handed_out" in typed("show", asked)


def test_judging(typed: Any) -> None:
    first = json.loads(typed("request", "erasure", "email:ann@example.org", "--jurisdiction", "US-CA", "--json"))["id"]
    typed("approve", first, code=4)
    assert "now due" in typed("extend", first, "complexity")
    typed("extend", first, "complexity", code=4)
    assert "accepted" in typed("verify", first, "--seen", "passport")
    assert "refused (legal_obligation)" in typed("refuse", first, "legal_obligation")
    assert "refused: a law obliges us" in typed("show", first)
    typed("cancel", first, code=4)
    typed("refuse", first, "whim", code=2)
    typed("show", "0" * 32, code=3)
    assert "erasure" in typed("list", "--all")


@pytest.mark.parametrize(
    "words",
    [
        ("request", "deletion", "email:ann@example.org"),
        ("request", "access", "email:nobody"),
        ("request", "access", "ann@example.org"),
        ("request", "rectification", "email:ann@example.org", "--correct", "Dayton"),
        ("request", "objection", "email:ann@example.org", "--purpose", "fun"),
        ("verify", "0" * 32),
    ],
)
def test_what_cannot_be_read_is_said_without_repeating_it(typed: Any, words: tuple[str, ...]) -> None:
    output = typed(*words, code=2)
    assert "email:ann@" not in output.replace("for example email:ann@example.org", "")
    assert "nobody" not in output
