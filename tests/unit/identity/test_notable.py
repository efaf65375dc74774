"""The merges worth a look: of each profile the strongest tie and the one that it hangs on."""

from hypothesis import given
from hypothesis import strategies as st

from identity.explanation.notable import Tie, notable
from infra.ids import ProfileId, RecordKey


def tie(profile: str, left: str, right: str, weight: int) -> Tie:
    return Tie(ProfileId(profile), RecordKey(left), RecordKey(right), weight)


def test_a_profile_hangs_on_the_weakest_tie_that_nothing_stronger_replaces() -> None:
    ties = [
        tie("p", "a", "b", 30),
        tie("p", "b", "c", 20),
        tie("p", "a", "c", 2),
        tie("q", "d", "e", 5),
        tie("r", "f", "g", 40),
    ]
    found = notable(ties, 1)
    assert found.merges == 4
    assert [(t.left, t.right) for t in found.doubtful] == [("d", "e")]
    assert [(t.left, t.right) for t in found.surest] == [("f", "g")]


def test_where_there_is_one_profile_it_is_the_surest_and_the_most_doubtful() -> None:
    found = notable([tie("p", "a", "b", 3)], 3)
    assert found.surest == found.doubtful


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 50)), max_size=40), st.integers(0, 5))
def test_every_merge_counts_once_and_no_more_are_named_than_asked_for(
    drawn: list[tuple[int, int, int]], most: int
) -> None:
    ties = [tie(str(min(a, b) % 2), f"{a % 2}{a}", f"{a % 2}{b}", w) for a, b, w in drawn if a != b]
    found = notable(ties, most)
    assert found.merges <= len({key for t in ties for key in (t.left, t.right)})
    assert len(found.surest) <= most
    assert len(found.doubtful) <= most
    assert found == notable(list(reversed(ties)), most)
