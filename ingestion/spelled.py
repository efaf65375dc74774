"""Whether a raw row or entry names a person, however its sender spelled their identifiers."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Self

from consent.residue.needles import Needles
from infra.identifiers import IdentifierType, normalise

# Longer texts are no identifiers (RFC 5321 ends an address at 254), and would only cost time.
_LONGEST: Final = 320


@dataclass(frozen=True, slots=True)
class Spelled:
    """The identifiers of some people, to be recognised in JSON: in a common spelling, or as what means the same."""

    needles: Needles = field(repr=False)
    values: Mapping[str, frozenset[str]] = field(repr=False)
    region: str

    @classmethod
    def of(cls, values: Iterable[tuple[str, str]], kinds: Mapping[str, IdentifierType], region: str) -> Self:
        """Return how values (type, normalised value) are recognised; of types with one spelling, one look does."""
        values = tuple(values)
        by: dict[str, set[str]] = {}
        for kind, value in values:
            if kind in kinds:
                by.setdefault(kinds[kind].normaliser, set()).add(value)
        return cls(Needles.of(value for _, value in values), {n: frozenset(v) for n, v in by.items()}, region)

    def named(self, text: str) -> bool:
        """Say whether a text, JSON or not, names any of them."""
        if self.needles.hit(text.lower().encode()) is not None:
            return True
        return any(self._means(leaf) for leaf in _leaves(text))

    def _means(self, leaf: str) -> bool:
        return any(_spelling(name, leaf, self.region) in values for name, values in self.values.items())


@lru_cache(maxsize=65_536)
def _spelling(normaliser: str, text: str, region: str) -> str | None:
    return normalise(normaliser, text, region)


def _leaves(text: str) -> Iterator[str]:
    try:
        tree = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        tree = text.split(",")  # a line of a file that could not be taken apart
    yield from (leaf for leaf in _walk(tree) if leaf and len(leaf) <= _LONGEST)


def _walk(node: Any) -> Iterator[str]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            yield one
            if one[:1] in ("{", "["):  # an event within an entry, written as text
                yield from _inner(one)


def _inner(text: str) -> Iterator[str]:
    try:
        tree = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return
    if isinstance(tree, Mapping | list):
        yield from _walk(tree)
