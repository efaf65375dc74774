"""Counts for Prometheus, by route and status: never by anything that a person is behind."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final

# Upper ends in seconds, as Prometheus counts them: `le`. Half of what a read takes lies below the second.
BOUNDS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Tally:
    """What one route has answered: how often with which status, and how long that took, by purpose.

    A purpose is one that a key carries, so it stands in the policy; what a caller wrote is never a label.
    """

    __slots__ = ("answered", "latency", "seconds")

    def __init__(self) -> None:
        self.answered: dict[int, int] = {}
        self.latency: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    def add(self, status: int, seconds: float, purpose: str = "") -> None:
        """Count one answer."""
        self.answered[status] = self.answered.get(status, 0) + 1
        counts = self.latency.get(purpose)
        if counts is None:
            counts = self.latency[purpose] = [0] * (len(BOUNDS) + 1)
            self.seconds[purpose] = 0.0
        counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds[purpose] += seconds


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
        lines += [
            f'kindred_http_seconds_total{{route="{route}"}} {sum(tally.seconds.values()):.6f}'
            for route, tally in tallies
        ]
        lines.append("# TYPE kindred_http_request_seconds histogram")
        lines += [
            line
            for route, tally in tallies
            for purpose, counts in sorted(tally.latency.items())
            for line in _histogram(route, purpose, counts, tally.seconds[purpose])
        ]
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE kindred_{name} gauge", f"kindred_{name} {value:g}"]
        return "\n".join(lines) + "\n"


def _histogram(route: str, purpose: str, counts: list[int], seconds: float) -> Iterator[str]:
    name, labels = "kindred_http_request_seconds", f'route="{route}",purpose="{purpose}"'
    total = 0
    for bound, count in zip((*BOUNDS, None), counts, strict=True):
        total += count
        yield f'{name}_bucket{{{labels},le="{"+Inf" if bound is None else f"{bound:g}"}"}} {total}'
    yield f"{name}_sum{{{labels}}} {seconds:.6f}"
    yield f"{name}_count{{{labels}}} {total}"
