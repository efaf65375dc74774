"""Moments as an officer types them, and files of words."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.consents import _moment
from api.cli.main import app
from infra.errors import Malformed


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("yesterday", "is no moment"),
        ("2026-11-22T09:30:00", "names no time zone"),
        ("0001-01-01T00:00:00+14:00", "is outside the calendar"),
        ("9999-12-31T23:59:59-12:00", "is outside the calendar"),
    ],
)
def test_a_moment_that_cannot_be_kept_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(Malformed, match=wrong):
        _moment(text)


def test_a_moment_is_kept_in_utc() -> None:
    moment = _moment("2027-01-31T00:00:00+02:00")
    assert moment is not None
    assert moment.isoformat() == "2027-01-30T22:00:00+00:00"


@pytest.fixture
def shop(tmp_path: Path, token_key: bytes) -> Path:
    shutil.copytree(Path(__file__).parents[3] / "api" / "templates" / "workspace", tmp_path / "shop")
    (tmp_path / "shop" / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\n")
    return tmp_path / "shop"


def test_a_file_of_words_is_previewed_and_taken_in_once(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text(
        "type,identifier,purpose,action,occurred_at\n"
        "email,ann@example.org,email_marketing,given,2026-05-01T10:00:00+00:00\n"
        "email,ann@example.org,email_marketing,refused,\n"
        "email,ben@example.org,spying,refused,\n"
    )

    def imported(*more: str) -> str:
        done = CliRunner().invoke(app, ["consent", "import", str(tmp_path / "words.csv"), "-w", str(shop), *more])
        assert done.exit_code == 0, done.output
        assert "example.org" not in done.output
        return done.output

    assert "would be: 1 overruled, 1 recorded, 1 rejected; nothing was written" in imported("--dry-run")
    told = json.loads(imported("--json", "--verdicts", str(tmp_path / "verdicts.csv")))
    assert told["counts"] == {"overruled": 1, "recorded": 1, "rejected": 1}
    assert (tmp_path / "verdicts.csv").read_text().splitlines()[2] == "3,recorded,"
    assert "1 already, 1 overruled, 1 rejected" in imported()


@pytest.mark.parametrize(("more", "code", "wrong"), [(["absent.csv"], 3, "cannot be read"), (["."], 3, "directory")])
def test_a_file_that_cannot_be_read_is_named_by_its_fault(shop: Path, more: list[str], code: int, wrong: str) -> None:
    done = CliRunner().invoke(app, ["consent", "import", *more, "-w", str(shop)])
    assert done.exit_code == code
    assert wrong in done.output
