"""The log tells facts and places, for people and machines, and never what an exception says."""

import io
import json
import logging
from pathlib import Path

import pytest

from infra import journal
from infra.errors import ConfigurationError
from infra.workspace import Workspace

NAME = "kindred.test_journal"
PLANTED = "jane.secret@example.org"


def told(form: journal.Form) -> list[str]:
    stream = io.StringIO()
    journal.configure(form, stream, NAME)
    logger = logging.getLogger(NAME)
    journal.note(logger, "source taken in", run=7, source="crm", read=3, written={"records": 2}, because=None)
    try:
        int(PLANTED)
    except ValueError:
        logger.exception("unforeseen")
    return stream.getvalue().splitlines()


def test_machines_get_one_object_a_line() -> None:
    first, second = (json.loads(line) for line in told("json"))
    at = first.pop("at")
    assert at.endswith("Z")
    assert first == {
        "level": "info", "logger": NAME, "event": "source taken in", "run": 7, "source": "crm", "read": 3,
        "written": {"records": 2},
    }  # fmt: skip
    assert (second["level"], second["error"]) == ("error", "ValueError")
    assert "test_journal.py" in second["places"][-1]


def test_people_get_a_sentence_with_facts() -> None:
    first, second, place = told("human")
    assert first.endswith('INFO kindred.test_journal source taken in run=7 source="crm" read=3 written={"records": 2}')
    assert second.endswith('ERROR kindred.test_journal unforeseen error="ValueError"')
    assert place.startswith("    ")


@pytest.mark.parametrize("form", ["human", "json"])
def test_what_an_exception_says_stays_out(form: journal.Form) -> None:
    assert PLANTED not in "\n".join(told(form))


def test_the_form_stands_in_the_page_or_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    assert Workspace.open(tmp_path).settings.logs.format == "human"
    (tmp_path / "kindred.yaml").write_text("name: shop\nlogs: {format: json}\n")
    assert Workspace.open(tmp_path).settings.logs.format == "json"
    (tmp_path / ".env").write_text("KINDRED_LOG=human\n")
    assert Workspace.open(tmp_path).settings.logs.format == "human"
    (tmp_path / ".env").write_text("KINDRED_LOG=xml\n")
    with pytest.raises(ConfigurationError, match="KINDRED_LOG: Input should be 'human' or 'json'"):
        Workspace.open(tmp_path)


def test_machines_have_a_file_that_may_be_moved_away(tmp_path: Path) -> None:
    stream, file = io.StringIO(), tmp_path / "state" / "jobs.ndjson"
    journal.configure("human", stream, NAME, file=file)
    logger = logging.getLogger(NAME)
    journal.note(logger, "run began", run=1)
    file.rename(tmp_path / "old.ndjson")
    journal.note(logger, "run ended", run=1)
    for handler in logger.handlers:
        handler.close()
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["run ended"]
    assert json.loads((tmp_path / "old.ndjson").read_text())["event"] == "run began"
    assert stream.getvalue().splitlines()[0].endswith("run began run=1")
