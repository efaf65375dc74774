"""The nouns of retention: a period, a rule, what a store lets be counted, and what became of its rows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Self

from infra.ids import Purpose

# occurred: the row's own time; received: when it came; last_activity: the newest moment of its person.
Moment = Literal["occurred", "received", "last_activity"]
_PERIOD: Final = re.compile(r"([1-9][0-9]{0,4})([dy])")
_MOST_YEARS: Final = 200


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of whole days or calendar years."""

    days: int = 0
    years: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the period that a text such as `730d` or `3y` means; raise `ValueError` for any other."""
        found = _PERIOD.fullmatch(text)
        if found is None or (found[2] == "y" and int(found[1]) > _MOST_YEARS):
            raise ValueError("write a period as whole days or years, for example 730d or 3y")
        return cls(days=int(found[1])) if found[2] == "d" else cls(years=int(found[1]))

    def before(self, at: datetime) -> datetime:
        """Return the moment from which on rows are kept at `at`; what is older is past. Days are counted in UTC.

        A year before any time of 29 February is the end of 28 February, so that what is past stays past.
        """
        moment = at.astimezone(UTC)
        if not self.years:
            return moment - timedelta(days=self.days)
        try:
            return moment.replace(year=moment.year - self.years)
        except ValueError:
            end = moment.replace(month=3, day=1, hour=0, minute=0, second=0, microsecond=0)
            return end.replace(year=moment.year - self.years) - timedelta(microseconds=1)

    def __str__(self) -> str:
        """Return the period as it is written."""
        return f"{self.years}y" if self.years else f"{self.days}d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long rows of a table are kept: all of them, or those of a source, a type of event, a purpose."""

    table: str
    keep: Period
    counted_from: Moment
    because: str
    source: str | None = None
    type: str | None = None
    purpose: Purpose | None = None
    line: int = 0

    @property
    def narrowness(self) -> tuple[bool, bool, bool]:
        """How narrow the rule is: what names a source goes before what names a type, that before a purpose."""
        return (self.source is not None, self.type is not None, self.purpose is not None)

    @property
    def about(self) -> tuple[str, str | None, str | None, str | None]:
        """What the rule speaks of; two rules must not speak of the same."""
        return (self.table, self.source, self.type, self.purpose)

    def facts(self) -> dict[str, str]:
        """Return the rule as data for accounts, without what it does not name."""
        told = {"table": self.table, "keep": str(self.keep), "counted_from": self.counted_from, "because": self.because}
        narrow = {"source": self.source, "type": self.type, "purpose": self.purpose}
        return {**told, **{name: str(value) for name, value in narrow.items() if value is not None}}

    def __str__(self) -> str:
        """Return the rule as people are told it."""
        counted = {"occurred": "it happened", "received": "it came", "last_activity": "the person's last activity"}
        unit = "year" if self.keep.years else "day"
        count = self.keep.years or self.keep.days
        return f"{count} {unit}{'' if count == 1 else 's'} after {counted[self.counted_from]}: {self.because}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a store lets rules say: from which moments rows are counted, and whether sources, types, purposes differ."""

    table: str
    moments: tuple[Moment, ...]
    sources: bool = False
    types: bool = False
    purposes: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What a rule asks of one row."""

    source: str | None
    type: str | None
    moments: Mapping[Moment, datetime]
