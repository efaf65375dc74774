"""Load: as fast as the server answers (closed), or at a rate that waits for nobody (open); both from one thread."""

import itertools
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_AT_ONCE = 1 << 20


@dataclass
class Run:
    """What came of some seconds of load."""

    seconds: float
    cpu: float = 0.0
    times: list[float] = field(default_factory=list, repr=False)
    failed: int = 0

    @property
    def rate(self) -> float:
        """Return answers a second."""
        return len(self.times) / self.seconds

    @property
    def cpu_us(self) -> float:
        """Return what the server's processes spent on an answer, in microseconds."""
        return self.cpu / max(len(self.times), 1) * 1e6

    def later(self, share: float) -> float:
        """Return the milliseconds within which a share of the answers came."""
        found = sorted(self.times)
        return found[min(int(len(found) * share), len(found) - 1)] * 1e3 if found else float("nan")


def http_length(answer: bytes) -> int | None:
    """Return how long an HTTP answer is, or None where its head has not come whole."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    at = answer.find(b"content-length: ")
    return end + 4 + (int(answer[at + 16 : answer.find(b"\r", at)]) if 0 <= at < end else 0)


def resp_length(answer: bytes) -> int | None:
    """Return how long a bulk answer of Redis is, or None where its head has not come whole."""
    end = answer.find(b"\r\n")
    return None if end < 0 else end + 2 + int(answer[1:end]) + 2


class Line:
    """A connection with at most one request (or one pipeline of them) under way."""

    def __init__(self, port: int, length: Callable[[bytes], int | None], answers: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._length, self._answers, self._left, self._begun = length, answers, 0, b""
        self.since = 0.0

    def fileno(self) -> int:
        """Return what is waited for."""
        return self._socket.fileno()

    def ask(self, request: bytes, since: float) -> None:
        """Send."""
        self.since, self._left = since, self._answers
        self._socket.sendall(request)

    def heard(self) -> bytes | None:
        """Take in what came; return the last answer once all have come whole."""
        came = self._socket.recv(_AT_ONCE)
        if not came:
            raise ConnectionError("the server closed a connection")
        self._begun = self._begun + came if self._begun else came
        while self._left:
            length = self._length(self._begun)
            if length is None or len(self._begun) < length:
                return None
            answer, self._begun = self._begun, self._begun[length:]
            self._left -= 1
        return answer

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def closed(
    port: int,
    requests: Sequence[bytes],
    seconds: float,
    *,
    lines: int = 32,
    length: Callable[[bytes], int | None] = http_length,
    answers: int = 1,
) -> Run:
    """Ask again as soon as an answer came, on every line. A pipeline counts as its answers."""
    endless, run = itertools.cycle(requests), Run(seconds)
    pool = {line.fileno(): line for line in (Line(port, length, answers) for _ in range(lines))}
    waiting = select.epoll()
    now = begun = time.perf_counter()
    for line in pool.values():
        waiting.register(line.fileno(), select.EPOLLIN)
        line.ask(next(endless) * answers, now)
    while now - begun < seconds:
        for number, _ in waiting.poll(1):
            line = pool[number]
            answer = line.heard()
            if answer is None:
                continue
            now = time.perf_counter()
            run.times += [now - line.since] * answers
            run.failed += answer[:5] == b"HTTP/" and answer[9:12] != b"200"
            line.ask(next(endless) * answers, now)
        now = time.perf_counter()
    run.seconds = now - begun
    _over(pool.values())
    return run


def opened(port: int, requests: Sequence[bytes], seconds: float, rate: float, *, lines: int = 64) -> Run:
    """Ask at a rate, whatever the server does; a request that had to wait for a line waited from when it was due.

    A closed loop asks a slow server less often, and so hides how slow it was (coordinated omission).
    """
    endless, run = itertools.cycle(requests), Run(seconds)
    pool = [Line(port, http_length, 1) for _ in range(lines)]
    free, busy, due = deque(pool), set[Line](), deque[float]()
    begun, count = time.perf_counter(), 0
    while True:
        now = time.perf_counter()
        while count < (now - begun) * rate and count < seconds * rate:
            due.append(begun + count / rate)
            count += 1
        while due and free:
            line = free.popleft()
            line.ask(next(endless), due.popleft())
            busy.add(line)
        if count >= seconds * rate and not busy:
            break
        pause = max(0.0, begun + count / rate - time.perf_counter())
        # epoll rounds up to milliseconds, select does not.
        for line in select.select(list(busy), [], [], pause)[0]:
            answer = line.heard()
            if answer is not None:
                run.times.append(time.perf_counter() - line.since)
                run.failed += answer[9:12] != b"200"
                busy.discard(line)
                free.append(line)
    run.seconds = time.perf_counter() - begun
    _over(pool)
    return run


def each(port: int, requests: Iterable[bytes]) -> None:
    """Ask everything once, one after the other."""
    line = Line(port, http_length, 1)
    for request in requests:
        line.ask(request, 0.0)
        while line.heard() is None:
            pass
    line.close()


def _over(lines: Iterable[Line]) -> None:
    for line in lines:
        line.close()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used."""
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        stat = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(stat[11]) + int(stat[12])) / _TICKS
        for task in Path(f"/proc/{one}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return total


def memory(pid: int) -> tuple[int, int]:
    """Return the megabytes of a process tree: its own (anonymous), and all that are resident, mapped files too."""
    own = resident = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        told = dict(
            line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines() if line.startswith("R")
        )
        own += int(told["RssAnon"].split()[0])
        resident += sum(int(told[name].split()[0]) for name in ("RssAnon", "RssFile", "RssShmem"))
        for task in Path(f"/proc/{one}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return own // 1024, resident // 1024


def histogram(times: Sequence[float]) -> list[tuple[float, int]]:
    """Return how many answers took up to so many milliseconds, four steps for each doubling."""
    counts: dict[int, int] = {}
    for one in times:
        step = 0
        while 0.0625 * 2 ** (step / 2) < one * 1e3:
            step += 1
        counts[step] = counts.get(step, 0) + 1
    return [(0.0625 * 2 ** (step / 2), counts.get(step, 0)) for step in range(max(counts, default=0) + 1)]
