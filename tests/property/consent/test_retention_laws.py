"""Laws of retention: nothing goes too early, a narrower rule goes first, and no zone or wrong clock changes that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consent.retention.model import Moment, Period, Row, Rule
from consent.retention.rule import counting, keepers, past, ranked, withheld
from infra.ids import Purpose

PURPOSES = tuple(map(Purpose, ("service", "analytics", "identity_resolution")))
FIRST, LAST = datetime(1990, 1, 1), datetime(2040, 1, 1)  # noqa: DTZ001 - hypothesis adds the zones
ZONES = st.sampled_from(["UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kathmandu"]).map(ZoneInfo)
MOMENTS = st.datetimes(FIRST, LAST, timezones=ZONES)
PERIODS = st.one_of(
    st.integers(1, 3650).map(lambda days: Period(days=days)), st.integers(1, 12).map(lambda years: Period(years=years))
)
SOURCES, TYPES = ("web", "tills"), ("page", "order")
RULES = st.lists(
    st.builds(
        Rule,
        table=st.sampled_from(["events", "records"]),
        keep=PERIODS,
        counted_from=st.sampled_from(get_args(Moment)),
        because=st.just("why"),
        source=st.sampled_from([None, *SOURCES]),
        type=st.sampled_from([None, *TYPES]),
        purpose=st.sampled_from([None, *PURPOSES[:2]]),
    ),
    max_size=6,
    unique_by=lambda rule: rule.about,
)
ROWS = st.builds(
    Row,
    source=st.sampled_from(SOURCES),
    type=st.sampled_from([None, *TYPES]),
    moments=st.dictionaries(st.sampled_from(get_args(Moment)), MOMENTS),
)
TABLES = st.sampled_from(["events", "records"])


@given(RULES, TABLES, ROWS, MOMENTS, ZONES)
def test_the_zone_in_which_it_is_asked_changes_nothing(
    rules: list[Rule], table: str, row: Row, at: datetime, zone: ZoneInfo
) -> None:
    there = Row(row.source, row.type, {name: one.astimezone(zone) for name, one in row.moments.items()})
    assert past(rules, table, row, PURPOSES, at) == past(rules, table, there, PURPOSES, at.astimezone(zone))


@given(RULES, TABLES, ROWS, MOMENTS, st.timedeltas(timedelta(), timedelta(days=4000)))
def test_what_is_past_stays_past(rules: list[Rule], table: str, row: Row, at: datetime, later: timedelta) -> None:
    if past(rules, table, row, PURPOSES, at):
        assert past(rules, table, row, PURPOSES, at + later)


@given(PERIODS, MOMENTS, st.timedeltas(timedelta(), timedelta(days=3)))
def test_later_is_never_cut_earlier(period: Period, at: datetime, later: timedelta) -> None:
    assert period.before(at) <= period.before(at + later)


@given(RULES, TABLES, ROWS, MOMENTS)
def test_nothing_goes_before_the_shortest_period_nor_without_a_moment(
    rules: list[Rule], table: str, row: Row, at: datetime
) -> None:
    gone = past(rules, table, row, PURPOSES, at)
    if not row.moments or not any(rule.table == table for rule in rules):
        assert not gone
    if gone:
        latest = max(rule.keep.before(at) for rule in rules if rule.table == table)
        assert min(row.moments.values()) < latest


@given(RULES, TABLES, ROWS, MOMENTS)
def test_what_is_of_the_future_stays(rules: list[Rule], table: str, row: Row, at: datetime) -> None:
    ahead = Row(row.source, row.type, {name: max(one, at) for name, one in row.moments.items()})
    assert not past(rules, table, ahead, PURPOSES, at)


@given(RULES, ROWS, MOMENTS)
def test_a_row_goes_when_every_purpose_has_lost_it_and_not_before(rules: list[Rule], row: Row, at: datetime) -> None:
    lost = withheld(rules, "records", row, PURPOSES, at)
    assert lost <= set(PURPOSES[:2])
    if lost == set(PURPOSES[:2]):
        assert past(rules, "records", row, PURPOSES, at)
    if lost and not past(rules, "records", row, PURPOSES, at):
        assert len(lost) == 1
    for purpose in lost:
        rule = counting(ranked(rules, "records", purpose), row)
        assert rule is not None
        assert rule.purpose == purpose


@given(RULES, TABLES, ROWS, MOMENTS, st.data())
def test_a_longer_period_lets_nothing_go_that_stayed(
    rules: list[Rule], table: str, row: Row, at: datetime, data: st.DataObject
) -> None:
    assume(rules)
    place = data.draw(st.integers(0, len(rules) - 1))
    assume(rules[place].keep.days)
    longer = [*rules]
    longer[place] = replace(rules[place], keep=Period(days=rules[place].keep.days + 1000))
    if past(longer, table, row, PURPOSES, at):
        assert past(rules, table, row, PURPOSES, at)


@given(RULES, TABLES, ROWS)
def test_the_narrowest_rule_that_speaks_of_a_row_counts(rules: list[Rule], table: str, row: Row) -> None:
    for purpose in PURPOSES:
        said = counting(ranked(rules, table, purpose), row)
        speak = [
            rule
            for rule in rules
            if rule.table == table
            and rule.source in (None, row.source)
            and rule.type in (None, row.type)
            and rule.purpose in (None, purpose)
        ]
        assert (said is None) == (not speak)
        if said is not None:
            assert said.narrowness == max(rule.narrowness for rule in speak)


@given(PERIODS, MOMENTS)
def test_a_period_is_as_long_as_it_says(period: Period, at: datetime) -> None:
    cut = period.before(at)
    assert cut.tzinfo is UTC
    days = (at - cut) / timedelta(days=1)
    least, most = (period.days, period.days) if period.days else (365 * period.years, 366 * period.years + 1)
    assert least <= days <= most


@pytest.mark.parametrize(
    ("text", "at", "cut"),
    [
        ("1d", "2026-03-29T00:30:00+01:00", "2026-03-27T23:30:00+00:00"),
        ("1y", "2024-02-28T23:00:00+00:00", "2023-02-28T23:00:00+00:00"),
        ("1y", "2024-02-29T01:00:00+00:00", "2023-02-28T23:59:59.999999+00:00"),
        ("1y", "2024-03-01T00:00:00+00:00", "2023-03-01T00:00:00+00:00"),
        ("4y", "2024-02-29T12:00:00+00:00", "2020-02-29T12:00:00+00:00"),
        ("1y", "2025-03-01T00:00:00+13:00", "2024-02-28T11:00:00+00:00"),
    ],
)
def test_edges_of_the_calendar(text: str, at: str, cut: str) -> None:
    assert Period.of(text).before(datetime.fromisoformat(at)) == datetime.fromisoformat(cut)


@pytest.mark.parametrize(
    "text", ["0d", "-1d", "1m", "3 y", "1.5y", "", "99y9d", "201y", "\uff11d", "1\uff11d", "d", "100000d"]
)
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="730d or 3y"):
        Period.of(text)


def test_two_purposes_with_one_ranking_are_asked_once() -> None:
    rules = [Rule(table="records", keep=Period(days=1), counted_from="received", because="why")]
    assert len(keepers(rules, "records", PURPOSES)) == 1
