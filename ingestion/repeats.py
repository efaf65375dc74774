"""The same said again under another key: which events of one person repeat one that came before, within a window."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """An event of one person that says one thing: when it happened, its key, and whether it is taken in anyway.

    Taken in anyway is what the lake has already, and what corrects an event under its own key.
    """

    at: int
    key: str
    sure: bool


def firsts(said: Iterable[Said], within: int) -> Iterator[str | None]:
    """Yield for each event, in the order of arrival, the key of the one that it repeats, or None if it is new.

    It repeats one that was taken in and happened no longer before or after it than the window is wide; of several the
    one that happened first (the order in which the lake's own events came is not known any more). What repeats is no
    measure for others: a thing said every minute for an hour is said anew whenever the window is over. As each
    event is held against what came before it alone, no cut of the events into batches matters.
    """
    taken: list[tuple[int, str]] = []
    for one in said:
        low = bisect_left(taken, (one.at - within,))
        near = low < len(taken) and taken[low][0] <= one.at + within
        first = taken[low][1] if near and not one.sure else None
        if first is None:
            insort(taken, (one.at, one.key))
        yield first
