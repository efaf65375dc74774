"""The audit of reads cannot be changed unseen, and an erasure does not look like a forgery."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, update

import consent.store
from api.cli.books import Books
from api.http.audit_seal import KIND, Checked, check, close
from api.http.store import METADATA, READ_AUDIT, READ_SEAL
from consent.erasure.ports import Subject
from consent.ledger.schema import LEDGER_NOTE
from infra.database import open_database
from infra.ids import ProfileId
from infra.workspace import Workspace

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/kindred.db", METADATA, consent.store.METADATA)
    yield engine
    engine.dispose()


def read(database: Engine, count: int, at: datetime = AT) -> None:
    rows = [
        {
            "at": at,
            "key_id": f"k{n}",
            "purpose": "service",
            "decision": "served",
            "reads": 1,
            "profile_ids": f"{n:032x}",
        }
        for n in range(count)
    ]
    with database.begin() as connection:
        connection.execute(insert(READ_AUDIT), rows)


def notes(database: Engine) -> int:
    with database.connect() as connection:
        return len(connection.execute(select(LEDGER_NOTE).where(LEDGER_NOTE.c.kind == KIND)).all())


def test_what_has_settled_is_closed_once_and_noted(database: Engine) -> None:
    read(database, 3)
    read(database, 2, LATER)
    assert close(database, AT) == 0
    assert close(database, AT + timedelta(seconds=30)) == 3
    assert close(database, AT + timedelta(seconds=30)) == 0
    assert check(database) == Checked(1, 3, 0, 2, ())
    assert close(database, LATER + timedelta(minutes=1)) == 2
    assert check(database) == Checked(2, 5, 0, 0, ())
    assert notes(database) == 2


def test_a_batch_that_was_cut_off_before_its_note_is_noted_by_the_next_call(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.http import audit_seal

    read(database, 2)
    with monkeypatch.context() as patch:
        patch.setattr(audit_seal, "append_note", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            close(database, LATER)
    assert [one.place for one in check(database).faults] == ["read_audit:1"]
    assert close(database, LATER) == 0
    assert check(database) == Checked(1, 2, 0, 0, ())


@pytest.mark.parametrize("column", ["at", "key_id", "purpose", "decision", "reads", "profile_ids"])
def test_a_changed_row_is_found_and_named(database: Engine, column: str) -> None:
    read(database, 5)
    close(database, LATER)
    forged = {"at": LATER, "reads": 9}.get(column, "x")
    with database.begin() as connection:
        connection.execute(update(READ_AUDIT).where(READ_AUDIT.c.id == 3).values({column: forged}))
    assert [one.place for one in check(database).faults] == ["row 3"]


def test_rows_that_are_taken_out_put_in_or_sealed_anew_are_found(database: Engine) -> None:
    read(database, 4)
    close(database, LATER)
    with database.begin() as connection:
        connection.execute(delete(READ_AUDIT).where(READ_AUDIT.c.id == 2))
    assert [one.place for one in check(database).faults] == ["row 2"]
    with database.begin() as connection:
        connection.execute(delete(READ_SEAL).where(READ_SEAL.c.id == 2))
    assert [one.place for one in check(database).faults] == ["read_audit:1"]
    with database.begin() as connection:
        connection.execute(delete(READ_SEAL))
    assert "read_audit:1" in [one.place for one in check(database).faults]


def test_an_erased_row_says_nobody_and_its_batch_still_holds(database: Engine, tmp_path: Path) -> None:
    workspace = tmp_path / "shop"
    workspace.mkdir()
    (workspace / "kindred.yaml").write_text("name: shop\n")
    read(database, 4)
    close(database, LATER)
    erased = Subject(tokens=(), profile_ids=(ProfileId(f"{1:032x}"),))
    assert Books(Workspace.open(workspace), database).delete(erased) == {"reads": 1}
    assert check(database) == Checked(1, 4, 1, 0, ())


@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_however_the_rows_come_every_one_is_sealed_once(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('audit')}/a.db", METADATA, consent.store.METADATA)
    now = AT
    for size in sizes:
        read(engine, size, now)
        now += timedelta(seconds=3)
        close(engine, now)
    close(engine, now + timedelta(minutes=1))
    found = check(engine)
    engine.dispose()
    assert (found.rows, found.waiting, found.faults) == (sum(sizes), 0, ())
