"""Subjects' own keys: drawn once, wrapped, bound to their place, and gone for good when they are destroyed."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from consent.errors import KeysMissing, KeysUnreadable
from consent.ledger import vault
from consent.ledger.subject_keys import BARE, SubjectKeys, committed
from infra.database import open_database
from infra.ids import Sid
from infra.workspace import Workspace

ANN, BOB = Sid("a" * 32), Sid("b" * 32)


@pytest.fixture
def keys(tmp_path: Path) -> SubjectKeys:
    return SubjectKeys.open(tmp_path / "keys.db", bytes(range(32)))


def test_what_is_sealed_is_opened_by_its_subject_alone(keys: SubjectKeys) -> None:
    sealed = keys.seal(ANN, b"what ann said")
    (opened,) = keys.open_all([(ANN, sealed.ciphertext)])
    assert opened is not None
    assert (opened.payload, opened.commitment) == (b"what ann said", sealed.commitment)
    assert committed(opened.salt, b"what ann said") == sealed.commitment
    keys.key_of(BOB)
    with pytest.raises(KeysUnreadable, match="was changed"):
        keys.open_all([(BOB, sealed.ciphertext)])
    with pytest.raises(KeysUnreadable, match="was changed"):
        keys.open_all([(ANN, sealed.ciphertext[:-1] + bytes([sealed.ciphertext[-1] ^ 1]))])


def test_the_same_words_twice_look_different_and_an_empty_payload_has_one_length(keys: SubjectKeys) -> None:
    first, second = keys.seal_all([(ANN, b"yes"), (ANN, b"yes")])
    assert first.ciphertext != second.ciphertext
    assert first.commitment != second.commitment
    assert len(keys.seal(ANN, b"").ciphertext) == BARE


def test_another_wrapping_key_opens_nothing(keys: SubjectKeys, tmp_path: Path) -> None:
    keys.key_of(ANN)
    with pytest.raises(KeysUnreadable, match="KINDRED_SUBJECT_KEY"):
        SubjectKeys.open(tmp_path / "keys.db", bytes(32)).key_of(ANN)


def test_a_destroyed_key_is_in_no_file_and_its_payload_is_gone(tmp_path: Path) -> None:
    keys = SubjectKeys.open(tmp_path / "keys.db", bytes(range(32)))
    sealed = keys.seal(ANN, b"what ann said")
    keys.seal(BOB, b"what bob said")
    with keys.engine.connect() as connection:
        wrapped = connection.exec_driver_sql("SELECT wrapped FROM subject_key WHERE sid = ?", (ANN,)).scalar_one()
    files = lambda: b"".join(file.read_bytes() for file in tmp_path.glob("keys.db*"))  # noqa: E731
    assert wrapped in files()
    assert keys.shred([ANN]) == 1
    assert wrapped not in files()
    assert ANN.encode() not in files()
    assert keys.shred([ANN]) == 0
    assert keys.open_all([(ANN, sealed.ciphertext)]) == [None]
    assert keys.held([BOB]).keys() == {BOB}
    assert (tmp_path / "keys.db").stat().st_mode & 0o077 == 0


def test_a_reader_that_holds_the_log_keeps_nobody_from_hearing_of_it(keys: SubjectKeys) -> None:
    keys.key_of(ANN)
    with keys.engine.connect() as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM subject_key").scalar_one()
        keys.key_of(BOB)
        with pytest.raises(KeysUnreadable, match="destroy them again"):
            keys.shred([ANN])
    assert keys.shred([ANN]) == 0


def test_a_crowd_draws_one_key(tmp_path: Path) -> None:
    drawn = []

    def draw() -> None:
        drawn.append(SubjectKeys.open(tmp_path / "keys.db", bytes(32)).key_of(ANN))

    threads = [threading.Thread(target=draw) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 6
    assert len(set(drawn)) == 1


def test_without_a_key_evidence_is_refused_and_nothing_else(workspace: Workspace, database: Engine) -> None:
    with pytest.raises(KeysMissing, match="kindred init"):
        vault.hidden(None, [(ANN, "form")])
    assert vault.hidden(None, [(ANN, None)]) == [{"commitment": None, "private": None}]
    bare = Workspace(workspace.root, workspace.settings, {"KINDRED_SUBJECT_KEY": "short"})
    with pytest.raises(KeysMissing):
        vault.keys_of(open_database(bare))
    assert vault.keys_of(open_database(Workspace(workspace.root, workspace.settings, {}))) is None
    assert vault.keys_of(database) is vault.keys_of(database)
