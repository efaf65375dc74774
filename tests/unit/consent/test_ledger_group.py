"""Group commit: as durable as one by one, and nobody pays for another's mistake."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DatabaseError

from consent import store
from consent.ledger.group import Grouped
from consent.store import Said, history
from infra.database import open_database
from infra.ids import Token


@pytest.fixture
def words(said: Callable[..., Any]) -> Callable[[int], list[Said]]:
    def many(count: int) -> list[Said]:
        (one,) = said("ann | refused | analytics | 2026-01")
        return [Said(Token(f"1:p{n}"), replace(one, id=f"e{n}")) for n in range(count)]

    return many


def test_what_comes_meanwhile_is_one_transaction(database: Engine, words: Any) -> None:
    grouped, commits, first = Grouped(database), [], threading.Event()
    event.listen(database, "commit", lambda _: (commits.append(1), first.wait(0.2)))
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(grouped.append, words(40)))
    assert found == [True] * 40
    assert store.entries(database) == 40
    assert len(commits) < 20
    assert [grouped.append(one) for one in words(2)] == [False, False]


def test_a_word_that_cannot_be_kept_keeps_out_no_other(database: Engine, words: Any) -> None:
    grouped, many = Grouped(database), words(30)
    many[7] = Said(many[7].token, replace(many[7].entry, action=None))

    def kept(one: Said) -> bool:
        try:
            return grouped.append(one)
        except DatabaseError:
            return False

    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(kept, many))
    assert found == [n != 7 for n in range(30)]
    assert store.entries(database) == 29


def test_one_request_that_comes_twice_at_once_is_new_once(database: Engine, words: Any) -> None:
    grouped = Grouped(database)
    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(grouped.append, words(1) * 16)) == [False] * 15 + [True]


class Stopped(Grouped):
    """A door whose first writer is stopped in the middle, when another word has come."""

    def _write(self, group: Any) -> None:
        if self.first:
            self.first = False
            self.thread.start()
            while not self._waiting:
                pass
            raise KeyboardInterrupt
        super()._write(group)


def test_nobody_waits_for_a_writer_that_was_stopped(database: Engine, words: Any) -> None:
    grouped, (mine, other), heard = Stopped(database), words(2), []
    grouped.first, grouped.thread = True, threading.Thread(target=lambda: heard.append(grouped.append(other)))
    with pytest.raises(KeyboardInterrupt):
        grouped.append(mine)
    grouped.thread.join(30)
    assert heard == [True]  # it came meanwhile, and leads
    assert grouped.append(mine)
    assert store.entries(database) == 2


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path, words: Any) -> None:
    url, told = f"sqlite:///{tmp_path}/k.db", tmp_path / "acknowledged"
    many = words(400)
    pid = os.fork()
    if pid == 0:
        grouped, lock = Grouped(open_database(url, store.METADATA)), threading.Lock()
        file = told.open("a")

        def acknowledge(one: Said) -> None:
            grouped.append(one)
            with lock:
                file.write(f"{one.token}\n")
                file.flush()
                if file.tell() > 800:
                    os.kill(os.getpid(), signal.SIGKILL)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(acknowledge, many))
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    database = open_database(url, store.METADATA)
    tokens = [Token(line) for line in told.read_text().splitlines()]
    assert len(tokens) > 50
    assert {f"1:{entry.id.replace('e', 'p')}" for entry in history(database, tokens)} == set(tokens)
    database.dispose()
