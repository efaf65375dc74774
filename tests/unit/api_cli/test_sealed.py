"""The sealed ledger by command line, and the check of its files by somebody who has nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.scaffold import write_workspace

RUN = CliRunner()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_workspace(tmp_path / "shop")
    return tmp_path / "shop"


def kindred(*words: str, code: int = 0) -> str:
    done = RUN.invoke(app, list(words))
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_from_a_word_to_a_check_elsewhere(shop: Path, tmp_path: Path) -> None:
    at = ("-w", str(shop))
    told = json.loads(
        kindred("consent", "record", "email:ann@example.org", "personalization", "withdrawn", *at, "--json")
    )
    kindred("consent", "record", "email:bob@example.org", "email_marketing", "given", *at)
    key = kindred("consent", "key", *at).strip()
    assert "0 entries sealed" in kindred("consent", "seal", *at)
    receipt, both, ledger = (str(tmp_path / name) for name in ("receipt.json", "both.json", "ledger.ndjson"))
    kindred("consent", "receipt", told["id"], "--to", receipt, *at)
    kindred("consent", "receipt", "email:ann@example.org", "--to", both, *at)
    assert json.loads(kindred("consent", "receipt", told["id"], *at)) == json.loads(Path(receipt).read_text())
    assert "2 entries under root" in kindred("consent", "export", "--to", ledger, *at)
    (tmp_path / "promise.json").write_text(json.dumps(told["promise"], indent=1))
    shutil.rmtree(shop)  # from here on there is nothing but the files and the key
    for file, says in ((receipt, "sound: 1 entries"), (both, "sound: 1 entries"), (ledger, "sound: 2 entries")):
        assert says in kindred("consent", "verify", file, "--public-key", key)
        assert "whose key that is nobody said" in kindred("consent", "verify", file)
    kindred("consent", "verify", str(tmp_path / "promise.json"), "--public-key", key)
    assert "example.org" not in Path(ledger).read_text()
    promise = str(tmp_path / "promise.json")
    assert "sound" in kindred("consent", "verify", ledger, "--public-key", key, "--promise", promise)
    broken = json.loads(Path(promise).read_text()) | {"leaf": "0" * 64}
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    missing = kindred("consent", "verify", ledger, "--promise", str(tmp_path / "broken.json"), code=7)
    assert f"promise of entry {told['id']}" in missing
    kindred("consent", "verify", ledger, "--public-key", key, "--promise", str(tmp_path / "broken.json"), code=2)
    kindred("consent", "verify", receipt, "--promise", promise, code=2)


def test_what_was_changed_is_named_with_its_place(shop: Path, tmp_path: Path) -> None:
    at, ledger = ("-w", str(shop)), tmp_path / "ledger.ndjson"
    kindred("consent", "record", "email:ann@example.org", "personalization", "withdrawn", *at)
    kindred("consent", "export", "--to", str(ledger), *at)
    key = kindred("consent", "key", *at).strip()
    ledger.write_bytes(ledger.read_bytes().replace(b"withdrawn", b"withdrawm"))
    assert "line 2, entry 0" in kindred("consent", "verify", str(ledger), "--public-key", key, code=7)
    done = RUN.invoke(app, ["consent", "verify", str(ledger), "--public-key", key, "--json"])
    assert [fault["line"] for fault in json.loads(done.stdout)["faults"]] == [2]
    kindred("consent", "verify", str(tmp_path / "gone.json"), "--public-key", key, code=3)
    for text in (
        "[1]",
        "[]",
        "{}",
        "",
        "nonsense",
        '{"kind": "receipt"}',
        '{"kind": "receipt", "kind": "head"}',
        "[",
        "\n\n",
    ):
        (tmp_path / "none.json").write_text(text)
        done = RUN.invoke(app, ["consent", "verify", str(tmp_path / "none.json"), "--public-key", key])
        assert done.exit_code in {2, 7}, (text, done.output, done.exception)
    kindred("consent", "verify", str(ledger), "--public-key", "short", code=2)


def test_without_a_key_a_word_is_kept_and_nothing_is_promised(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINDRED_SIGNING_KEY", raising=False)
    env = shop / ".env"
    env.write_text("\n".join(line for line in env.read_text().splitlines() if "SIGNING" not in line) + "\n")
    at = ("-w", str(shop))
    told = json.loads(kindred("consent", "record", "email:ann@example.org", "all", "restricted", *at, "--json"))
    assert told["promise"] is None
    for command in (["seal"], ["export", "--to", "x"], ["receipt", told["id"]]):
        assert "kindred init" in kindred("consent", *command, *at, code=6)
    kindred("init", str(shop))
    assert "1 entries sealed" in kindred("consent", "seal", *at)
