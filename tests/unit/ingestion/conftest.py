"""Fixtures of ingestion's pure tests: a workspace on disk, and sources made from YAML text."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import ingestion.store
from infra.database import open_database
from infra.workspace import Workspace
from ingestion.config import Source
from ingestion.connectors.landed import Landed, landed
from ingestion.cursors import Cursors
from ingestion.read import stretch_lines

IDENTITY = """
identifiers:
  customer: {normaliser: code, strength: decisive}
  email: {normaliser: email, blocked: ["/(test|null)@.*/"]}
  phone: {normaliser: phone, strength: weak, blocked: ["/\\\\+1?0+/"]}
  cookie: {normaliser: text, strength: weak, anonymous: true, blocked: ["null"]}
"""

CRM = """
source: crm
connector: {type: files, path: data/crm/*.csv, format: csv}
record: person
key: customer_id
observed_at: updated_at
fields: {given_name: first_name, family_name: last_name, birth_date: dob}
identifiers: {email: email, phone: mobile, customer: customer_id}
contract:
  customer_id: {type: text, required: true}
  dob: {type: date, max: today}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kindred.yaml").write_text("name: test\n")
    (tmp_path / "identity.yaml").write_text(IDENTITY)
    (tmp_path / "sources").mkdir()
    return tmp_path


@pytest.fixture
def declare(folder: Path) -> Callable[..., Workspace]:
    """Write `sources/<name>.yaml` and return the workspace."""

    def write(text: str = CRM, name: str = "crm") -> Workspace:
        (folder / "sources" / f"{name}.yaml").write_text(text)
        return Workspace.open(folder)

    return write


@pytest.fixture
def source(declare: Callable[..., Workspace]) -> Callable[..., Source]:
    """Return a source from YAML text as the workspace would load it."""

    def load(text: str = CRM) -> Source:
        return declare(text).load("sources/crm.yaml", Source)

    return load


class Loads:
    """The loads of one source: each returns the rows that landed in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cursors = Cursors(open_database(f"sqlite:///{root}/k.db", ingestion.store.METADATA))
        self.said: list[str] = []

    def landing(self, again: str | None = None) -> Landed:
        at = datetime(2026, 11, 1, tzinfo=UTC)
        return Landed(self.root / "landing", "crm", self.cursors, at=at, say=self.said.append, again=again)

    def load(self, land: Callable[[Landed], None], again: str | None = None) -> list[Any]:
        before = {file.path for file in landed(self.root, self.root / "landing" / "crm", ())}
        land(self.landing(again))
        return [json.loads(line) for line in self.lines(before)]

    def lines(self, before: Any = ()) -> list[bytes]:
        return [
            line
            for file in landed(self.root, self.root / "landing" / "crm", before)
            for stretch in file.stretches
            for _, line in stretch_lines(self.root / file.path, stretch)
        ]


@pytest.fixture
def loads(tmp_path: Path) -> Loads:
    return Loads(tmp_path)
