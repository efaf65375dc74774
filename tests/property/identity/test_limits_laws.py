"""A limit within a window, against looking through every window there is."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from identity.clustering.limits import Limit, broken, by_type, merged
from identity.clustering.limits import most as most_of
from identity.model import Seen
from infra.ids import Token


def day(number: int) -> int:
    return 1_767_225_600 + number * 86_400


def most(found: list[Seen], days: float | None = None) -> int:
    """Return the most of what was seen, whatever its type."""
    return most_of(by_type(Seen("", s.token, s.first, s.last) for s in found).get("", {}), days)


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
    said = broken(by_type(found), {}, limits)
    order.shuffle(found)  # type: ignore[attr-defined]
    assert broken(by_type(found), {}, limits) == said
    of_type: dict[str, list[Seen]] = defaultdict(list)
    for one in found:
        of_type[one.type].append(one)
    wrong = [kind for kind in ("email", "phone") if most(of_type[kind], limits[kind].days) > values]
    assert said == (wrong[0] if wrong else "")


@given(sightings, sightings, windows, st.integers(1, 4))
def test_two_groups_break_a_limit_as_their_sightings_do_in_one(
    ours: list[Seen], theirs: list[Seen], days: int, values: int
) -> None:
    limits = {"phone": Limit(values, days), "email": Limit(values)}
    a, b = by_type(ours), by_type(theirs)
    whole = by_type([*ours, *theirs])
    assert broken(a, b, limits) == broken(b, a, limits) == broken(whole, {}, limits)
    assert {kind: merged(a.get(kind, {}), b.get(kind, {})) for kind in {*a, *b}} == whole
