"""What no system is free of: rows sent twice, and a few that no contract can accept."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from random import Random

from api.demo.chance import happens
from api.demo.model import Row

Values = dict[str, object]
Spoiler = Callable[[Values], Values]
# What can be wrong, with the key column, so that a spoiled row has a key of its own and hides nobody.
Spoilers = Mapping[str, tuple[str, Spoiler]]
TWICE, SPOILED = 0.006, 0.006


def blemished(rng: Random, rows: Iterable[Row], spoilers: Spoilers) -> Iterator[Row]:
    """Yield the rows, now and then one of them twice, now and then a further one that breaks the contract."""
    for row in rows:
        yield row
        if happens(rng, TWICE):
            yield replace(row, copy=True)
        if happens(rng, SPOILED):
            fault = rng.choice(sorted(spoilers))
            key_column, spoil = spoilers[fault]
            key = f"{row.key}-{rng.randint(100, 999)}"
            yield replace(row, key=key, values=spoil({**row.values, key_column: key}), fault=fault)


def setting(column: str, value: object) -> Spoiler:
    """Return what puts an impossible value into a column."""
    return lambda values: {**values, column: value}


def beheading(column: str) -> Spoiler:
    """Return what takes a row's key away."""
    return lambda values: {**values, column: None}
