"""How the sources are, over HTTP, on the command line and as metrics: moments, counts and names of sources alone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from ingestion.health import Health, Runs, SourceHealth

SCOPE = "admin"
_LATE: Final = {"ok": 0, "late": 1, "too late": 2}
# So often runners die over a run before whoever handed it over gives up.
STUCK: Final = 4
READABLE: Final = "Whether the books tell of the sources: without it, what follows is missing."


def told(health: Health) -> dict[str, Any]:
    """Return it as data."""
    return {
        "at": health.at.isoformat(),
        "sources": [_told(one, health.at) for one in health.sources],
        "runs": {
            "last_seconds": health.runs.seconds,
            "last_ended_at": _moment(health.runs.ended_at),
            "failures_in_a_row": health.runs.failures,
            "tries": health.runs.tries,
            "trouble": trouble(health.runs),
        },
    }


def _told(one: SourceHealth, at: datetime) -> dict[str, Any]:
    waits = one.waiting
    return {
        "source": one.source,
        "connector": one.connector,
        "newest_arrival": _moment(one.arrived_at),
        "newest_moment_told": _moment(one.told_at),
        "seconds_since_arrival": _seconds(one.arrived_at, at),
        "freshness": _expected(one, at),
        "last_run": one.run,
        "last_run_at": _moment(one.run_at),
        "rows_last_run": one.rows,
        "waiting": {
            "count": waits.count,
            "bytes": waits.size,
            "oldest": _moment(waits.oldest),
            "oldest_seconds": _seconds(waits.oldest, at),
        },
        "quarantined_open": one.quarantined,
        "verdicts": dict(one.verdicts),
    }


def _expected(one: SourceHealth, at: datetime) -> dict[str, Any] | None:
    rule = one.expected
    if rule is None:
        return None
    bounds = {"warn_after_seconds": rule.warn_after, "error_after_seconds": rule.error_after}
    told = {name: None if bound is None else bound.total_seconds() for name, bound in bounds.items()}
    return {"of": rule.of, **told, "state": one.lateness(at)}


def trouble(runs: Runs) -> str | None:
    """Say in one sentence that taking in is stuck or fails, or nothing."""
    if runs.tries >= STUCK:
        return f"runners ended over the run under way, {runs.tries} tries until now; see state/runner.log"
    if runs.failures:
        return f"taking in failed {runs.failures} times in a row; `kindred runs` says why"
    return None


def metrics(health: Health) -> str:
    """Return it in Prometheus' text format; labels are declared sources and the five verdicts, nothing else."""
    return "".join(f"{line}\n" for line in _lines(health))


def unreadable() -> str:
    """Return what is told in place of all that where the books cannot be read now."""
    return "".join(
        f"{line}\n" for line in (*_head("kindred_sources_readable", "gauge", READABLE), "kindred_sources_readable 0")
    )


def _lines(health: Health) -> Iterator[str]:
    sources, runs, at = health.sources, health.runs, health.at
    yield from (*_head("kindred_sources_readable", "gauge", READABLE), "kindred_sources_readable 1")
    yield from _head("kindred_ingest_rows_total", "counter", "Rows by source and verdict, in all runs.")
    for one in sources:
        for verdict, rows in one.verdicts.items():
            yield f'kindred_ingest_rows_total{{source="{one.source}",verdict="{verdict}"}} {rows}'
    by_source = (
        ("kindred_source_freshness_seconds", "Seconds since a source's newest row came.",
         {one.source: _seconds(one.arrived_at, at) for one in sources}),
        ("kindred_source_newest_moment_timestamp_seconds", "The newest moment that a source's rows tell of.",
         {one.source: None if one.told_at is None else one.told_at.timestamp() for one in sources}),
        ("kindred_source_late", "Against the declared freshness: 0 as expected, 1 late, 2 too late.",
         {one.source: _LATE.get(one.lateness(at) or "") for one in sources}),
        ("kindred_source_last_run_rows", "Fresh rows that a source's last run read.",
         {one.source: one.rows for one in sources}),
        ("kindred_source_waiting", "Files, segments or entries of a source that the lake has not taken in.",
         {one.source: one.waiting.count for one in sources}),
        ("kindred_source_waiting_bytes", "Their bytes.", {one.source: one.waiting.size for one in sources}),
        ("kindred_source_lag_seconds", "Seconds since the oldest of them came; 0 where nothing waits.",
         {one.source: _lag(one, at) for one in sources}),
        ("kindred_quarantine_open_rows", "Rejected rows that nobody has settled.",
         {one.source: one.quarantined for one in sources}),
    )  # fmt: skip
    for name, meaning, values in by_source:
        yield from _head(name, "gauge", meaning)
        yield from (f'{name}{{source="{s}"}} {_number(v)}' for s, v in values.items() if v is not None)
    for name, meaning, value in (
        ("kindred_ingest_last_run_seconds", "How long the last run took to take sources in.", runs.seconds),
        ("kindred_ingest_failures_in_a_row", "Runs that failed to take in since one did.", runs.failures),
        ("kindred_ingest_run_tries", "How often runners took up the run under way; 0 without one.", runs.tries),
    ):
        if value is not None:
            yield from (*_head(name, "gauge", meaning), f"{name} {_number(value)}")


def _head(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _lag(one: SourceHealth, at: datetime) -> float | None:
    if one.waiting.oldest is not None:
        return _seconds(one.waiting.oldest, at)
    return 0.0 if one.waiting.count == 0 else None


def _seconds(since: datetime | None, at: datetime) -> float | None:
    return None if since is None else round(max(0.0, (at - since).total_seconds()), 3)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
