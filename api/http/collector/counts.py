"""How many events came, by source and verdict, and how the log is: for Prometheus, never by anybody's name."""

from collections import Counter
from collections.abc import Mapping

from infra.log.port import LogState


class Counts:
    """What the collector has taken in since it began."""

    def __init__(self) -> None:
        self._events: Counter[tuple[str, str]] = Counter()

    def add(self, source: str, counts: Mapping[str, int]) -> None:
        """Count the events of one request, which are durable now."""
        for verdict, count in counts.items():
            self._events[source, verdict] += count

    def text(self, state: LogState) -> str:
        """Return everything in Prometheus' text format."""
        lines = ["# TYPE kindred_collector_events_total counter"]
        lines += [
            f'kindred_collector_events_total{{source="{source}",verdict="{verdict}"}} {count}'
            for (source, verdict), count in sorted(self._events.items())
        ]
        lines += ["# TYPE kindred_log_waiting_bytes gauge", f"kindred_log_waiting_bytes {state.waiting_bytes}"]
        lines += ["# TYPE kindred_log_ready gauge", f"kindred_log_ready {int(state.ready)}"]
        return "\n".join(lines) + "\n"
