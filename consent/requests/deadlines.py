"""Until when a request must be confirmed, answered and extended, by law; time and calendar are arguments.

Months are calendar months: 31 January and one month is the last of February (EDPB Guidelines 01/2022, 5.3). The day of
receipt is not counted in days, and a term ends with its last day, where the calendar says when that is. A term that
ends on a holiday is not moved: earlier is never late.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal

from dateutil.relativedelta import relativedelta

from consent.requests.model import Right

Alarm = Literal["on_time", "half", "three_quarters", "nine_tenths", "overdue"]
_ALARMS: Final[tuple[tuple[float, Alarm], ...]] = ((0.9, "nine_tenths"), (0.75, "three_quarters"), (0.5, "half"))
ALARMS: Final[tuple[Alarm, ...]] = ("on_time", "half", "three_quarters", "nine_tenths", "overdue")
_WEEKEND: Final = frozenset({5, 6})


@dataclass(frozen=True, slots=True)
class Calendar:
    """Where days end and which are no business days. Days off only lengthen a term: none listed is the strictest."""

    zone: tzinfo = UTC
    weekend: frozenset[int] = _WEEKEND
    holidays: frozenset[date] = frozenset()

    def works(self, day: date) -> bool:
        """Say whether a day is a business day."""
        return day.weekday() not in self.weekend and day not in self.holidays


@dataclass(frozen=True, slots=True)
class Term:
    """A stretch of time as laws put it; exactly one of the three."""

    months: int = 0
    days: int = 0
    business_days: int = 0

    def last_day(self, first: date, calendar: Calendar) -> date:
        """Return the last day of the term that a day begins."""
        if self.business_days:
            day, left = first, self.business_days
            while left:
                day += timedelta(days=1)
                left -= calendar.works(day)
            return day
        last: date = first + relativedelta(months=self.months, days=self.days)
        return last

    def plus(self, other: "Term") -> "Term":
        """Return this term lengthened by another of the same kind."""
        return Term(self.months + other.months, self.days + other.days, self.business_days + other.business_days)


@dataclass(frozen=True, slots=True)
class Law:
    """What one law demands: to answer, to confirm, how far to extend, and what differs for single rights."""

    answer: Term
    confirm: Term | None = None
    extension: Term | None = None
    rights: Mapping[Right, Term] = field(default_factory=dict)

    def term(self, right: Right) -> Term:
        """Return the time for answering."""
        return self.rights.get(right, self.answer)

    def extended(self, right: Right) -> Term | None:
        """Return the time for answering once extended, counted from receipt; None where it may not be."""
        if self.extension is None or right in self.rights:
            return None
        return self.answer.plus(self.extension)


LAWS: Final[Mapping[str, Law]] = {
    # GDPR 12(3); the UK's is the same.
    "gdpr": Law(Term(months=1), extension=Term(months=2)),
    "uk_gdpr": Law(Term(months=1), extension=Term(months=2)),
    # 11 CCR 7021 (confirm, answer, extend), 7026(f) and 7027(g): opt-out and limit.
    "ccpa": Law(
        Term(days=45),
        confirm=Term(business_days=10),
        extension=Term(days=45),
        rights={"objection": Term(business_days=15), "restriction": Term(business_days=15)},
    ),
    # Virginia, Colorado, Connecticut and those that followed.
    "us_state": Law(Term(days=45), extension=Term(days=45)),
    # LGPD 19, II: the full declaration.
    "lgpd": Law(Term(days=15)),
    # DPDP Rules 2025 leave the period to the fiduciary and bound the redress of grievances by 90 days.
    "dpdp": Law(Term(days=90)),
}
# fmt: off
_EEA: Final = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "EU",
)
# fmt: on
PLACES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_EEA, "gdpr"),
    "GB": "uk_gdpr",
    "US": "us_state",
    "US-CA": "ccpa",
    "BR": "lgpd",
    "IN": "dpdp",
}


def law_of(jurisdiction: str | None) -> str | None:
    """Return the law of a place (`DE`, `DE-BY`, `US-CA`), or None where none is known."""
    if jurisdiction is None:
        return None
    return PLACES.get(jurisdiction) or PLACES.get(jurisdiction.partition("-")[0])


@dataclass(frozen=True, slots=True)
class Due:
    """The moments that count for a request; each is the first one that is too late."""

    answer_by: datetime
    confirm_by: datetime | None
    extended_by: datetime | None


def due(law: Law, right: Right, received_at: datetime, calendar: Calendar) -> Due:
    """Return until when a request must be confirmed and answered, and until when at most once extended."""
    first = received_at.astimezone(calendar.zone).date()

    def ends(term: Term | None) -> datetime | None:
        return None if term is None else _end(term.last_day(first, calendar), calendar.zone)

    answer = ends(law.term(right))
    assert answer is not None  # noqa: S101 - a law has a term
    return Due(answer, ends(law.confirm), ends(law.extended(right)))


def strictest(laws: Iterable[tuple[str, Law]], right: Right, received_at: datetime, calendar: Calendar) -> str:
    """Return the name of the law whose answer is due first: who does not know the place obeys it."""
    return min(laws, key=lambda one: (due(one[1], right, received_at, calendar).answer_by, one[0]))[0]


def _end(day: date, zone: tzinfo) -> datetime:
    # Midnight may not exist where clocks go forward then; the zone's rule of the hour before gives the same instant.
    return datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)


def alarm(received_at: datetime, due_at: datetime, now: datetime) -> Alarm:
    """Return how much of the time has gone: half, three quarters, nine tenths, or all of it."""
    if now >= due_at:
        return "overdue"
    gone = (now - received_at) / (due_at - received_at)
    return next((name for share, name in _ALARMS if gone >= share), "on_time")
