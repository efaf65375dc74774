"""The books: a run's plan, its accounts, and which files need not be read again."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra.database import open_database
from ingestion.errors import SourceChangedMidway
from ingestion.model import Account, Note, SourceFile
from ingestion.report import summary, table
from ingestion.store import METADATA, Books, Taken, taken_paths

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def engine() -> sa.Engine:
    return open_database("sqlite://", METADATA)


@pytest.fixture
def close(engine: sa.Engine) -> Callable[..., None]:
    def write(run: str, account: Account, sha256: str = "a") -> None:
        file = SourceFile(account.file, 1, sha256, account.read)
        taken = Taken(account.source, (file,), (Account(account.source, "old.csv", read=1, duplicate=1),), "d")
        note = Note(account.source, "identifier email", "blocked", 2)
        Books(engine, run).close([taken], [account], [note], restrictions="r", at=AT)

    return write


def test_a_file_is_taken_in_for_its_bytes_and_its_declaration(engine: sa.Engine, close: Callable[..., None]) -> None:
    close("run1", Account("crm", "a.csv", read=3, accepted=3))
    books = Books(engine, "run2")
    assert books.rows_taken_in("crm", "d", "r") == {("a.csv", "a"): 3}
    assert books.rows_taken_in("crm", "d", "other restrictions") == {("a.csv", "a"): 3}
    assert books.rows_taken_in("crm", "other declaration", "r") == {}
    assert books.rows_taken_in("other", "d", "r") == {}
    close("run2", Account("crm", "a.csv", read=4, accepted=1, duplicate=3), "b")
    assert books.rows_taken_in("crm", "d", "r") == {("a.csv", "b"): 4}


def test_suppressed_rows_are_read_again_once_restrictions_change(engine: sa.Engine, close: Callable[..., None]) -> None:
    close("run1", Account("crm", "a.csv", read=3, accepted=2, suppressed=1))
    assert Books(engine, "run2").rows_taken_in("crm", "d", "r") == {("a.csv", "a"): 3}
    assert Books(engine, "run2").rows_taken_in("crm", "d", "lifted") == {}


def test_closed_books_tell_the_accounts_of_all_files(engine: sa.Engine, close: Callable[..., None]) -> None:
    account = Account("crm", "a.csv", read=3, accepted=3)
    books = Books(engine, "run1")
    assert not books.closed()
    close("run1", account)
    assert books.closed()
    assert books.accounts() == (account, Account("crm", "old.csv", read=1, duplicate=1))
    assert books.notes() == (Note("crm", "identifier email", "blocked", 2),)
    assert not Books(engine, "run2").closed()


def test_a_resumed_run_must_find_the_files_that_it_began_with(engine: sa.Engine) -> None:
    books = Books(engine, "run1")
    one, other = SourceFile("a.csv", 1, "a", 3), SourceFile("a.csv", 1, "b", 3)
    books.plan("crm", [one])
    books.plan("crm", [one])
    with pytest.raises(SourceChangedMidway, match=r"a\.csv changed since run run1 began"):
        books.plan("crm", [other])
    Books(engine, "run2").plan("crm", [other])


def test_a_plan_of_nothing_is_a_plan(engine: sa.Engine) -> None:
    books = Books(engine, "run1")
    assert books.plan("crm", []) == ()
    with pytest.raises(SourceChangedMidway, match=r"a\.csv changed since run run1 began"):
        books.plan("crm", [SourceFile("a.csv", 1, "a", 3)])


def test_what_a_log_gained_since_waits_for_the_next_run(engine: sa.Engine) -> None:
    one, other = SourceFile("1.ndjson", 1, "a", 3), SourceFile("2.ndjson", 1, "b", 3)
    books = Books(engine, "run1")
    assert books.plan("web", [one], grows=True) == (one,)
    assert books.plan("web", [one, other], grows=True) == (one,)
    with pytest.raises(SourceChangedMidway, match=r"1\.ndjson changed since run run1 began"):
        books.plan("web", [other], grows=True)
    assert Books(engine, "run2").plan("web", [one, other], grows=True) == (one, other)


def test_files_that_never_come_again_are_struck_out(engine: sa.Engine, close: Callable[..., None]) -> None:
    close("run1", Account("crm", "a.csv", read=3, accepted=3))
    assert taken_paths(engine, "crm") == {"a.csv"}
    Books(engine, "run2").forget("crm", ["a.csv", "other.csv"])
    assert taken_paths(engine, "crm") == set()
    Books(engine, "run2").forget("crm", [])


def test_what_only_some_runs_have_taken_in_can_be_left_out(engine: sa.Engine, close: Callable[..., None]) -> None:
    close("run1", Account("web", "1.ndjson", read=3, accepted=3))
    close("run2", Account("web", "2.ndjson", read=3, accepted=3))
    close("run3", Account("web", "1.ndjson", read=3, duplicate=3), "b")
    assert taken_paths(engine, "web", {"run2", "run3"}) == {"1.ndjson"}, "read again, and known before"
    assert taken_paths(engine, "web", {"run3"}) == taken_paths(engine, "web") == {"1.ndjson", "2.ndjson"}


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
        "expired",
    ]
    assert lines[1].split() == ["crm", "1,003", "2", "1", "1,000", "1", "0", "0", "0"]
    assert lines[3].split() == ["all", "1,005", "2", "1", "1,000", "1", "1", "1", "0"]
    assert lines[4] == "crm: identifier email: blocked in 2 accepted rows"
    assert len({len(line) for line in lines[:4]}) == 1
    assert summary(accounts, [], {})["total"]["read"] == 1_005  # type: ignore[index]
    assert list(table([], []))[1].split()[0] == "all"


def test_accounts_of_an_older_release_gain_the_rows_that_expired(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    old = sa.create_engine(url)
    with old.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE run_account (run_id TEXT, source TEXT, file TEXT, read BIGINT, accepted BIGINT, "
            "changed BIGINT, duplicate BIGINT, quarantined BIGINT, suppressed BIGINT, consent_filtered BIGINT, "
            "PRIMARY KEY (run_id, source, file))"
        )
        connection.exec_driver_sql("INSERT INTO run_account VALUES ('r', 'crm', 'a.csv', 1, 1, 0, 0, 0, 0, 0)")
    old.dispose()
    for _ in range(2):
        (account,) = Books(open_database(url, METADATA), "r").accounts()
        assert (account.accepted, account.expired) == (1, 0)
