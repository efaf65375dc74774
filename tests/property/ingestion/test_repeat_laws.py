"""The laws of what is said again within a window, on random events in random batches."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ingestion.repeats import Said, firsts

WITHIN = 10
events = st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=25).map(
    lambda told: [Said(at, f"m{number}", sure) for number, (at, sure) in enumerate(told)]
)


def plainly(said: Sequence[Said]) -> list[str | None]:
    """Return the same, by looking at all that was taken in each time."""
    taken: list[Said] = []
    found: list[str | None] = []
    for one in said:
        near = [held for held in taken if abs(held.at - one.at) <= WITHIN]
        first = min(near, key=lambda held: (held.at, held.key)).key if near and not one.sure else None
        if first is None:
            taken.append(one)
        found.append(first)
    return found


@given(said=events)
def test_each_event_is_held_against_all_that_was_taken_in(said: list[Said]) -> None:
    assert list(firsts(said, WITHIN)) == plainly(said)


@given(said=events, cut=st.integers(0, 25))
def test_no_cut_into_batches_matters(said: list[Said], cut: int) -> None:
    whole = list(firsts(said, WITHIN))
    early = list(firsts(said[:cut], WITHIN))
    known = [Said(one.at, one.key, sure=True) for one, first in zip(said, early, strict=False) if first is None]
    late = list(firsts([*known, *said[cut:]], WITHIN))[len(known) :]
    assert early + late == whole


@given(said=events)
def test_what_is_taken_in_lies_apart_and_what_is_not_lies_near(said: list[Said]) -> None:
    found = list(firsts(said, WITHIN))
    at = {one.key: one.at for one in said}
    assert all(first is None or abs(at[first] - one.at) <= WITHIN for one, first in zip(said, found, strict=True))
    asked = [one for one, first in zip(said, found, strict=True) if first is None and not one.sure]
    taken: list[Said] = []
    for one, first in zip(said, found, strict=True):
        if first is None:
            assert one not in asked or all(abs(held.at - one.at) > WITHIN for held in taken)
            taken.append(one)
