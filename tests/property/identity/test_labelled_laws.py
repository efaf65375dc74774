"""What labels may do to likelihoods: they stay likelihoods, few labels move little, many decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.modelling.labelled import blended

learnt = st.lists(st.floats(1e-4, 1), min_size=2, max_size=8).map(lambda ps: [p / sum(ps) for p in ps])


@given(learnt, st.data())
def test_likelihoods_stay_likelihoods_and_lie_between_both_teachers(before: list[float], data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 5000), min_size=len(before), max_size=len(before)))
    after = blended(before, counts)
    assert all(0 < p <= 1 for p in after)
    assert sum(after) == pytest.approx(1, abs=1e-4)
    if total := sum(counts):
        for was, n, now in zip(before, counts, after, strict=True):
            low, high = sorted((was, n / total))
            assert low - 1e-4 <= now <= high + 1e-4


@given(learnt)
def test_no_labels_change_nothing(before: list[float]) -> None:
    assert blended(before, [0] * len(before)) == tuple(before)


@given(learnt, st.integers(1, 10))
def test_more_labels_of_one_kind_count_for_more(before: list[float], n: int) -> None:
    few, many = (blended(before, [k, *([0] * (len(before) - 1))])[0] for k in (n, n * 50))
    assert few <= many + 1e-6
