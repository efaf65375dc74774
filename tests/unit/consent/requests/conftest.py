"""A desk over a database of its own, and the ledger's notes beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

import consent.store
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk
from consent.requests.intake import open_request
from consent.requests.model import Claimed, Request, Wish
from consent.requests.noting import ledger_note
from consent.requests.store import METADATA
from consent.requests.vault import Vault
from infra.database import open_database
from infra.identifiers import token

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
KEY = b"k" * 40


@dataclass
class Office:
    """The desk, and whoever writes to it."""

    desk: Desk
    notes: list[dict[str, Any]] = field(default_factory=list)

    def configured(self, **changes: Any) -> None:
        self.desk = replace(self.desk, config=self.desk.config.model_copy(update=changes))

    def who(self, *values: str) -> tuple[Claimed, ...]:
        return tuple(Claimed("email", token(KEY, "email", value), value) for value in values)

    def ask(self, right: str = "access", *values: str, **more: Any) -> Request:
        facts: dict[str, Any] = {"received_at": NOW, "actor": "officer:a", "jurisdiction": "DE"} | more
        at = facts.pop("at", NOW)
        wish = Wish(right=right, identifiers=self.who(*(values or ("ann@example.org",))), **facts)  # type: ignore[arg-type]
        return open_request(self.desk, wish, at)


def office_over(database: Engine, state: Path) -> Office:
    vault = Vault.open(state, b"w" * 32)
    desk = Desk(database, vault, lambda *_: None, RequestsConfig(), proofs=b"p" * 32)
    office = Office(desk)
    ledger = ledger_note(database)

    def note(kind: str, facts: Any, at: datetime) -> None:
        office.notes.append(dict(facts))
        ledger(kind, facts, at)

    office.desk = replace(desk, note=note)
    return office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database = open_database(f"sqlite:///{tmp_path}/kindred.db", METADATA, consent.store.METADATA)
    office = office_over(database, tmp_path / "state")
    yield office
    office.desk.vault.keys.dispose()
    database.dispose()


@pytest.fixture
def over() -> Callable[[Engine, Path], Office]:
    return office_over


@pytest.fixture
def now() -> datetime:
    return NOW
