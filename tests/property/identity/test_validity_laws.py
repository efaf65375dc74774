"""Tenancies: they lie one after another, tie whoever overlaps, and depend on nothing but the sightings."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from identity.cookies.validity import Sighting, holder, shared, tenancies
from infra.ids import RecordKey, Token

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


sighting = st.builds(
    lambda token, record, first, length: Sighting(Token(token), RecordKey(record), day(first), day(first + length)),
    st.sampled_from("pq"),
    st.sampled_from("abcdefg"),
    st.integers(0, 60),
    st.integers(0, 15),
)
sightings = st.lists(sighting, max_size=12)
pauses = st.integers(0, 20).map(lambda days: timedelta(days=days))


@given(sightings, pauses)
def test_tenancies_of_a_value_follow_each_other_and_hold_every_record_once(
    found: list[Sighting], pause: timedelta
) -> None:
    for token in {s.token for s in found}:
        mine = [t for t in tenancies(found, pause) if t.token == token]
        assert [t.until for t in mine] == [*(t.since for t in mine[1:]), None]
        assert [t.since for t in mine] == sorted({t.since for t in mine})
        held = [record for t in mine for record in t.records]
        assert sorted(held) == sorted({s.record for s in found if s.token == token})


@given(sightings, pauses)
def test_who_is_tied_is_who_hangs_together_by_stretches_that_nearly_touch(
    found: list[Sighting], pause: timedelta
) -> None:
    """By hand: hulls of each record, pairs of them with no longer gap than the pause, closed over any number of steps."""
    expected = set()
    for token in {s.token for s in found}:
        hull: dict[RecordKey, tuple[datetime, datetime]] = {}
        for s in found:
            if s.token == token:
                a, b = hull.get(s.record, (s.first, s.last))
                hull[s.record] = min(a, s.first), max(b, s.last)
        group = {record: {record} for record in hull}
        for x in hull:
            for y in hull:
                if max(hull[x][0], hull[y][0]) - min(hull[x][1], hull[y][1]) <= pause:
                    both = group[x] | group[y]
                    for record in both:
                        group[record] = both
        expected |= {(x, y) for x in hull for y in group[x] if x < y}
    assert shared(found, pause) == expected


@given(sightings, pauses, st.randoms())
def test_the_order_of_sightings_does_not_matter(found: list[Sighting], pause: timedelta, order: object) -> None:
    before = tenancies(found, pause)
    order.shuffle(found)  # type: ignore[attr-defined]
    assert tenancies(found, pause) == before


@given(sightings, sighting, pauses)
def test_a_sighting_more_or_a_longer_pause_takes_no_tie_away(
    found: list[Sighting], more: Sighting, pause: timedelta
) -> None:
    assert shared(found, pause) <= shared([*found, more], pause)
    assert shared(found, pause) <= shared(found, pause + timedelta(days=3))


@given(sightings, pauses, st.integers(-5, 90))
def test_at_every_moment_since_the_first_sighting_a_value_is_one_holders(
    found: list[Sighting], pause: timedelta, at: int
) -> None:
    held = tenancies(found, pause)
    for token in {s.token for s in found}:
        first = min(s.first for s in found if s.token == token)
        current = [
            t for t in held if t.token == token and t.since <= day(at) and (t.until is None or day(at) < t.until)
        ]
        assert len(current) == (1 if day(at) >= first else 0)
        assert holder(held, token, day(at)) == (current[0] if current else None)
