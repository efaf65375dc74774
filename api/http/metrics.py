"""Counts for Prometheus, by route and status: never by anything that a person is behind."""

import time
from collections.abc import Callable


class Tally:
    """What one route has answered: how often with which status, and the seconds that took."""

    __slots__ = ("answered", "seconds")

    def __init__(self) -> None:
        self.answered: dict[int, int] = {}
        self.seconds = 0.0

    def add(self, status: int, seconds: float) -> None:
        """Count one answer."""
        self.answered[status] = self.answered.get(status, 0) + 1
        self.seconds += seconds


class Metrics:
    """A tally for each route, under its template."""

    def __init__(self, stopwatch: Callable[[], float] = time.perf_counter) -> None:
        self.stopwatch = stopwatch
        self._tallies: dict[str, Tally] = {}

    def of(self, route: str) -> Tally:
        """Return the tally of a route."""
        return self._tallies.setdefault(route, Tally())

    def text(self, **gauges: float) -> str:
        """Return everything in Prometheus' text format."""
        tallies = sorted(self._tallies.items())
        lines = ["# TYPE kindred_http_requests_total counter"]
        lines += [
            f'kindred_http_requests_total{{route="{route}",status="{status}"}} {count}'
            for route, tally in tallies
            for status, count in sorted(tally.answered.items())
        ]
        lines.append("# TYPE kindred_http_seconds_total counter")
        lines += [f'kindred_http_seconds_total{{route="{route}"}} {tally.seconds:.6f}' for route, tally in tallies]
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE kindred_{name} gauge", f"kindred_{name} {value:g}"]
        return "\n".join(lines) + "\n"
