"""Identifiers of many rows at once: each distinct value is spelled and tokened once, then spread over its rows.

The only spelling is `infra.identifiers.normalise`; this file brings it to whole Arrow batches.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.identifiers import IdentifierType, is_blocked, normalise, token
from ingestion.check import Check, breaks, trimmed

# A raw value's one spelling, the token that stands for it, and why there is none.
Spelled = tuple[str | None, str | None, str | None]

IDENTIFIER: Final = pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())])
IDENTIFIED: Final = pa.schema(
    [
        ("identifiers", pa.list_(IDENTIFIER)),
        ("subject", pa.string()),
        ("subject_kind", pa.string()),
        ("subject_value", pa.string()),
        ("subject_token", pa.string()),
        ("known", pa.bool_()),
        ("anonymous_id", pa.string()),
        ("suppressed", pa.bool_()),
        ("dropped", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, slots=True)
class Naming:
    """What it takes to name the people of a source: its identifier columns in order of priority, types and keys.

    `columns` are pairs of identifier type and batch column; `keys` the batch columns of a record that may be known
    by its own key; `soft` the checks whose breach drops a column's value.
    """

    source: str
    columns: tuple[tuple[str, str], ...]
    kinds: Mapping[str, IdentifierType]
    region: str
    key: bytes = field(repr=False)
    restricted: frozenset[str] = field(default=frozenset(), repr=False)
    keys: tuple[str, ...] = ()
    known_first: bool = True
    soft: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    zone: str = "UTC"

    def identified(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches with what their identifier columns name beside them."""
        spelled: dict[tuple[str, str], Spelled] = {}
        for batch in batches:
            yield self._batch(batch, spelled)

    def _batch(self, batch: pa.RecordBatch, spelled: dict[tuple[str, str], Spelled]) -> pa.RecordBatch:
        columns = [
            _Column(kind, self.kinds[kind].anonymous, *self._spread(kind, column, batch.column(column), spelled))
            for kind, column in self.columns
        ]
        return pa.RecordBatch.from_arrays(
            [*batch.columns, *self._made(columns, batch)], schema=pa.schema([*batch.schema, *IDENTIFIED])
        )

    def _spread(
        self, kind: str, column: str, raw: pa.Array, spelled: dict[tuple[str, str], Spelled]
    ) -> tuple[pa.Array, ...]:
        """Return value, token and note of each row, each distinct raw value spelled once."""
        encoded = raw.dictionary_encode()
        parts = []
        for value in encoded.dictionary.to_pylist():
            found = spelled.get((column, value))
            if found is None:
                found = spelled[column, value] = self._spelled(kind, column, value)
            parts.append(found)
        values, tokens, notes = zip(*parts, strict=True) if parts else ((), (), ())
        return tuple(pa.array(part, pa.string()).take(encoded.indices) for part in (values, tokens, notes))

    def _spelled(self, kind: str, column: str, raw: str) -> Spelled:
        declared, text = self.kinds[kind], trimmed(raw)
        if text is None or any(breaks(check, text, self.zone) for check in self.soft.get(column, ())):
            return None, None, None
        if is_blocked(declared, text):
            return None, None, f"identifier {kind}: blocked"
        value = normalise(declared.normaliser, text, self.region)
        if value is None:
            return None, None, f"identifier {kind}: invalid"
        if is_blocked(declared, value):
            return None, None, f"identifier {kind}: blocked"
        return value, token(self.key, kind, value), None

    def _made(self, columns: Sequence["_Column"], batch: pa.RecordBatch) -> list[pa.Array]:
        count = batch.num_rows
        known = [c for c in columns if not c.anonymous]
        # A consent speaks for the first identifier it names; an event is somebody's before it is a browser's.
        ranked = [*known, *(c for c in columns if c.anonymous)] if self.known_first else columns
        return [
            _listed([c.type_array(count) for c in columns], columns, count),
            _first([c.subject() for c in ranked], count),
            _first([c.kind_where_present() for c in ranked], count),
            _first([c.value for c in ranked], count),
            _first([c.token for c in ranked], count),
            pc.is_valid(_first([c.value for c in known], count)),
            _first([c.value for c in columns if c.anonymous], count),
            self._suppressed(columns, batch),
            _notes([c.note for c in columns], count),
        ]

    def _suppressed(self, columns: Sequence["_Column"], batch: pa.RecordBatch) -> pa.Array:
        found = pa.array(np.zeros(batch.num_rows, dtype=bool))
        if not self.restricted:
            return found
        listed = pa.array(sorted(self.restricted), pa.string())
        tokens = [column.token for column in columns]
        if self.keys:
            tokens.append(self._own_tokens(columns, batch))
        for column in tokens:
            found = pc.or_(found, pc.is_in(column, value_set=listed))
        return found

    def _own_tokens(self, columns: Sequence["_Column"], batch: pa.RecordBatch) -> pa.Array:
        """Return the token of each row that names nobody: it is known by its own source and key."""
        named = pc.is_valid(_first([c.value for c in columns], batch.num_rows)).to_pylist()
        parts = zip(*(batch.column(name).to_pylist() for name in self.keys), strict=True)
        keys = ["|".join(trimmed(part) or "" for part in row) for row in parts]
        own = [None if n else token(self.key, "record", f"{self.source}|{k}") for n, k in zip(named, keys)]  # noqa: B905
        return pa.array(own, pa.string())


@dataclass(frozen=True, slots=True)
class _Column:
    kind: str
    anonymous: bool
    value: pa.Array
    token: pa.Array
    note: pa.Array

    def subject(self) -> pa.Array:
        return pc.binary_join_element_wise(pa.scalar(self.kind), self.value, pa.scalar(":"))

    def kind_where_present(self) -> pa.Array:
        return pc.if_else(pc.is_valid(self.value), pa.scalar(self.kind), pa.scalar(None, pa.string()))

    def type_array(self, count: int) -> pa.Array:
        return pa.repeat(self.kind, count)


def _first(columns: Sequence[pa.Array], count: int) -> pa.Array:
    return pc.coalesce(*columns) if columns else pa.nulls(count, pa.string())


def _listed(types: Sequence[pa.Array], columns: Sequence[_Column], count: int) -> pa.Array:
    """Return each row's identifiers as a list, in the columns' order, none twice."""
    if not columns:
        return pa.ListArray.from_arrays(pa.array(np.zeros(count + 1), pa.int32()), pa.array([], IDENTIFIER))
    present = np.column_stack([np.asarray(pc.is_valid(c.value)) for c in columns])
    for right, column in enumerate(columns):
        for left in range(right):
            if columns[left].kind == column.kind:
                same = pc.fill_null(pc.equal(columns[left].value, column.value), False)
                present[:, right] &= ~np.asarray(same)
    places, offsets = _places(present, count)
    parts = [types, [c.value for c in columns], [c.token for c in columns]]
    struct = pa.StructArray.from_arrays(
        [pa.concat_arrays(part).take(places) for part in parts], fields=list(IDENTIFIER)
    )
    return pa.ListArray.from_arrays(offsets, struct)


def _notes(notes: Sequence[pa.Array], count: int) -> pa.Array:
    if not notes:
        return pa.ListArray.from_arrays(pa.array(np.zeros(count + 1), pa.int32()), pa.array([], pa.string()))
    present = np.column_stack([np.asarray(pc.is_valid(note)) for note in notes])
    places, offsets = _places(present, count)
    return pa.ListArray.from_arrays(offsets, pa.concat_arrays(notes).take(places))


def _places(present: "np.ndarray[Any, np.dtype[np.bool_]]", count: int) -> tuple[pa.Array, pa.Array]:
    """Return where the present cells stand when columns lie end to end, row by row, and where each row begins."""
    width = present.shape[1]
    grid = np.arange(width)[None, :] * count + np.arange(count)[:, None]
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    return pa.array(grid[present], pa.int64()), pa.array(offsets, pa.int32())
