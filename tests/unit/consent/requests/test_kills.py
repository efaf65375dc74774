"""kill -9 anywhere: what was begun goes on, every step is in the ledger once, what has ended is forgotten."""

import json
import random
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import request_child
from sqlalchemy import select

from consent.ledger.schema import LEDGER_NOTE
from consent.requests.desk import get, identifiers, listed, move, settle_all, steps
from consent.requests.errors import NotNow
from consent.requests.model import ENDS
from consent.requests.store import PRIVACY_REQUEST_IDENTIFIER as IDENTIFIER


def killed(folder: Path, number: int, after: float) -> None:
    child = subprocess.Popen(
        [sys.executable, request_child.__file__, str(folder), str(number)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()  # it works
    time.sleep(after)
    child.kill()
    child.wait()
    child.stdout.close()


def sound(folder: Path) -> int:
    """Settle, and return how many requests there are, each in order."""
    desk = request_child.desk_at(folder)
    settle_all(desk)
    found = listed(desk, every=True, limit=100_000)
    with desk.database.connect() as connection:
        told = [json.loads(text) for text in connection.execute(select(LEDGER_NOTE.c.facts)).scalars()]
        kept = (
            connection.execute(select(IDENTIFIER.c.request_id).where(IDENTIFIER.c.sealed.is_not(None))).scalars().all()
        )
    noted = sorted((one["request_id"], one["sequence"], one["step"]) for one in told)
    taken = sorted((s.request_id, s.sequence, s.step) for one in found for s in steps(desk, one.id))
    assert noted == taken
    for one in found:
        numbers = [step.sequence for step in steps(desk, one.id)]
        assert numbers == list(range(1, len(numbers) + 1))
        if one.open:
            assert identifiers(desk, one.id)
    open_ = {one.id for one in found if one.status not in ENDS}
    assert set(kept) == open_
    assert not {one.id for one in found if not one.open} & set(desk.vault.held())
    desk.vault.keys.dispose()
    desk.database.dispose()
    return len(found)


def test_a_desk_that_is_killed_goes_on(tmp_path: Path) -> None:
    for number in range(2):
        killed(tmp_path, number, 0.15)
        assert sound(tmp_path) >= number + 1


@pytest.mark.nightly
def test_a_desk_that_is_killed_anywhere_goes_on(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - a seed, not a secret
    for number in range(30):
        killed(tmp_path, number, chance.uniform(0, 0.6))
        assert sound(tmp_path) >= number + 1


def test_many_at_once_take_each_step_once(office: Any, now: datetime) -> None:
    request = office.ask("erasure", vouched="c")
    said: list[str] = []

    def worker() -> None:
        for status in ("frozen", "planned", "deleting"):
            try:
                move(office.desk, request.id, status, at=now, actor=threading.current_thread().name)  # type: ignore[arg-type]
            except NotNow as error:
                said.append(str(error))

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [step.step for step in steps(office.desk, request.id)]
    assert taken == ["received", "verifying", "accepted", "frozen", "planned", "deleting"]
    assert get(office.desk, request.id).status == "deleting"
    assert all("cannot become" in one for one in said)
