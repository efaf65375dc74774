"""Whatever was counted, a picture stays inside its frame and its columns say how many."""

import re

from hypothesis import given
from hypothesis import strategies as st

from identity.modelling.charts import Picture, cumulative, histogram
from identity.modelling.portraits import Bin

bins = st.dictionaries(st.integers(-300, 300), st.integers(1, 10**9), max_size=40).map(
    lambda counts: [Bin(bits, counts[bits]) for bits in sorted(counts)]
)


def inside(picture: Picture) -> bool:
    marks = [*picture.across, *picture.borders]
    return all(picture.left <= m.at <= picture.right for m in marks) and all(
        picture.top - 1e-6 <= m.at <= picture.foot + 1e-6 for m in picture.upward
    )


@given(bins, st.floats(-40, 40), st.floats(-40, 40))
def test_a_histogram_stays_in_its_frame(counted: list[Bin], keep: float, merge: float) -> None:
    picture = histogram(counted, [(keep, "keep"), (merge, "merge")])
    assert len(picture.boxes) == len(counted)
    for box, one in zip(picture.boxes, counted, strict=True):
        assert picture.left <= box.x <= picture.right
        assert picture.top - 0.01 <= box.y <= picture.foot + 0.01
        assert box.height >= 0
        assert abs(box.y + box.height - picture.foot) < 0.02
        assert box.says.startswith(f"{one.count:,} from {one.bits} ")
    assert inside(picture)


@given(bins, st.floats(-40, 40))
def test_a_line_of_shares_only_rises_and_ends_at_all(counted: list[Bin], merge: float) -> None:
    picture = cumulative(counted, merge)
    heights = [float(y) for y in re.findall(r"V([0-9.]+)", picture.line)]
    assert heights == sorted(heights, reverse=True)
    assert not counted or abs(heights[-1] - picture.top) < 0.01
    assert inside(picture)
