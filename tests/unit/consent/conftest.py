"""What the tests of consent share: the shipped policy as a workspace, and words written as tables."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import databases
import psycopg
import pytest
from sqlalchemy import Engine

from consent.config import load_policy
from consent.ledger.vault import keys_of
from consent.model import ConsentEntry, Policy
from consent.officer import Desk
from consent.store import METADATA
from infra.database import open_database
from infra.ids import Purpose, Sid
from infra.workspace import Workspace

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace" / "consent"
IDENTITY = """
identifiers:
  email: {normaliser: email}
  phone: {normaliser: phone, strength: weak}
  cookie: {normaliser: text, anonymous: true}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root / "consent")
    (root / "kindred.yaml").write_text("name: shop\n", encoding="utf-8")
    (root / "identity.yaml").write_text(IDENTITY, encoding="utf-8")
    (root / ".env").write_text(
        f"KINDRED_TOKEN_KEY={'k' * 40}\nKINDRED_SIGNING_KEY={'5' * 64}\nKINDRED_SUBJECT_KEY={'7' * 64}\n",
        encoding="utf-8",
    )
    return Workspace.open(root)


@pytest.fixture
def policy(workspace: Workspace) -> Policy:
    return load_policy(workspace)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with databases.postgres() as url:
        yield url


@pytest.fixture
def backend() -> str:
    """The database's kind; a file whose tests are a contract of both has this with both as its parameters."""
    return "sqlite"


@pytest.fixture
def database(request: pytest.FixtureRequest, workspace: Workspace, backend: str) -> Iterator[Engine]:
    if backend == "postgresql":
        url = schema_of_its_own(request.getfixturevalue("postgres_url"))
        stores = workspace.settings.stores.model_copy(update={"database": url})
        workspace = replace(workspace, settings=workspace.settings.model_copy(update={"stores": stores}))
    engine = open_database(workspace, METADATA)
    yield engine
    keys = keys_of(engine)
    if keys is not None:
        keys.close()
    engine.dispose()


def schema_of_its_own(url: str) -> str:
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{url}?options=-csearch_path%3D{name}"


@pytest.fixture
def moment() -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)


@pytest.fixture
def said(moment: Callable[[str], datetime]) -> Callable[..., tuple[ConsentEntry, ...]]:
    """Entries from lines `sid | action | purpose | month | key=value ...`; the id is the line's number."""

    def parse(table: str, **common: Any) -> tuple[ConsentEntry, ...]:
        entries = []
        for number, line in enumerate(filter(None, map(str.strip, table.replace(";", "\n").splitlines())), start=1):
            sid, action, purpose, month, *rest = (part.strip() for part in line.split("|"))
            extra: dict[str, Any] = dict(pair.split("=") for part in rest for pair in part.split())
            for name in ("effective_from", "expires_at", "received_at"):
                if name in extra:
                    extra[name] = moment(extra[name])
            facts = {"mechanism": "centre", "received_at": moment(month)} | common | extra
            entries.append(
                ConsentEntry(
                    id=str(number),
                    sid=Sid(sid),
                    identifier_kind="email",
                    purpose=Purpose(purpose),
                    action=action,
                    occurred_at=moment(month),
                    **facts,
                )
            )
        return tuple(entries)

    return parse


@pytest.fixture
def desk(workspace: Workspace, database: Engine) -> Iterator[Desk]:
    """The officer's desk over the workspace, whose entries are numbered."""
    numbers = count(1)
    desk = replace(Desk.open(workspace, database), mint=lambda: f"id{next(numbers)}")
    yield desk
    desk.overlay.close()
