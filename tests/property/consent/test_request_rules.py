"""Laws of the rules of privacy requests: which step may follow which, and when terms end."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from consent.requests.deadlines import ALARMS, LAWS, Calendar, Term, alarm, due, strictest
from consent.requests.grounds import GROUNDS, REASONS, grounds_for
from consent.requests.model import ASIDE, ENDS, FROZEN, RIGHTS, STATUSES, STEPS, Status, following, opendsr, segment

ZONES = ["UTC", "Pacific/Auckland", "America/Los_Angeles", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kolkata"]
MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
rights, laws, zones = st.sampled_from(RIGHTS), st.sampled_from(sorted(LAWS)), st.sampled_from(ZONES)


@given(rights, st.data())
def test_every_walk_ends_and_an_erasure_never_leaves_the_freeze(right: str, data: st.DataObject) -> None:
    status, resumes, seen = "received", None, []
    for _ in range(40):
        seen.append(status)
        possible = following(right, status, resumes)  # type: ignore[arg-type]
        if not possible:
            break
        to = data.draw(st.sampled_from(sorted(possible)))
        resumes = status if to in ASIDE else None
        status = to
    if not following(right, status, resumes):  # type: ignore[arg-type]
        assert status in ENDS
    if right == "erasure" and "frozen" in seen:
        after = seen[seen.index("frozen") :]
        assert not {"refused", "cancelled", "verifying", "accepted", "waiting_subject"}.intersection(after)


def test_every_status_of_every_right_leads_to_an_end() -> None:
    for right in RIGHTS:
        reached: set[Status] = set(ENDS)
        while True:
            more = {s for s in STEPS[right] if STEPS[right][s] & reached} - reached
            if not more:
                break
            reached |= more
        assert set(STEPS[right]) <= reached
        used = {to for steps in STEPS[right].values() for to in steps}
        assert used - ASIDE <= set(STEPS[right])
    assert {s for steps in STEPS.values() for s in steps} | ASIDE | {"extended"} == set(STATUSES)


@given(rights, st.sampled_from(STATUSES))
def test_words_of_others_cover_every_status(right: str, status: Status) -> None:
    told = opendsr(right, status)  # type: ignore[arg-type]
    assert told in {"pending", "in_progress", "completed", "cancelled"}
    if status in FROZEN:
        assert told != "pending"
    if status != "failed" and "cancelled" in following(right, status, "verifying") and right == "erasure":  # type: ignore[arg-type]
        assert told == "pending"
    assert segment(status) in {
        "FAILED", "FINISHED", "INITIALIZED", "INVALID", "NOT_SUPPORTED", "PARTIAL_SUCCESS", "RUNNING",
    }  # fmt: skip


def test_every_ground_has_a_reason_of_the_data_rights_protocol() -> None:
    assert {ground.reason for ground in GROUNDS.values()} == set(REASONS)
    assert all(grounds_for(right) for right in RIGHTS)
    assert "legal_obligation" not in grounds_for("access")


@given(laws, rights, MOMENTS, zones)
def test_terms_come_in_order_and_in_time(law: str, right: str, received: datetime, zone: str) -> None:
    terms = due(LAWS[law], right, received, Calendar(ZoneInfo(zone)))  # type: ignore[arg-type]
    assert terms.answer_by > received
    assert terms.answer_by.tzinfo is UTC
    for moment in filter(None, (terms.confirm_by, terms.extended_by)):
        assert moment > received
    if terms.extended_by is not None:
        assert terms.extended_by > terms.answer_by
    # The last moment before it is still on the last day, wherever clocks change.
    last = (terms.answer_by - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()
    assert terms.answer_by.astimezone(ZoneInfo(zone)).date() == last + timedelta(days=1)


@given(st.dates(date(2000, 1, 1), date(2090, 12, 1)), st.integers(1, 14))
def test_a_month_ends_in_the_month_that_it_leads_to(first: date, months: int) -> None:
    last = Term(months=months).last_day(first, Calendar())
    assert (last.year * 12 + last.month) - (first.year * 12 + first.month) == months
    assert last.day == first.day or (last.day < first.day and (last + timedelta(days=1)).day == 1)


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 40), st.sets(st.integers(0, 60), max_size=12))
def test_business_days_are_those_on_which_somebody_works(first: date, count: int, off: set[int]) -> None:
    calendar = Calendar(holidays=frozenset(first + timedelta(days=n) for n in off))
    last = Term(business_days=count).last_day(first, calendar)
    days = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    assert sum(calendar.works(day) for day in days) == count
    assert calendar.works(last)
    assert last >= Term(business_days=count).last_day(first, Calendar())


@given(MOMENTS, st.integers(1, 10**7), st.lists(st.floats(-0.5, 2), min_size=2, max_size=9))
def test_alarms_only_grow(received: datetime, seconds: int, shares: list[float]) -> None:
    until = received + timedelta(seconds=seconds)
    told = [ALARMS.index(alarm(received, until, received + share * (until - received))) for share in sorted(shares)]
    assert all(before <= after for before, after in pairwise(told))
    assert alarm(received, until, until) == "overdue"


@given(rights, MOMENTS)
def test_who_does_not_know_the_place_is_never_late(right: str, received: datetime) -> None:
    calendar = Calendar()
    name = strictest(LAWS.items(), right, received, calendar)  # type: ignore[arg-type]
    first = due(LAWS[name], right, received, calendar).answer_by  # type: ignore[arg-type]
    assert all(first <= due(law, right, received, calendar).answer_by for law in LAWS.values())  # type: ignore[arg-type]
