"""What a source expects of its loads: how fresh, how many rows, which references; and what may change of its columns.

The words are dbt's (`warn_after`, `error_after`, `severity`, a reference `to` a source) and Soda's (warn, and error
where a load is not to go on).
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ingestion.connectors.declared import Section

# A breach is told, or nothing of its source is taken in by this run.
Severity = Literal["warn", "error"]
# What becomes of something about columns that was not so before.
Change = Literal["record", "quarantine", "stop"]

_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400}


def _age(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d{1,6})([mhd])", str(value), re.ASCII)
    if match is None:
        msg = "not an age; write a whole number with m, h or d, for example 26h"
        raise ValueError(msg)
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


Age = Annotated[timedelta, BeforeValidator(_age), Field(gt=timedelta())]


class Freshness(Section):
    """How old the newest of a source may be: the newest moment that its rows tell, or the last arrival of any."""

    warn_after: Age | None = None
    error_after: Age | None = None
    of: Literal["moment", "arrival"] = "moment"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.warn_after is None and self.error_after is None:
            raise ValueError("say how old: warn_after: 26h (told), error_after: 3d (nothing is taken in), or both")
        if self.warn_after and self.error_after and self.error_after < self.warn_after:
            raise ValueError("error_after comes before warn_after; an error is later than a warning")
        return self


class Volume(Section):
    """How many rows a load has: at least, at most, and as a multiple of the median of the loads before it."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)
    min_ratio: float | None = Field(default=None, gt=0, le=1)
    max_ratio: float | None = Field(default=None, ge=1)
    loads: int = Field(default=7, ge=3, le=50)
    severity: Severity = "warn"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(bound is None for bound in (self.min, self.max, self.min_ratio, self.max_ratio)):
            raise ValueError(
                "say how many rows: min, max, min_ratio (0.5: half the median of the last loads), max_ratio"
            )
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError("max is below min, so no load could be right")
        return self


class Reference(Section):
    """A column whose values are keys of another source."""

    to: str
    on_violation: Literal["quarantine", "accept_and_flag"] = "quarantine"


class Bounds(Section):
    """How far a column may be from all the loads before before it counts as moved.

    `empty`, `kinds` and `distinct` are shares of rows; `range` is a multiple of how far apart its values were.
    """

    empty: float = Field(default=0.1, gt=0, le=1)
    kinds: float = Field(default=0.1, gt=0, le=1)
    distinct: float = Field(default=0.3, gt=0, le=1)
    range: float = Field(default=0.5, gt=0)
    loads: int = Field(default=7, ge=1, le=50)


class Expect(Section):
    """What is expected of each load of a source."""

    freshness: Freshness | None = None
    volume: Volume | None = None
    reference: dict[str, Reference] = Field(default_factory=dict)
    drift: Bounds = Bounds()


class Evolution(Section):
    """What becomes of columns that nobody declared, and of values that are no longer of a column's kind."""

    new_columns: Change = "record"
    changed_types: Change = "record"


def faults_of(
    expect: Expect, evolution: Evolution, record: str, *, collects: bool, dated: bool, keys: Callable[[str], int | None]
) -> str | None:
    """Return what is wrong with expectations beside the rest of a source and the `keys` of the others, if anything.

    `keys` tells how many key columns a declared source has that could be referred to.
    """
    volume, freshness = expect.volume, expect.freshness
    stops = (volume is not None and volume.severity == "error") or "stop" in (
        evolution.new_columns,
        evolution.changed_types,
    )
    if collects and (stops or (freshness is not None and freshness.error_after)):
        return "what a collector received would wait in the log until this is full; warn, record or quarantine instead"
    if freshness is not None and freshness.of == "moment" and not dated:
        return "freshness asks for the newest moment, and the rows tell none; declare it, or write of: arrival"
    if expect.reference and record == "consent":
        return "`reference` is for person, event and catalogue; a word of consent counts whoever else is known"
    for column, reference in expect.reference.items():
        count = keys(reference.to)
        if count is None:
            return f"reference.{column} names no source whose keys are kept; {reference.to!r} is not one"
        if count != 1:
            return f"reference.{column}: {reference.to} has a key of {count} columns; one column cannot refer to it"
    return None
