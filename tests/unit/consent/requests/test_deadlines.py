from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from consent.requests.deadlines import LAWS, Calendar, alarm, due, law_of

BERLIN, LA = Calendar(ZoneInfo("Europe/Berlin")), Calendar(ZoneInfo("America/Los_Angeles"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("received", "until"),
    [
        # EDPB Guidelines 01/2022: 5 March until 5 April inclusive, 31 August until 30 September inclusive.
        ("2026-03-05T10:00:00+01:00", "2026-04-06T00:00:00+02:00"),
        ("2026-08-31T10:00:00+02:00", "2026-10-01T00:00:00+02:00"),
        ("2027-01-31T10:00:00+01:00", "2027-03-01T00:00:00+01:00"),
        ("2028-01-31T10:00:00+01:00", "2028-03-01T00:00:00+01:00"),  # a leap year: 29 February is its last day
        ("2028-02-29T10:00:00+01:00", "2028-03-30T00:00:00+02:00"),
        # Half past eleven in the evening by UTC is the next day in Berlin.
        ("2026-04-30T23:30:00+00:00", "2026-06-02T00:00:00+02:00"),
    ],
)
def test_a_calendar_month(received: str, until: str) -> None:
    assert due(LAWS["gdpr"], "access", at(received), BERLIN).answer_by == at(until)


def test_a_month_is_extended_by_two_from_the_day_of_receipt() -> None:
    assert due(LAWS["gdpr"], "erasure", at("2026-11-30T10:00:00+01:00"), BERLIN).extended_by == at(
        "2027-03-01T00:00:00+01:00"
    )


def test_california_counts_days_and_business_days_over_the_change_of_clocks() -> None:
    received = at("2026-10-25T20:00:00-07:00")
    terms = due(LAWS["ccpa"], "erasure", received, LA)
    assert terms.answer_by == at("2026-12-10T00:00:00-08:00")
    assert terms.extended_by == at("2027-01-24T00:00:00-08:00")
    assert terms.confirm_by == at("2026-11-07T00:00:00-08:00")


def test_fifteen_business_days_pass_over_holidays() -> None:
    received = at("2026-11-20T12:00:00-08:00")
    plain = due(LAWS["ccpa"], "objection", received, LA)
    thanksgiving = Calendar(LA.zone, holidays=frozenset({date(2026, 11, 26), date(2026, 11, 27)}))
    assert plain.answer_by == at("2026-12-12T00:00:00-08:00")
    assert due(LAWS["ccpa"], "objection", received, thanksgiving).answer_by == at("2026-12-16T00:00:00-08:00")
    assert plain.extended_by is None


def test_a_day_that_begins_at_one_ends_when_the_clock_leaps() -> None:
    cairo = Calendar(ZoneInfo("Africa/Cairo"))  # on 24 April 2026 clocks went from 0:00 to 1:00
    until = due(LAWS["gdpr"], "access", at("2026-03-23T10:00:00+02:00"), cairo).answer_by
    assert until == at("2026-04-23T22:00:00+00:00")


@pytest.mark.parametrize(
    ("place", "law"),
    [("DE-BY", "gdpr"), ("EU", "gdpr"), ("GB", "uk_gdpr"), ("US-CA", "ccpa"), ("US-OH", "us_state"), ("BR", "lgpd"),
     ("IN", "dpdp"), ("ZZ", None), (None, None)],
)  # fmt: skip
def test_the_law_of_a_place(place: str | None, law: str | None) -> None:
    assert law_of(place) == law


def test_alarms_ring_at_half_three_quarters_and_nine_tenths() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(days=100)
    told = [alarm(start, end, start + timedelta(days=d)) for d in (49, 50, 75, 90, 99, 100, 140)]
    assert told == ["on_time", "half", "three_quarters", "nine_tenths", "nine_tenths", "overdue", "overdue"]
