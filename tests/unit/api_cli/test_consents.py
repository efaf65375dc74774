"""Moments as an officer types them."""

import pytest

from api.cli.consents import _moment
from infra.errors import Malformed


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("yesterday", "is no moment"),
        ("2026-11-22T09:30:00", "names no time zone"),
        ("0001-01-01T00:00:00+14:00", "is outside the calendar"),
        ("9999-12-31T23:59:59-12:00", "is outside the calendar"),
    ],
)
def test_a_moment_that_cannot_be_kept_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(Malformed, match=wrong):
        _moment(text)


def test_a_moment_is_kept_in_utc() -> None:
    moment = _moment("2027-01-31T00:00:00+02:00")
    assert moment is not None
    assert moment.isoformat() == "2027-01-30T22:00:00+00:00"
