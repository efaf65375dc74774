"""Fixtures of ingestion's pure tests: a workspace on disk, and sources made from YAML text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.workspace import Workspace
from ingestion.config import Source

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
