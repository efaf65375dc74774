"""The event log on one machine's disk: an append returns when its entries would survive a loss of power.

One thread writes. What is appended while it waits for the disk goes in the next round, with one write and one fsync for
each source, however many appends that is; then all of them are answered together. If a write or an fsync fails, every
append of the round is refused. None of its entries is half visible, ever; whole ones may be (the disk may have kept
what it said it had not), so that who repeats a refused append may find entries twice, with the same message id.
"""

import asyncio
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from infra.clock import Clock, system_clock
from infra.errors import Broken
from infra.log.disk import Disk
from infra.log.files import SYSTEM, Files
from infra.log.folder import Leftovers, said, source_folder
from infra.log.port import Entry, LogState
from infra.log.pressure import CLOSED, ENDED, Measured, Refusal, crowded, refusal, slow
from infra.log.segments import OVERHEAD, line
from infra.settings import SpoolSettings


class _Append(NamedTuple):
    """An append that waits for its round."""

    source: str
    bodies: list[bytes]
    size: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[None]"


class Spool:
    """An `EventLog` over a folder; the one writer of it. Appends may come from several event loops."""

    keyed = False

    def __init__(self, disk: Disk, settings: SpoolSettings, ticks: Callable[[], float] = time.monotonic) -> None:
        self._disk, self._settings, self._ticks = disk, settings, ticks
        self.leftovers: Leftovers = disk.leftovers
        self._turn_over = threading.Condition()
        self._waiting: list[_Append] = []
        self._in_hand: list[_Append] = []  # of the round that is on its way
        self._queued = 0  # bytes of appends that wait for an answer
        self._known: set[str] = set()
        self._closing = self._idle = False
        self._began: float | None = None  # when the round that is on its way began
        self._take_stock()
        self._thread = threading.Thread(target=self._run, name="event-log", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: SpoolSettings,
        *,
        clock: Clock = system_clock,
        suffix: Callable[[], str] = lambda: secrets.token_hex(4),
        ticks: Callable[[], float] = time.monotonic,
        files: Files = SYSTEM,
    ) -> Self:
        """Return the log of a folder, with what a dead writer left in it sealed.

        Raise `Held` if another process writes it, `LogUnavailable` if the folder cannot be written at all.
        """
        with said():
            disk = Disk(folder, settings, clock=clock, suffix=suffix, ticks=ticks, files=files)
        return cls(disk, settings, ticks)

    async def append(self, source: str, entries: Sequence[Entry]) -> None:
        """Return when all entries would survive a loss of power; else raise, at once where it is known at once."""
        if source not in self._known:
            source_folder(Path(), source)
            self._known.add(source)
        bodies = [entry.body for entry in entries]
        for body in bodies:
            if not body.startswith(b"{") or not body.endswith(b"}") or b"\n" in body:
                raise Broken("an entry of the event log is no JSON object on one line; encode it without newlines")
        if not bodies:
            return
        size = sum(map(len, bodies)) + OVERHEAD * len(bodies)
        loop = asyncio.get_running_loop()
        with self._turn_over:
            if (no := self._refusal(size)) is not None:
                raise no.error()
            answer = loop.create_future()
            self._waiting.append(_Append(source, bodies, size, loop, answer))
            self._queued += size
            if self._idle:
                self._idle = False
                self._turn_over.notify()
        await answer

    def state(self) -> LogState:
        """Say how the log is, without asking the disk."""
        no, waiting = self._refusal(0), self._measured.waiting
        return LogState(True, "", waiting, 0) if no is None else LogState(False, no.because, waiting, no.retry_after)

    async def close(self) -> None:
        """Write what waits and answer it, seal all segments and let the folder go."""
        with self._turn_over:
            self._closing = True
            self._turn_over.notify()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _refusal(self, size: int) -> Refusal | None:
        if self._closing:
            return CLOSED
        if self._gate is not None:
            return self._gate
        began = self._began
        if began is not None and (seconds := self._ticks() - began) > self._settings.slow:
            return slow(seconds, self._settings)
        # An append that is larger than the bound itself passes when it is alone.
        if self._queued and self._queued + size > self._settings.memory:
            return crowded(self._settings)
        return None

    def _take_stock(self) -> None:
        self._measured: Measured = self._disk.measured()
        self._gate: Refusal | None = refusal(self._measured, self._settings)

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            # By a fault of ours, or after `close`: nobody may wait for an answer that never comes.
            self._gate = ENDED
            with self._turn_over:
                self._in_hand, self._waiting = self._in_hand + self._waiting, []
            self._answer(ENDED)

    def _turn(self) -> bool:
        """Do one round and what else is due; return False when the log is closed."""
        with self._turn_over:
            if not self._waiting and not self._closing:
                self._idle = True
                self._turn_over.wait(self._disk.rest())
                self._idle = False
            self._in_hand, self._waiting = self._waiting, []
            closed = self._closing and not self._in_hand
        if closed:
            self._disk.close()
            return False
        self._began = self._ticks()
        if self._in_hand:
            self._commit()
        self._disk.tend()
        self._take_stock()
        self._began = None
        return True

    def _commit(self) -> None:
        no = self._gate if self._measured.trouble else None
        if no is None:
            lines: dict[str, list[bytes]] = defaultdict(list)
            for append in self._in_hand:
                lines[append.source] += map(line, append.bodies)
            durable = self._disk.commit(lines)
            self._take_stock()
            no = None if durable else self._gate or ENDED
        self._answer(no)

    def _answer(self, no: Refusal | None) -> None:
        """Answer all appends of a round, each event loop being called once."""
        loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
        for append in self._in_hand:
            loops[append.loop].append(append.answer)
        with self._turn_over:
            self._queued -= sum(append.size for append in self._in_hand)
        self._in_hand = []
        for loop, answers in loops.items():
            try:
                loop.call_soon_threadsafe(_settle, answers, no)
            except RuntimeError:  # the loop has ended, and with it all who waited
                continue


def _settle(answers: list["asyncio.Future[None]"], no: Refusal | None) -> None:
    for answer in answers:
        if answer.done():  # its sender went away
            continue
        if no is None:
            answer.set_result(None)
        else:
            answer.set_exception(no.error())
