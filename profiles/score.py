"""Where a value stands in a population, in fifths; equal values always get equal scores."""

from bisect import bisect_left
from collections.abc import Iterable

FIFTHS = 5


def quintile(value: int, population: Iterable[int]) -> int:
    """Return 1 to 5: one more than the number of whole fifths of the population that lie strictly below.

    Those who tie stand together on the lower score, so the answer depends on values alone and never on ids or
    order. `profiles.transforms.rfm.quintile` is its twin in Spark.
    """
    ordered = sorted(population)
    if not ordered:
        return 1
    return min(FIFTHS, 1 + FIFTHS * bisect_left(ordered, value) // len(ordered))
