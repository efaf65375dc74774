"""How urgent the open requests are, for lists, alarms and metrics."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from consent.requests.deadlines import ALARMS, Alarm, alarm
from consent.requests.model import RIGHTS, Request


@dataclass(frozen=True, slots=True)
class Clock:
    """A request, how much of its time has gone, and how many days are left; negative once it is late."""

    request: Request
    alarm: Alarm
    days_left: float


def clocks(requests: Iterable[Request], now: datetime) -> tuple[Clock, ...]:
    """Return the clocks of open requests, the most urgent first."""
    found = [
        Clock(one, alarm(one.received_at, one.due_at, now), round((one.due_at - now).total_seconds() / 86_400, 1))
        for one in requests
        if one.open
    ]
    return tuple(sorted(found, key=lambda clock: (clock.request.due_at, clock.request.id)))


def metrics(found: Iterable[Clock]) -> str:
    """Return counts by right and alarm in Prometheus' format; all of them, for what is absent raises no alarm."""
    counted = Counter((clock.request.right, clock.alarm) for clock in found)
    lines = ["# TYPE kindred_privacy_requests gauge"]
    lines += [
        f'kindred_privacy_requests{{right="{right}",alarm="{name}"}} {counted[right, name]}'
        for right in RIGHTS
        for name in ALARMS
    ]
    return "\n".join(lines) + "\n"
