"""Every text means a day or none, a day is its own spelling, and every way of writing one leads back to it."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from infra import dates

ORDERS = st.sampled_from(["month_first", "day_first"])
DAYS = st.dates(date(1000, 1, 1), date(2200, 12, 31))
WRITTEN = st.text("0123456789-/. Tt:年月日marzdec", max_size=22) | st.text(max_size=30)


@given(WRITTEN, ORDERS, ORDERS, st.none() | DAYS)
def test_a_day_is_its_own_spelling(text: str, order: dates.Order, other: dates.Order, latest: date | None) -> None:
    spelled = dates.day(text, order, latest)
    assert spelled == "" or date.fromisoformat(spelled)
    assert dates.day(spelled, other, latest) == spelled


@given(DAYS, ORDERS, st.sampled_from(["/", "-", " "]), st.booleans())
def test_every_way_of_writing_leads_back(day: date, order: dates.Order, sign: str, padded: bool) -> None:  # noqa: FBT001
    parts = [day.day, day.month] if order == "day_first" else [day.month, day.day]
    first, second = (f"{part:02}" if padded else str(part) for part in parts)
    assert dates.day(f"{first}{sign}{second}{sign}{day.year}", order) == day.isoformat()
    for written in (f"{day:%Y%m%d}", f"{day:%Y/%m/%d}", f"{day:%d.%m.%Y}", f"{day:%d %B %Y}", f"{day:%b %d, %Y}"):
        assert dates.day(written, order) == day.isoformat()
