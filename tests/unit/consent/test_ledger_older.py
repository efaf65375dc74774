"""A database of an older release is brought up to date when it is opened, also after a kill in the middle."""

import os
import signal
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

import infra.migrations
from consent import store
from consent.errors import KeysMissing
from consent.ledger import vault
from consent.ledger.export import export
from consent.ledger.sealer import seal
from consent.ledger.verify import verify_export
from infra.database import open_database
from infra.errors import Unavailable
from infra.ids import Token
from infra.migrations import steps
from infra.signing import Signer
from infra.workspace import Workspace

AT = datetime(2026, 5, 1, tzinfo=UTC)
# As release 0.1.0 made it, indexes left out.
OLD = """
CREATE TABLE consent_event (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(64) NOT NULL UNIQUE, sid VARCHAR(64) NOT NULL,
  identifier_kind VARCHAR(60) NOT NULL, controller VARCHAR(120) NOT NULL, purpose VARCHAR(60) NOT NULL,
  channel VARCHAR(60), recipient VARCHAR(120), basis VARCHAR(60), action VARCHAR(30) NOT NULL,
  jurisdiction VARCHAR(12), notice_id VARCHAR(120), notice_version VARCHAR(60), notice_hash VARCHAR(64),
  notice_language VARCHAR(35), mechanism VARCHAR(30) NOT NULL, asserted_by VARCHAR(120) NOT NULL,
  age_band VARCHAR(10), occurred_at DATETIME NOT NULL, received_at DATETIME NOT NULL, effective_from DATETIME,
  expires_at DATETIME, supersedes VARCHAR(64), evidence TEXT);
CREATE TRIGGER consent_event_no_update BEFORE UPDATE ON consent_event
  BEGIN SELECT RAISE(ABORT, 'consent_event is append-only'); END;
CREATE TRIGGER consent_event_no_delete BEFORE DELETE ON consent_event
  BEGIN SELECT RAISE(ABORT, 'consent_event is append-only'); END;
CREATE TABLE identifier_index (token VARCHAR(80) PRIMARY KEY, sid VARCHAR(64) NOT NULL UNIQUE);
INSERT INTO identifier_index VALUES ('1:ann', 'sa'), ('1:bob', 'sb');
INSERT INTO consent_event (id, sid, identifier_kind, controller, purpose, action, mechanism, asserted_by,
  occurred_at, received_at, evidence) VALUES
  ('e1', 'sa', 'email', 'self', 'analytics', 'given', 'centre', 'subject', '2026-01-01 00:00:00.000000',
   '2026-01-01 00:00:00.000000', 'a form that ann signed'),
  ('e2', 'sb', 'email', 'self', 'analytics', 'refused', 'centre', 'subject', '2026-01-02 00:00:00.000000',
   '2026-01-02 00:00:00.000000', NULL);
"""


@pytest.fixture
def old(workspace: Workspace) -> Workspace:
    workspace.state_path.mkdir(parents=True)
    connection = sqlite3.connect(workspace.database_path)
    connection.executescript("PRAGMA journal_mode=WAL;" + OLD)
    connection.close()
    return workspace


def columns(workspace: Workspace) -> set[str]:
    connection = sqlite3.connect(workspace.database_path)
    found = {row[1] for row in connection.execute("PRAGMA table_info(consent_event)")}
    connection.close()
    return found


def opened(workspace: Workspace) -> Engine:
    return open_database(workspace, store.METADATA)


def test_an_older_ledger_is_sealed_and_its_evidence_goes_under_keys(old: Workspace, tmp_path: Path) -> None:
    database, signer = opened(old), old.signer()
    assert [one.evidence for one in store.history(database, [Token("1:ann")])] == ["a form that ann signed"]
    assert seal(database, signer, lambda: AT) == 2
    assert [one.evidence for one in store.history(database, [Token("1:ann")])] == ["a form that ann signed"]
    export(database, signer, tmp_path / "ledger")
    assert verify_export((tmp_path / "ledger").read_bytes().splitlines(keepends=True), signer.public).faults == ()
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as connection:
        connection.execute(text("UPDATE consent_event SET action = 'given'"))
    with database.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    keys = vault.keys_of(database)
    assert keys is not None
    assert b"ann signed" not in old.database_path.read_bytes()
    assert keys.shred(vault.forget(database, [Token("1:ann")])) == 1


def test_without_a_key_older_evidence_awaits_one_and_nothing_is_lost(old: Workspace) -> None:
    bare = Workspace(old.root, old.settings, {name: v for name, v in old.environ.items() if "SUBJECT" not in name})
    database = opened(bare)
    with pytest.raises(KeysMissing):
        seal(database, old.signer(), lambda: AT)
    assert [one.evidence for one in store.history(database, [Token("1:ann")])] == ["a form that ann signed"]
    assert seal(opened(old), old.signer(), lambda: AT) == 2


@pytest.mark.parametrize("after", ["add_column", "create_trigger"])
def test_killed_in_a_migration_it_is_done_at_the_next_opening(old: Workspace, after: str) -> None:
    before = columns(old)
    pid = os.fork()
    if pid == 0:
        from alembic.operations import Operations

        name = {"add_column": "add_column", "create_trigger": "execute"}[after]
        plain = getattr(Operations, name)

        def killing(self: Operations, *args: object, **named: object) -> None:
            plain(self, *args, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(Operations, name, killing)
        opened(old)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    assert columns(old) == before
    database = opened(old)
    assert columns(old) >= before | {"commitment", "private", "leaf"}
    assert seal(database, old.signer(), lambda: AT) == 2
    opened(old)


def test_a_new_database_lacks_no_step_and_one_of_a_later_release_is_refused(workspace: Workspace) -> None:
    database = opened(workspace)
    with database.connect() as connection:
        assert steps.is_newest(connection, {"alembic_version"})
    config = Config()
    config.set_main_option("script_location", str(Path(infra.migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == steps.NEWEST
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="later release"):
        opened(workspace)


def test_a_row_that_is_replaced_stays_as_it_was(workspace: Workspace) -> None:
    database = opened(workspace)
    signer = Signer.of(bytes(32))
    with database.begin() as connection:
        for statement in OLD.split("INSERT INTO consent_event")[1:]:
            connection.execute(text("INSERT INTO consent_event" + statement.rstrip().rstrip(";")))
        again = "INSERT OR REPLACE INTO consent_event SELECT * FROM consent_event WHERE id = 'e1'"
        connection.execute(text(again.replace("SELECT *", "SELECT sequence, id, 'x'" + _rest())))
        assert connection.execute(text("SELECT sid FROM consent_event WHERE id = 'e1'")).scalar_one() == "sa"
    assert seal(database, signer, lambda: AT, batch=1) == 2


def _rest() -> str:
    return "".join(f", {column.name}" for column in list(store.CONSENT_EVENT.columns)[3:])
