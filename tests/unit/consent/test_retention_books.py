"""Books in the database let go of whom they are about; what they were for stays where a proof rests on it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select

import activation.retention
import activation.store
import api.http.audit_seal
import api.http.retention
import api.http.store
import consent.retention.decisions
from activation.store import DECISION_EVENT
from api.http.store import READ_AUDIT
from consent.store import CONSENT_DECISION
from infra.database import open_database, writing

AT = datetime(2026, 11, 28, tzinfo=UTC)
BEFORE = AT - timedelta(days=30)


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    path = tmp_path_factory.mktemp("books") / "k.db"
    return open_database(
        f"sqlite:///{path}", consent.store.METADATA, api.http.store.METADATA, activation.store.METADATA
    )


def test_reads_lose_whom_and_their_seal_still_holds(database: Engine) -> None:
    read = {"key_id": "k", "purpose": "service", "decision": "allowed", "reads": 1, "profile_ids": "p1"}
    with writing(database) as connection:
        connection.execute(insert(READ_AUDIT), [{**read, "at": AT - timedelta(days=d)} for d in (60, 31, 29)])
    api.http.audit_seal.close(database, AT)
    assert api.http.retention.past(database, BEFORE, act=False) == (2, 3)
    assert api.http.retention.past(database, BEFORE, act=True) == (2, 3)
    assert api.http.retention.past(database, BEFORE, act=True) == (0, 1)
    with database.connect() as connection:
        assert list(connection.execute(select(READ_AUDIT.c.profile_ids)).scalars()) == ["", "", "p1"]
    checked = api.http.audit_seal.check(database)
    assert (checked.faults, checked.erased) == ((), 2)


def test_decisions_lose_whom(database: Engine) -> None:
    row = {"actor": "a", "purpose": "p", "allowed": True, "reason": "consent", "policy_line": "l",
           "policy_version": "v", "entries": "[]", "profile_id": "p1"}  # fmt: skip
    with writing(database) as connection:
        for number, days in enumerate((60, 29)):
            connection.execute(insert(CONSENT_DECISION).values(id=str(number), at=AT - timedelta(days=days), **row))
    assert consent.retention.decisions.past(database, BEFORE, act=True) == (1, 2)
    with database.connect() as connection:
        assert set(connection.execute(select(CONSENT_DECISION.c.profile_id)).scalars()) == {None, "p1"}


def test_choices_go(database: Engine) -> None:
    row = {"key_id": "k", "profile_id": "p1", "decision": "d", "purpose": "p", "context": "", "candidates": "",
           "recommended": "", "choice": "c", "propensity": 1.0, "holdout": False, "because": "b", "consent": "",
           "identity_version": 1, "policy_version": "v"}  # fmt: skip
    with writing(database) as connection:
        for number, days in enumerate((60, 31, 29)):
            connection.execute(insert(DECISION_EVENT).values(id=str(number), at=AT - timedelta(days=days), **row))
    assert activation.retention.past(database, BEFORE, act=False) == (2, 3)
    assert activation.retention.past(database, BEFORE, act=True) == (2, 3)
    assert activation.retention.past(database, BEFORE, act=True) == (0, 1)
