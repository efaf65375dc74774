"""A limit within a window, against looking through every window there is."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from identity.clustering.limits import Limit, Seen, broken, most
from infra.ids import Token

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


seen = st.builds(
    lambda kind, token, first, length: Seen(kind, Token(token), day(first), day(first + length)),
    st.sampled_from(["email", "phone"]),
    st.sampled_from("abcdef"),
    st.integers(0, 40),
    st.integers(0, 12),
)
sightings = st.lists(seen, max_size=14)
windows = st.integers(0, 20)


@given(sightings, windows)
def test_the_most_within_a_window_is_what_looking_through_all_windows_finds(found: list[Seen], days: int) -> None:
    counts = [
        len({s.token for s in found if s.first <= day(begin + days) and s.last >= day(begin)})
        for begin in range(-30, 60)
    ]
    assert most(found, days) == max(counts, default=0)


@given(sightings)
def test_ever_counts_distinct_values_and_a_wide_window_is_ever(found: list[Seen]) -> None:
    assert most(found) == len({s.token for s in found}) == most(found, 1000)


@given(sightings, sightings, windows)
def test_more_sightings_and_longer_windows_never_mend_a_limit(a: list[Seen], b: list[Seen], days: int) -> None:
    assert most(a, days) <= most([*a, *b], days) <= most([*a, *b], days + 1)
    assert most([*a, *b], days) <= most(a, days) + most(b, days)


@given(sightings, windows, st.integers(1, 4), st.randoms())
def test_the_first_broken_type_is_named_whatever_the_order(
    found: list[Seen], days: int, values: int, order: object
) -> None:
    limits = {"phone": Limit(values, days), "email": Limit(values), "card": Limit(1)}
    said = broken(found, limits)
    order.shuffle(found)  # type: ignore[attr-defined]
    assert broken(found, limits) == said
    by_type: dict[str, list[Seen]] = defaultdict(list)
    for one in found:
        by_type[one.type].append(one)
    wrong = [kind for kind in ("email", "phone") if most(by_type[kind], limits[kind].days) > values]
    assert said == (wrong[0] if wrong else "")
