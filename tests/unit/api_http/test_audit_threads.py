"""The audit of reads is noted in many threads while it is written: none of it is lost."""

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from api.http.audit import ReadAudit, Window
from infra.ids import ProfileId, Purpose

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
THREADS, READS = 4, 20_000


@pytest.fixture(autouse=True)
def _in_short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Fast(ReadAudit):
    """An audit whose database is so fast that windows follow each other at once; it counts what it is given."""

    written = 0

    def _written(self, window: Window) -> bool:
        self.written += sum(map(len, window.values()))
        return True


def test_no_read_is_lost_between_two_windows(town: Any) -> None:
    """A read of the past is looked for, and noted, in another thread than the loop's."""
    audit = Fast(town.world.database, lambda: START)
    one, purpose = ProfileId("a" * 32), Purpose("service")

    def read() -> None:
        for number in range(READS):
            if number % 2:
                audit.note("k", purpose, one, "allowed")
            else:
                audit.note_all("k", purpose, [one], "allowed")

    threads = [threading.Thread(target=read) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        audit.flush()
    audit.flush()
    assert audit.waiting() == 0
    assert audit.written == THREADS * READS
