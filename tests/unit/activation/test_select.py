"""The audience language in Python: what each operator means, to the letter."""

from datetime import UTC, datetime, timedelta

import pytest

from activation.model import All, AnyOf, Bound, Comparison, Facts, Happened, Member, Not, Occurrence, Trait
from activation.select import passes, selected, thousandths
from activation.spelling import moment, number

NOW = datetime(2017, 12, 31, tzinfo=UTC)


def days_ago(days: int, *, unit: str = "", amount: float | None = None, **fields: str) -> Occurrence:
    at = NOW - timedelta(days=days)
    return Occurrence("purchase", unit or f"u{days}", at, amount, fields)


@pytest.mark.parametrize(
    ("text", "op", "value", "expected"),
    [
        ("5", "==", 5.0, True), ("5.0", "==", 5.0, True), ("5.0", "==", "5", False), ("x", "==", 5.0, False),
        ("x", "!=", 5.0, True), ("a", "!=", "a", False), ("6", ">", 5.0, True), ("x", ">", 5.0, False),
        ("5", ">=", 5.0, True), ("4", "<", 5.0, True), ("5", "<=", 5.0, True),
        ("b", "in", ("a", "b"), True), ("2.0", "in", (2.0,), True), ("c", "not in", ("a", "b"), True),
        ("abc", "contains", "b", True), ("abc", "starts_with", "ab", True), ("abc", "ends_with", "bc", True),
        ("", "exists", None, True), ("", "missing", None, False),
        ("2017-12-30", "before", NOW, True), ("2017-12-31T10:00:00+14:00", "before", NOW, True),
        ("2018-01-01", "after", NOW, True), ("yesterday", "before", NOW, False),
        ("2017-12-25", "within", timedelta(days=7), True), ("2017-12-24", "within", timedelta(days=7), False),
        ("2018-01-01", "within", timedelta(days=7), False),
    ],
)  # fmt: skip
def test_an_operator_means(text: str, op: str, value: object, expected: bool) -> None:  # noqa: FBT001
    assert passes(Comparison("t", op, value), text, NOW) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("op", ["==", "!=", "<", "in", "not in", "contains", "exists", "before", "within"])
def test_a_missing_value_passes_missing_alone(op: str) -> None:
    assert not passes(Comparison("t", op, "x"), None, NOW)  # type: ignore[arg-type]
    assert passes(Comparison("t", "missing"), None, NOW)


@pytest.mark.parametrize("text", ["", " 7", "7 ", "1_000", "1d", "NaN", "Infinity", "0x1", "٣", "1e100", "--1"])
def test_what_engines_read_differently_is_no_number(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize("text", ["2017-02-30", "2017-1-1", "2017-01-01T24:00:00", "20170101", "2017-01-01T10:00"])
def test_what_engines_read_differently_is_no_moment(text: str) -> None:
    assert moment(text) is None


def test_a_moment_without_a_zone_is_utc() -> None:
    assert moment("2017-06-01 10:00:00") == datetime(2017, 6, 1, 10, tzinfo=UTC)


def test_lines_of_one_order_count_once() -> None:
    facts = Facts(events=(days_ago(1, unit="o1"), days_ago(1, unit="o1"), days_ago(3, unit="o2")))
    assert selected(Happened("purchase", count=Bound("==", 2)), facts, NOW)


def test_events_outside_the_window_or_after_the_moment_do_not_count() -> None:
    facts = Facts(events=(days_ago(10), days_ago(-1)))
    assert not selected(Happened("purchase", within=timedelta(days=10)), facts, NOW)
    assert selected(Happened("purchase", within=timedelta(days=11)), facts, NOW)


def test_amounts_add_up_without_error() -> None:
    facts = Facts(events=tuple(days_ago(i, amount=0.1) for i in range(10)))
    assert selected(Happened("purchase", amount=Bound("==", 1.0)), facts, NOW)
    assert thousandths(None) == 0


def test_an_event_is_tested_by_its_fields() -> None:
    facts = Facts(events=(days_ago(1, channel="web"),))
    web = Happened("purchase", where=(Comparison("channel", "==", "web"),))
    till = Happened("purchase", where=(Comparison("channel", "==", "till"),))
    assert selected(web, facts, NOW)
    assert not selected(till, facts, NOW)
    assert selected(Happened("purchase", where=till.where, count=Bound("==", 0)), facts, NOW)


def test_clauses_combine() -> None:
    facts = Facts(traits={"orders": "5"}, audiences=frozenset({"regulars"}))
    many, few = Trait(Comparison("orders", ">=", 5.0)), Trait(Comparison("orders", "<", 5.0))
    assert selected(All((many, Member("regulars"), Not(few))), facts, NOW)
    assert not selected(AnyOf((few, Member("others"))), facts, NOW)
    assert selected(All(()), facts, NOW)
    assert not selected(AnyOf(()), facts, NOW)


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), NOW, datetime.max.replace(tzinfo=UTC)])
def test_a_window_may_reach_beyond_the_calendar(at: datetime) -> None:
    facts = Facts({"seen": "2017-12-30"}, (Occurrence("purchase", "u", at, 1.0, {}),))
    assert selected(Happened("purchase", within=timedelta(weeks=99_999)), facts, at)
    assert selected(Trait(Comparison("seen", "within", timedelta(days=90))), facts, at) is (at == NOW)
