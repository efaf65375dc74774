"""Counts for Prometheus, by route and status: never by anything that a person is behind."""

import time
from collections import Counter
from collections.abc import Callable


class Metrics:
    """Requests by route and status, and the seconds they took."""

    def __init__(self, stopwatch: Callable[[], float] = time.perf_counter) -> None:
        self.stopwatch = stopwatch
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request under its route's template."""
        self._requests[route, status] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter adds floats as well

    def text(self, **gauges: float) -> str:
        """Return everything in Prometheus' text format."""
        lines = ["# TYPE kindred_http_requests_total counter"]
        lines += [
            f'kindred_http_requests_total{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self._requests.items())
        ]
        lines.append("# TYPE kindred_http_seconds_total counter")
        lines += [
            f'kindred_http_seconds_total{{route="{route}"}} {seconds:.6f}'
            for route, seconds in sorted(self._seconds.items())
        ]
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE kindred_{name} gauge", f"kindred_{name} {value:g}"]
        return "\n".join(lines) + "\n"
