"""The connector that the documentation writes, as a reader would copy it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.workspace import Workspace
from ingestion.config import Source
from ingestion.connectors.declared import Python
from ingestion.connectors.own import own_function

PAGE = Path(__file__).parents[3] / "docs" / "connectors.md"


def block(language: str, file: str) -> str:
    found = re.search(rf"```{language}\n(# {re.escape(file)}\n.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def box(folder: Path) -> Path:
    (folder / "connectors").mkdir()
    (folder / "connectors/mailbox.py").write_text(block("python", "connectors/mailbox.py"))
    text = block("yaml", "sources/mailbox.yaml").replace("/var/mailbox", str(folder / "box"))
    (folder / "sources/mailbox.yaml").write_text(text)
    (folder / "box").mkdir()
    return folder / "box"


def test_the_shown_connector_lands_what_is_new_and_goes_on_after_a_kill(loads: Any, box: Path, folder: Path) -> None:
    declared = Workspace.open(folder).load("sources/mailbox.yaml", Source).connector
    assert isinstance(declared, Python)

    def load() -> list[Any]:
        land = own_function("mailbox", folder, declared.path, "land")
        return [row["id"] for row in loads.load(lambda landing: land(landing, declared.options))]

    assert load() == []
    for number in (1, 2):
        (box / f"{number}.json").write_text(json.dumps({"id": number}))
    assert load() == [1, 2]
    assert load() == []
    (box / "3.json").write_text("{broken")
    (box / "4.json").write_text(json.dumps({"id": 4}))
    with pytest.raises(ValueError, match="Expecting"):
        load()
    (box / "3.json").write_text(json.dumps({"id": 3}))
    (box / "5.json").write_text(json.dumps({"id": 5}))
    assert load() == [3, 4], "the range that was intended, and no more"
    assert load() == [5]
