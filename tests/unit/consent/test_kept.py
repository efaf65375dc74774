"""The second copy of who is kept out outlives a restored database, a torn write and a lift."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

import consent.store
from consent import kept, suppression
from consent.suppression import Cause
from infra.database import open_database
from infra.ids import Token

CAUSE = Cause(reason="erasure", request_id="r1", at=datetime(2026, 11, 1, tzinfo=UTC))
ANN, BOB = (1, Token("1:ann")), (1, Token("1:bob"))


@pytest.fixture
def database(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'k.db'}", consent.store.METADATA)


def test_a_restored_database_keeps_out_whom_it_forgot(tmp_path: Path, database: Engine) -> None:
    kept.note(tmp_path, [ANN, BOB], CAUSE)
    kept.note(tmp_path, [ANN], CAUSE)
    assert len((tmp_path / kept.FILE).read_text().splitlines()) == 2
    suppression.suppress(database, [BOB], CAUSE)
    assert kept.reconcile(tmp_path, database) == {"1:ann"}
    assert suppression.suppressed_tokens(database) == {"1:ann", "1:bob"}
    assert suppression.suppressed_by(database, "r1") == {"1:ann", "1:bob"}
    assert kept.reconcile(tmp_path, database) == frozenset()


def test_who_was_let_in_again_stays_in(tmp_path: Path, database: Engine) -> None:
    kept.note(tmp_path, [ANN], CAUSE)
    kept.reconcile(tmp_path, database)
    kept.note_lifted(tmp_path, [ANN[1]], CAUSE.at)
    assert kept.reconcile(tmp_path, database) == frozenset()
    assert suppression.suppressed_tokens(database) == frozenset()


def test_a_torn_line_costs_nothing_that_was_promised(tmp_path: Path, database: Engine) -> None:
    kept.note(tmp_path, [ANN], CAUSE)
    with (tmp_path / kept.FILE).open("a") as file:
        file.write('{"what": "kept", "tok')
    kept.note(tmp_path, [BOB], CAUSE)
    assert kept.reconcile(tmp_path, database) == {"1:ann", "1:bob"}


def test_without_a_copy_there_is_nothing_to_do(tmp_path: Path, database: Engine) -> None:
    assert kept.reconcile(tmp_path, database) == frozenset()
