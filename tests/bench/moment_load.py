"""Events at a rate that waits for nobody, and of one in each request when the API answers with it.

Whether somebody is served by now is looked up in the store, which costs the server nothing; then the API is asked, and
its answer is what counts. To ask it again and again would be a load of its own.
"""

import heapq
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from serving_load import Line, http_length
from serving_world import asked

# How often it is looked whether somebody is served: what a wait is measured to.
_AGAIN: Final = 0.002
_LINES: Final = 64
_GIVEN_UP: Final = 20.0


@dataclass
class Moments:
    """What became of the events: seconds from when one was due, and from when it was acknowledged, to its answer."""

    due: list[float] = field(default_factory=list, repr=False)
    acknowledged: list[float] = field(default_factory=list, repr=False)
    events: int = 0
    asked: int = 0
    refused: int = 0

    @staticmethod
    def later(waits: list[float], share: float) -> float:
        """Return the milliseconds within which a share of the waits ended."""
        found = sorted(waits)
        return found[min(int(len(found) * share), len(found) - 1)] * 1e3 if found else float("nan")


@dataclass(order=True)
class _Probe:
    """Somebody who was never seen before, from the request that names them to the answer that knows them."""

    at: float  # when something is to be done about it
    number: int
    due: float = field(compare=False)
    acknowledged: float | None = field(default=None, compare=False)


@dataclass
class Crowd:
    """Requests of events; the last one of each is of a visitor who was never seen before."""

    port: int
    writer: str
    reader: str
    served: Callable[[str], bool]
    batch: int
    visitors: int
    name: str

    def batched(self, number: int) -> bytes:
        """Return a request of a batch of events."""
        first = number * self.batch
        names = [f"{self.name}-v{(first + n) % self.visitors}" for n in range(self.batch - 1)]
        events = [
            {"type": "track", "event": "Seen", "anonymousId": name, "messageId": f"{self.name}-{first + n}"}
            for n, name in enumerate([*names, self.newcomer(number)])
        ]
        return asked("POST /v1/batch", "-", {"batch": events, "writeKey": self.writer})

    def newcomer(self, number: int) -> str:
        """Return the cookie of whoever is new in a batch."""
        return f"{self.name}-new{number}"

    def question(self, number: int) -> bytes:
        """Return the request that asks for whoever is new in a batch."""
        identifier = {"type": "cookie", "value": self.newcomer(number)}
        return asked("POST /v1/profiles:lookup", self.reader, {"identifier": identifier, "purpose": "service"})

    def run(self, seconds: float, rate: float) -> Moments:
        """Send so many events a second, and return what became of them once each newcomer was answered for."""
        found, free = Moments(), deque(Line(self.port, http_length, 1) for _ in range(_LINES))
        lines, busy = tuple(free), dict[Line, _Probe]()
        begun, step = time.perf_counter() + 0.05, self.batch / rate
        waiting = [_Probe(begun + n * step, n, begun + n * step) for n in range(int(seconds / step))]
        ends = begun + seconds + _GIVEN_UP
        while waiting or busy:
            now = time.perf_counter()
            if now > ends:
                unserved, unanswered = len(waiting), len(busy)
                raise SystemExit(f"{_GIVEN_UP:.0f} s after the last: {unserved} not served, {unanswered} not answered")
            while waiting and free and waiting[0].at <= now:
                probe = heapq.heappop(waiting)
                if probe.acknowledged is not None and not self.served(self.newcomer(probe.number)):
                    probe.at = now + _AGAIN
                    heapq.heappush(waiting, probe)
                    continue
                line = free.popleft()
                line.ask(self.batched(probe.number) if probe.acknowledged is None else self.question(probe.number), now)
                busy[line] = probe
            pause = max(0.0, waiting[0].at - time.perf_counter()) if waiting and free else 1.0
            for line in select.select(list(busy), [], [], pause)[0]:
                answer = line.heard()
                if answer is not None:
                    free.append(line)
                    self._heard(busy.pop(line), answer, found, waiting)
        for line in lines:
            line.close()
        return found

    def _heard(self, probe: _Probe, answer: bytes, found: Moments, waiting: list[_Probe]) -> None:
        now, status = time.perf_counter(), answer[9:12]
        if probe.acknowledged is None:
            if status != b"200":
                found.refused += 1
                return
            found.events += self.batch
            probe.acknowledged = probe.at = now
        else:
            found.asked += 1
            if status == b"200":
                found.due.append(now - probe.due)
                found.acknowledged.append(now - probe.acknowledged)
                return
            probe.at = now + _AGAIN
        heapq.heappush(waiting, probe)
