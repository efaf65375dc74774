"""Components of any graph are those that joining its edges one by one gives, each named by its smallest node."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from identity.matching.connected import smallest

_NODES = 12
Pairs = list[tuple[int, int]]


def one_by_one(number: int, edges: Pairs) -> list[int]:
    first = list(range(number))
    for a, b in edges:
        low, high = sorted((first[a], first[b]))
        first = [low if one == high else one for one in first]
    return first


def found(number: int, edges: Pairs) -> list[int]:
    left, right = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    return [int(one) for one in smallest(number, left, right)]


@given(st.lists(st.tuples(st.integers(0, _NODES - 1), st.integers(0, _NODES - 1)), max_size=20))
def test_components_are_those_of_joining_one_by_one(edges: Pairs) -> None:
    assert found(_NODES, edges) == one_by_one(_NODES, edges)


def test_no_shape_takes_long() -> None:
    number = 200_000
    order = np.random.default_rng(3).permutation(number)
    shapes = {
        "chain": (order[:-1], order[1:]),
        "sorted chain": (np.arange(number - 1), np.arange(1, number)),
        "star of the last": (np.full(number - 1, number - 1), np.arange(number - 1)),
        "comb": (np.arange(number - 1), (np.arange(1, number) * 7) % number),
    }
    for name in ("chain", "sorted chain", "star of the last"):
        assert not smallest(number, *shapes[name]).any(), name
    left, right = shapes["comb"]
    first = smallest(number, left, right)
    assert (first[left] == first[right]).all()
    assert (first[first] == first).all()
