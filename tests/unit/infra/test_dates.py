"""One reading of a day, however it is written."""

from datetime import date

import pytest

from infra import dates

TODAY = date(2026, 11, 1)


@pytest.mark.parametrize(
    "text",
    [
        "1984-03-09",
        "1984/3/9",
        "1984. 3. 9",
        "19840309",
        "9.3.1984",
        "09.03.84",
        "March 9th, 1984",
        "9 Mar 1984",
        "09-MAR-84",
        "9. März 1984",
        "9 mars 1984",
        "9 de marzo de 1984",
        "9 maart 1984",
        "1984年3月9日",
        "1984년 3월 9일",
        "1984-03-09T00:00:00Z",
        "19840309T000000Z",
        "1984-03-09 00:00:00.000",
        " 9.3.1984 0:00 ",
    ],
)
def test_a_day_has_one_spelling(text: str) -> None:
    assert dates.day(text, "day_first", TODAY) == dates.day(text, "month_first", TODAY) == "1984-03-09"


@pytest.mark.parametrize(("order", "expected"), [("month_first", "1984-03-09"), ("day_first", "1984-09-03")])
def test_the_source_says_which_number_is_the_month(order: dates.Order, expected: str) -> None:
    assert dates.day("03/09/1984", order) == dates.day("03-09-84", order) == dates.day("03091984", order) == expected
    assert dates.day("25/12/1984", order) == dates.day("12/25/1984", order) == "1984-12-25"


@pytest.mark.parametrize(
    "text", ["", "1984", "3/1984", "1984-13-01", "31/31/1984", "2/29/1983", "0000-00-00", "May 5", "x" * 99]
)
def test_what_is_no_day_is_none(text: str) -> None:
    assert dates.day(text) == ""


def test_a_short_year_is_the_last_one_not_after_today() -> None:
    assert dates.day("29/02/68", "day_first", TODAY) == "1968-02-29"
    assert dates.day("1/2/26", latest=TODAY) == "2026-01-02"
    assert dates.day("1/2/27", latest=TODAY) == "1927-01-02"
    assert dates.day("1/2/27") == "2027-01-02"
