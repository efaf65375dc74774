"""The ledger lent to a workspace that tries things."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from consent import store
from consent.ledger.export import export
from consent.ledger.sealer import seal
from consent.ledger.verify import verify_export
from consent.lent import lend
from consent.store import IDENTIFIER_INDEX, Said, append, history, secret_sid
from infra.database import open_database, writing
from infra.ids import Token
from infra.workspace import Workspace


def told(ledger: Engine, tokens: list[Token]) -> list[tuple[str, str]]:
    return sorted((entry.id, entry.action) for entry in history(ledger, tokens))


@pytest.fixture
def shadow() -> Engine:
    return open_database("sqlite://", store.METADATA)


def test_a_ledger_is_lent_as_it_stands_now(database: Engine, shadow: Engine, said: Any) -> None:
    words = [
        Said(Token(f"1:{e.sid}"), e) for e in said("ann | restricted | analytics | 2026-01\nbob | given | a | 2026-01")
    ]
    append(database, words, secret_sid)
    # the shadow has heard of bob under a number of its own
    append(shadow, words[1:], secret_sid)
    lend(database, shadow)
    tokens = [word.token for word in words]
    assert told(shadow, tokens) == told(database, tokens)
    assert store.restricted_tokens(shadow) == store.restricted_tokens(database) == {words[0].token}
    lend(database, shadow)
    assert told(shadow, tokens) == told(database, tokens)
    with writing(database) as connection:
        connection.execute(delete(IDENTIFIER_INDEX).where(IDENTIFIER_INDEX.c.token == words[1].token))
    lend(database, shadow)
    assert store.sids(shadow, tokens).keys() == {words[0].token}


def test_evidence_is_lent_to_nobody_and_what_is_lent_is_sealed_by_what_it_says(
    database: Engine, said: Any, workspace: Workspace, tmp_path: Path
) -> None:
    words = [Said(Token(f"1:{e.sid}"), e) for e in said("ann | given | a | 2026-01 | evidence=form")]
    append(database, words, secret_sid)
    shadow = open_database(f"sqlite:///{tmp_path}/shadow.db", store.METADATA)
    append(shadow, [replace(words[0], entry=replace(words[0].entry, id="own", evidence=None))], secret_sid)
    lend(database, shadow)
    assert [entry.evidence for entry in history(shadow, [words[0].token])] == [None, None]
    signer = workspace.signer()
    assert seal(shadow, signer, lambda: datetime(2026, 5, 1, tzinfo=UTC)) == 2
    export(shadow, signer, tmp_path / "ledger")
    assert verify_export((tmp_path / "ledger").read_bytes().splitlines(keepends=True), signer.public).faults == ()
    assert [entry.evidence for entry in history(database, [words[0].token])] == ["form"]
    shadow.dispose()
