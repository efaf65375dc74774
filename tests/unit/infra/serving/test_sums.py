"""A value comes out as it was put, whatever stands beside it; one that was altered is met among any others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.serving.sums import Altered, all_checked, checked, summed

KEYS = st.binary(min_size=1, max_size=8)
# Values that look like nothing, like a sum, or like one that has gone.
VALUES = st.sampled_from([b"", b"\0", b"\0\0\0\0", b"\xff" * 4]) | st.binary(max_size=40)


@given(st.lists(st.tuples(KEYS, st.none() | VALUES), max_size=8))
def test_all_come_out_as_each_does(rows: list[tuple[bytes, bytes | None]]) -> None:
    stored = [None if value is None else summed(key, value) for key, value in rows]
    assert all_checked([key for key, _ in rows], stored) == [value for _, value in rows]
    for (key, value), one in zip(rows, stored, strict=True):
        assert one is None or checked(key, one) == value


@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=6), st.data())
def test_one_that_was_altered_is_met_among_any(rows: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    keys, stored = [key for key, _ in rows], [summed(key, value) for key, value in rows]
    place = data.draw(st.integers(0, len(rows) - 1))
    whole = stored[place]
    start = data.draw(st.integers(0, len(whole) - 1))
    harm = data.draw(st.binary(min_size=1, max_size=4).filter(lambda one: whole[start : start + len(one)] != one))
    altered = whole[:start] + harm + whole[start + len(harm) :]
    stored[place] = data.draw(st.sampled_from([altered[: max(len(whole), start + 1)], b"", whole[:3]]))
    if stored[place] != whole:
        with pytest.raises(Altered):
            all_checked(keys, stored)
        with pytest.raises(Altered):
            checked(keys[place], stored[place])
