"""Erasures handed from the server to the job runner, so that what an officer approves needs no terminal to be done.

The server itself never loads Spark: it puts a run into the queue, and starts the runner where none is there.
"""

import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from consent.erasure import asked, holds
from consent.erasure.asked import Door
from consent.erasure.book import Book
from consent.erasure.errors import NobodyFound
from consent.erasure.followed import Tried, followed, goes_on
from infra import journal, writer
from infra.handover import start_runner
from infra.runs import RUN, URGENT, Runs
from infra.workspace import Workspace

LOG: Final = logging.getLogger("kindred.http")
JOB: Final = "erase"
# Between two starts: a runner that dies at once is not started for ever.
_BETWEEN: Final = timedelta(minutes=1)

Runner = subprocess.Popen[bytes]


@dataclass(slots=True)
class Eraser:
    """What hands erasures over; one for each server."""

    workspace: Workspace
    start: Callable[[Workspace], Runner] = start_runner
    _runner: Runner | None = field(default=None, init=False)
    _started_at: datetime | None = field(default=None, init=False)

    def once(self, door: Door, at: datetime) -> tuple[str, ...]:
        """Ask for a run of every erasure that can go on now, see to it that a runner works, and return those."""
        book, ready = Book(door.database, lambda: at), []
        for erasure in asked.waiting(door, at):
            request, last = book.get(erasure), tried(door, erasure)
            if last is not None and last.error == str(NobodyFound()):
                asked.close_empty(door, erasure, at)
                continue
            held = holds.standing(door.database, [token for _, token in request.tokens], at)
            if not held and goes_on(followed(request, book.steps(erasure)), last, at):
                Runs(door.database, lambda: at).submit(JOB, {"request": erasure}, URGENT)
                journal.note(LOG, "erasure handed to the job runner", erasure=erasure)
                ready.append(erasure)
        if ready or _left(door):
            self._see_to_it(at)
        return tuple(ready)

    def _see_to_it(self, at: datetime) -> None:
        if self._runner is not None and self._runner.poll() is None:
            return
        self._runner = None
        soon = self._started_at is not None and at < self._started_at + _BETWEEN
        if soon or writer.is_held(self.workspace.state_path):
            return
        self._runner, self._started_at = self.start(self.workspace), at


def tried(door: Door, erasure: str) -> Tried | None:
    """Return the newest run of an erasure, whoever asked for it, or None before the first."""
    query = select(RUN).where(RUN.c.job == JOB).order_by(RUN.c.submitted_at.desc(), RUN.c.id)
    with door.database.connect() as connection:
        rows = connection.execute(query).mappings()
        found = next((row for row in rows if row["arguments"].get("request") == erasure), None)
    return None if found is None else Tried(found["status"], found["finished_at"], found["error"])


def _left(door: Door) -> bool:
    """Say whether an erasure's run waits for a runner, as it does when one has died."""
    query = select(RUN.c.id).where(RUN.c.job == JOB, RUN.c.status.in_(("queued", "running"))).limit(1)
    with door.database.connect() as connection:
        return connection.execute(query).first() is not None
