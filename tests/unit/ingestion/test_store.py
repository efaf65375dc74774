"""The books: a run's plan, its accounts, and which files need not be read again."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from infra.database import open_database
from ingestion.errors import SourceChangedMidway
from ingestion.model import Account, Note, SourceFile
from ingestion.report import summary, table
from ingestion.store import METADATA, Books, accounts_of, notes_of

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def engine() -> sa.Engine:
    return open_database("sqlite://", METADATA)


@pytest.fixture
def close(engine: sa.Engine) -> Callable[..., None]:
    def write(run: str, account: Account, sha256: str = "a") -> None:
        files = {account.file: SourceFile(account.file, 1, sha256, account.read)}
        note = Note(account.source, "identifier email", "blocked", 2)
        books = Books(engine, run, account.source)
        books.close(files, [account], [note], declaration="d", restrictions="r", at=AT)

    return write


def test_a_file_is_taken_in_for_its_bytes_and_its_declaration(engine: sa.Engine, close: Callable[..., None]) -> None:
    close("run1", Account("crm", "a.csv", read=3, accepted=3))
    books = Books(engine, "run2", "crm")
    assert books.rows_taken_in("d", "r") == {("a.csv", "a"): 3}
    assert books.rows_taken_in("d", "other restrictions") == {("a.csv", "a"): 3}
    assert books.rows_taken_in("other declaration", "r") == {}
    close("run2", Account("crm", "a.csv", read=4, accepted=1, duplicate=3), "b")
    assert books.rows_taken_in("d", "r") == {("a.csv", "b"): 4}


def test_suppressed_rows_are_read_again_once_restrictions_change(engine: sa.Engine, close: Callable[..., None]) -> None:
    close("run1", Account("crm", "a.csv", read=3, accepted=2, suppressed=1))
    assert Books(engine, "run2", "crm").rows_taken_in("d", "r") == {("a.csv", "a"): 3}
    assert Books(engine, "run2", "crm").rows_taken_in("d", "lifted") == {}


def test_closing_twice_is_closing_once(engine: sa.Engine, close: Callable[..., None]) -> None:
    for _ in range(2):
        close("run1", Account("crm", "a.csv", read=3, accepted=3))
    assert (
        accounts_of(engine, "run1")
        == Books(engine, "run1", "crm").accounts()
        == (Account("crm", "a.csv", read=3, accepted=3),)
    )
    assert notes_of(engine, "run1") == (Note("crm", "identifier email", "blocked", 2),)


def test_a_resumed_run_must_find_the_files_that_it_began_with(engine: sa.Engine) -> None:
    books = Books(engine, "run1", "crm")
    one, other = SourceFile("a.csv", 1, "a", 3), SourceFile("a.csv", 1, "b", 3)
    books.plan([one])
    books.plan([one])
    with pytest.raises(SourceChangedMidway, match=r"a\.csv changed since run run1 began"):
        books.plan([other])
    Books(engine, "run2", "crm").plan([other])


def test_the_table_shows_each_source_and_the_sum() -> None:
    accounts = [
        Account("crm", "a.csv", read=3, accepted=2, changed=1, quarantined=1),
        Account("crm", "b.csv", read=1_000, duplicate=1_000),
        Account("web", "c.ndjson", read=2, suppressed=1, consent_filtered=1),
    ]
    lines = list(table(accounts, [Note("crm", "identifier email", "blocked", 2)]))
    assert lines[0].split() == [
        "source",
        "read",
        "accepted",
        "changed",
        "duplicate",
        "quarantined",
        "suppressed",
        "consent",
        "filtered",
    ]
    assert lines[1].split() == ["crm", "1,003", "2", "1", "1,000", "1", "0", "0"]
    assert lines[3].split() == ["all", "1,005", "2", "1", "1,000", "1", "1", "1"]
    assert lines[4] == "crm: identifier email: blocked in 2 accepted rows"
    assert len({len(line) for line in lines[:4]}) == 1
    assert summary(accounts, [])["total"]["read"] == 1_005  # type: ignore[index]
    assert list(table([], []))[1].split()[0] == "all"
