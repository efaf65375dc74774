"""A load against what is expected of it: freshness and volume. Pure; the clock is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final, Literal

from ingestion.expected import Freshness, Severity, Volume

Rule = Literal["freshness", "volume", "new_columns", "changed_types"]

# Fewer loads have no median worth the name.
_LOADS: Final = 3


@dataclass(frozen=True, slots=True)
class Breach:
    """An expectation that a load does not meet: what was expected and what came, in one sentence without values."""

    rule: Rule
    severity: Severity
    sentence: str


def freshness(rule: Freshness, newest: datetime | None, at: datetime) -> Breach | None:
    """Return the breach of a source whose newest moment, or arrival, is too old at a moment; None if nothing ever came.

    What never came is no stale source: the first run of a workspace would cry.
    """
    if newest is None:
        return None
    age = max(at - newest, timedelta())
    what = "row is" if rule.of == "moment" else "arrival was"
    for severity, bound in (("error", rule.error_after), ("warn", rule.warn_after)):
        if bound is not None and age > bound:
            sentence = (
                f"the newest {what} of {newest:%Y-%m-%d %H:%M}Z, {told(age)} old; at most {told(bound)} is expected"
            )
            return Breach("freshness", "error" if severity == "error" else "warn", sentence)
    return None


def volume(rule: Volume, rows: int, before: Sequence[int]) -> Breach | None:
    """Return the breach of a load with too few or too many rows; `before` are those of former loads, newest first."""
    past = before[: rule.loads]
    middle = median(past) if len(past) >= _LOADS else None
    least: list[tuple[float, str]] = [(rule.min, "rows are")] if rule.min is not None else []
    most: list[tuple[float, str]] = [(rule.max, "rows are")] if rule.max is not None else []
    if middle is not None:
        of = f"rows ({{}} of the median of {len(past)} loads) are"
        if rule.min_ratio is not None:
            least.append((middle * rule.min_ratio, of.format(f"{rule.min_ratio:g}")))
        if rule.max_ratio is not None:
            most.append((middle * rule.max_ratio, of.format(f"{rule.max_ratio:g}")))
    for bound, what in least:
        if rows < bound:
            return Breach("volume", rule.severity, f"{rows:,} rows came; at least {bound:,.0f} {what} expected")
    for bound, what in most:
        if rows > bound:
            return Breach("volume", rule.severity, f"{rows:,} rows came; at most {bound:,.0f} {what} expected")
    return None


def told(age: timedelta) -> str:
    """Return an age in the unit in which people would say it."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // (24 * 60)} days"
