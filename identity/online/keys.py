"""The keys that candidates of one record are looked for by, compiled from the same SQL that blocks the batch. Pure."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

from sqlglot import exp

from identity.config import BLOCKING_KEYS, IdentityConfig, recycled
from identity.fields.features import Features
from identity.matching import conditions
from identity.matching.conditions import Record
from identity.matching.evidence import bits
from identity.matching.places import Place, of_record
from identity.model import ALWAYS

_COLUMNS = tuple(one.name for one in fields(Features))


@dataclass(frozen=True, slots=True)
class Key:
    """A digest of a value that records are found by, the bit of its rule, and how many records may share it.

    `span` says from when to when the record carried it, where such values are given out again.
    """

    block: bytes
    bit: int
    cap: int
    span: tuple[int, int] | None = None


class Keys:
    """A configuration's rules, ready to name the keys of any record."""

    def __init__(self, config: IdentityConfig) -> None:
        mask, place = bits(config), of_record(_COLUMNS)
        self._types = {name: (mask[name], kind.fan_out) for name, kind in config.identifiers.items()}
        self._rules = [
            (mask["+".join(rule)], _rows([BLOCKING_KEYS[key] for key in rule], place)) for rule in config.blocking
        ]
        self._cap = config.limits.block
        self._recycled = frozenset(recycled(config))

    def of(self, record: Mapping[str, Any]) -> list[Key]:
        """Return the keys of a row of `record_features`, each once; a bare record has only those of its identifiers."""
        found = {(bit, values): cap for bit, values, cap in self._all(record)}
        spans = self._spans(record)
        return [Key(_digest(bit, values), bit, cap, spans.get((bit, values))) for (bit, values), cap in found.items()]

    def _spans(self, record: Mapping[str, Any]) -> dict[tuple[int, tuple[Any, ...]], tuple[int, int]]:
        """Return when the record carried the values that are given out again; unknown is always."""
        found: dict[tuple[int, tuple[Any, ...]], tuple[int, int]] = {}
        for one in record["identifiers"]:
            if one["type"] in self._recycled:
                first, last = (
                    known if known is not None else end
                    for known, end in zip((one.get("seen_from"), one.get("seen_to")), ALWAYS, strict=True)
                )
                key = self._types[one["type"]][0], (one["type"], one["value"])
                a, b = found.get(key, (first, last))
                found[key] = min(a, first), max(b, last)
        return found

    def _all(self, record: Mapping[str, Any]) -> Iterator[tuple[int, tuple[Any, ...], int]]:
        for one in record["identifiers"]:
            bit, cap = self._types.get(one["type"], (0, 0))
            # an interval's own cookie is what made it an interval: it says nothing more
            own = record["kind"] == "interval" and record["key"].startswith(one["value"] + "|")
            if bit and not own:
                yield bit, (one["type"], one["value"]), cap
        if record["bare"]:
            return
        values = tuple([record.get(name) for name in _COLUMNS])
        for bit, rows in self._rules:
            for row in rows(values):
                if None not in row:
                    yield bit, row, self._cap


def _digest(bit: int, values: Sequence[Any]) -> bytes:
    joined = "\x1f".join([str(bit), *map(str, values)])
    return hashlib.blake2b(joined.encode(), digest_size=16).digest()


def _rows(expressions: Sequence[str], place: Place) -> Callable[[Record], list[tuple[Any, ...]]]:
    """Return what a SELECT of the expressions answers for one record: several rows where one of them unnests a list.

    Lists beside each other are unnested in step, and the shorter ends in unknowns.
    """
    trees = [conditions.parsed(sql) for sql in expressions]
    many = [isinstance(tree, exp.Explode) for tree in trees]
    made = [conditions.value(tree.this if several else tree, place) for tree, several in zip(trees, many, strict=True)]

    def rows(record: Record) -> list[tuple[Any, ...]]:
        found = [one(record, ()) for one in made]
        if not any(many):
            return [tuple(found)]
        lists = zip_longest(*[held or () for held, several in zip(found, many, strict=True) if several])
        return [_filled(found, many, iter(step)) for step in lists]

    return rows


def _filled(found: Sequence[Any], many: Sequence[bool], step: Iterator[Any]) -> tuple[Any, ...]:
    return tuple([next(step) if several else held for held, several in zip(found, many, strict=True)])
