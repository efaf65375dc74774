"""Identifiers of many rows at once: each distinct value is spelled and tokened once, then spread over its rows.

The only spelling is `infra.identifiers.normalise`; this file brings it to whole Arrow batches.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consent.suppression import KeptOut
from infra import dates
from infra.dates import Order
from infra.identifiers import IdentifierType, digests, is_blocked, names_somebody, normalise, record_token, token
from ingestion.check import Check, breaks, trimmed
from ingestion.config import Source

# A raw value's one spelling, the token that stands for it, why there is none, and whether it may say who somebody is.
Spelled = tuple[str | None, str | None, str | None, bool]
# What is spelled already, of each type in each column: one column may hold values of two types.
Known = Mapping[tuple[str, str], dict[str | None, Spelled]]

IDENTIFIER: Final = pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())])
ASIDE: Final = pa.struct([("type", pa.string()), ("value", pa.string())])
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
        ("aside", pa.list_(ASIDE)),
        ("key_token", pa.string()),
    ]
)
_NOBODY: Final[Spelled] = (None, None, None, False)


def day_column(column: str) -> str:
    """Return the name of the column that holds the days which a batch column's texts mean: `r3` → `d3`."""
    return "d" + column.lstrip("_r")


@dataclass(frozen=True, slots=True)
class Naming:
    """What it takes to name the people of a source: its identifier columns in order of priority, types and keys.

    `columns` are pairs of identifier type and batch column; `keys` the batch columns of a record that may be known
    by its own key; `told` those of a row whose verdict has to be told where the row itself is not kept; `soft` the
    checks whose breach drops a column's value. `dates` are the columns that hold days, written in this `order`, with
    years of two digits up to `today`.
    """

    source: str
    columns: tuple[tuple[str, str], ...]
    kinds: Mapping[str, IdentifierType]
    region: str
    key: bytes = field(repr=False)
    restricted: frozenset[str] = field(default=frozenset(), repr=False)
    kept_out: KeptOut = field(default_factory=KeptOut, repr=False)
    keys: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    known_first: bool = True
    soft: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    zone: str = "UTC"
    dates: tuple[str, ...] = ()
    order: Order = "month_first"
    today: date | None = None

    def identified(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches with what their identifier columns name beside them."""
        spelled: Known = {place: {None: _NOBODY} for place in self.columns}
        for batch in batches:
            yield self._batch(batch, spelled)

    def _batch(self, batch: pa.RecordBatch, spelled: Known) -> pa.RecordBatch:
        columns = [
            _Column(kind, self.kinds[kind].anonymous, *self._spread(kind, column, batch.column(column), spelled))
            for kind, column in self.columns
        ]
        days = [self._days(batch.column(name)) for name in self.dates]
        columns += [derived for column in columns for derived in self._digested(column)]
        return pa.RecordBatch.from_arrays(
            [*batch.columns, *days, *self._made(columns, batch)],
            schema=pa.schema([*batch.schema, *((day_column(name), pa.string()) for name in self.dates), *IDENTIFIED]),
        )

    def _days(self, raw: pa.Array) -> pa.Array:
        """Return the days that a column's values mean, each distinct value read once; null where one means none."""
        encoded = raw.dictionary_encode()
        read = [dates.day(text, self.order, self.today) or None for text in encoded.dictionary.to_pylist()]
        return pa.array(read, pa.string()).take(encoded.indices)

    def _spread(self, kind: str, column: str, raw: pa.Array, spelled: Known) -> tuple[pa.Array, ...]:
        """Return value, token, note and worth of each row, each distinct raw value spelled once."""
        encoded = raw.dictionary_encode()
        distinct, known = encoded.dictionary.to_pylist(), spelled[kind, column]
        known.update((one, self._spelled(kind, column, one)) for one in distinct if one not in known)
        values, tokens, notes, names = zip(*map(known.__getitem__, distinct), strict=True) if distinct else ((),) * 4
        texts = [_taken(part, encoded.indices) for part in (values, tokens, notes)]
        return *texts, pa.array(names, pa.bool_()).take(encoded.indices)

    def _digested(self, column: "_Column") -> Iterator["_Column"]:
        """Yield the digests by which others may know a column's values, for the types that are declared to hold them.

        They come last, so nobody is named by a hash who is named by more; a refusal under a hash reaches the address.
        """
        holders = [name for name, kind in self.kinds.items() if kind.digest_of == column.kind]
        if not holders:
            return
        encoded = column.who().dictionary_encode()
        made = [digests(self.kinds, column.kind, value) for value in encoded.dictionary.to_pylist()]
        for holder in holders:
            mine = [[digest for name, digest in found if name == holder] for found in made]
            for place in range(max(map(len, mine), default=0)):
                hashed = [found[place] if place < len(found) else None for found in mine]
                tokens = [None if one is None else token(self.key, holder, one) for one in hashed]
                value, tokened = (pa.array(part, pa.string()).take(encoded.indices) for part in (hashed, tokens))
                note = pa.nulls(len(value), pa.string())
                yield _Column(holder, self.kinds[holder].anonymous, value, tokened, note, pc.is_valid(value))

    def _spelled(self, kind: str, column: str, raw: str) -> Spelled:
        declared, text = self.kinds[kind], trimmed(raw)
        if text is None or any(breaks(check, text, self.zone) for check in self.soft.get(column, ())):
            return None, None, None, False
        if is_blocked(declared, text):
            return None, None, f"identifier {kind}: blocked", False
        value = normalise(declared.normaliser, text, self.region)
        if value is None:
            return None, None, f"identifier {kind}: invalid", False
        if value != text and is_blocked(declared, value):
            return None, None, f"identifier {kind}: blocked", False
        return value, token(self.key, kind, value), None, names_somebody(declared, value)

    def _made(self, columns: Sequence["_Column"], batch: pa.RecordBatch) -> list[pa.Array]:
        count = batch.num_rows
        known = [c for c in columns if not c.anonymous]
        # A consent speaks for the first identifier it names; an event is somebody's before it is a browser's.
        # What only describes (a role's address) is nobody's name, but it is what a consent may speak for.
        ranked = [*known, *(c for c in columns if c.anonymous)] if self.known_first else columns
        if self.known_first:
            ranked = [c.naming() for c in ranked]
        return [
            _listed([c.type_array(count) for c in columns], columns, count),
            _first([c.subject() for c in ranked], count),
            _first([c.kind_where_present() for c in ranked], count),
            _first([c.value for c in ranked], count),
            _first([c.token for c in ranked], count),
            pc.is_valid(_first([c.who() for c in known], count)),
            _first([c.value for c in columns if c.anonymous], count),
            self._suppressed(columns, batch),
            _notes([c.note for c in columns], count),
            _aside(columns, count),
            self._key_tokens(self.told, batch),
        ]

    def _suppressed(self, columns: Sequence["_Column"], batch: pa.RecordBatch) -> pa.Array:
        found = pa.array(np.zeros(batch.num_rows, dtype=bool))
        if self.kept_out:
            found = self._out(columns, batch)
        if not self.restricted:
            return found
        listed = pa.array(sorted(self.restricted), pa.string())
        tokens = [column.token for column in columns]
        if self.keys:
            tokens.append(self._own_tokens(columns, batch))
        for column in tokens:
            found = pc.or_(found, pc.is_in(column, value_set=listed))
        return found

    def _out(self, columns: Sequence["_Column"], batch: pa.RecordBatch) -> pa.Array:
        """Return which rows name somebody who is kept out, in any spelling, or are known by such a one's own key."""
        found = pa.array(np.zeros(batch.num_rows, dtype=bool))
        for column in columns:
            encoded = column.value.dictionary_encode()
            out = [
                v is not None and self.kept_out.names(self.kinds, column.kind, v)
                for v in encoded.dictionary.to_pylist()
            ]
            found = pc.or_(found, pc.fill_null(pa.array(out, pa.bool_()).take(encoded.indices), False))
        if not self.keys:
            return found
        listed = pa.array(sorted(self.kept_out.tokens), pa.string())
        for key in self.kept_out.keys.values():
            found = pc.or_(found, pc.is_in(self._key_tokens(self.keys, batch, key), value_set=listed))
        return found

    def _own_tokens(self, columns: Sequence["_Column"], batch: pa.RecordBatch) -> pa.Array:
        """Return the token of each row that names nobody: it is known by its own source and key."""
        named = pc.is_valid(_first([c.value for c in columns], batch.num_rows))
        return pc.if_else(named, pa.scalar(None, pa.string()), self._key_tokens(self.keys, batch))

    def _key_tokens(self, names: Sequence[str], batch: pa.RecordBatch, key: bytes | None = None) -> pa.Array:
        """Return the token of each row by its own key, null where no columns make one."""
        if not names:
            return pa.nulls(batch.num_rows, pa.string())
        parts = zip(*(batch.column(name).to_pylist() for name in names), strict=True)
        named = ("|".join(trimmed(part) or "" for part in row) for row in parts)
        return pa.array([record_token(key or self.key, self.source, one) for one in named], pa.string())


def naming_of(
    source: Source,
    columns: Sequence[str],
    promised: Sequence[Check],
    kinds: Mapping[str, IdentifierType],
    key: bytes,
    *,
    region: str,
    zone: str,
    today: date,
    restricted: frozenset[str],
    kept_out: KeptOut,
    told: Sequence[str],
) -> Naming:
    """Return how the people of a source are named whose rows have these columns and are held to these promises.

    `told` are the columns of the key of rows whose verdict has to be told where the row itself is not kept.
    """

    def place(column: str) -> str:
        # Without fresh files there are no columns, and nobody is named.
        return f"r{columns.index(column)}" if column in columns else ""

    named = tuple((kind, column) for kind, listed in source.identifiers.items() for column in listed)
    dropping = [check for check in promised if check.action == "drop_field"]
    dropped = {column for _, column in named} & {check.column for check in dropping}
    return Naming(
        source=source.source,
        columns=tuple((kind, place(column)) for kind, column in named),
        kinds=kinds,
        region=region,
        key=key,
        restricted=restricted,
        kept_out=kept_out,
        keys=tuple(place(c) for c in source.key if c in columns) if source.record == "person" else (),
        told=tuple(place(c) for c in told if c in columns),
        known_first=source.record != "consent",
        soft={place(c): tuple(k for k in dropping if k.column == c) for c in sorted(dropped)},
        zone=zone,
        dates=tuple(place(column) for column in source.dates() if column in columns),
        order=source.date_order or "month_first",
        today=today,
    )


@dataclass(frozen=True, slots=True)
class _Column:
    kind: str
    anonymous: bool
    value: pa.Array
    token: pa.Array
    note: pa.Array
    names: pa.Array

    def who(self) -> pa.Array:
        """Return the values that may say who somebody is."""
        return pc.if_else(self.names, self.value, pa.scalar(None, pa.string()))

    def naming(self) -> "_Column":
        """Return the column with only the values, and their tokens, that may say who somebody is."""
        tokens = pc.if_else(self.names, self.token, pa.scalar(None, pa.string()))
        return replace(self, value=self.who(), token=tokens)

    def subject(self) -> pa.Array:
        return pc.binary_join_element_wise(pa.scalar(self.kind), self.value, pa.scalar(":"))

    def kind_where_present(self) -> pa.Array:
        return pc.if_else(pc.is_valid(self.value), pa.scalar(self.kind), pa.scalar(None, pa.string()))

    def type_array(self, count: int) -> pa.Array:
        return pa.repeat(self.kind, count)


def _taken(texts: Sequence[str | None], indices: pa.Array) -> pa.Array:
    """Return the texts of the rows, given those of the distinct values; mostly nothing is noted of any."""
    if not any(texts):
        return pa.nulls(len(indices), pa.string())
    return pa.array(texts, pa.string()).take(indices)


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


def _aside(columns: Sequence[_Column], count: int) -> pa.Array:
    """Return what each row tells of how to reach its person that identifies nobody, where it tells nothing better."""
    kept: dict[str, pa.Array] = {}
    for kind in dict.fromkeys(c.kind for c in columns):
        mine = [c for c in columns if c.kind == kind]
        other = _first([pc.if_else(c.names, pa.scalar(None, pa.string()), c.value) for c in mine], count)
        better = pc.is_valid(_first([c.who() for c in mine], count))
        kept[kind] = pc.if_else(better, pa.scalar(None, pa.string()), other)
    if all(values.null_count == count for values in kept.values()):
        return pa.ListArray.from_arrays(pa.array(np.zeros(count + 1), pa.int32()), pa.array([], ASIDE))
    places, offsets = _places(np.column_stack([np.asarray(pc.is_valid(values)) for values in kept.values()]), count)
    parts = [[pa.repeat(kind, count) for kind in kept], list(kept.values())]
    struct = pa.StructArray.from_arrays([pa.concat_arrays(part).take(places) for part in parts], fields=list(ASIDE))
    return pa.ListArray.from_arrays(offsets, struct)


def _places(present: "np.ndarray[Any, np.dtype[np.bool_]]", count: int) -> tuple[pa.Array, pa.Array]:
    """Return where the present cells stand when columns lie end to end, row by row, and where each row begins."""
    width = present.shape[1]
    grid = np.arange(width)[None, :] * count + np.arange(count)[:, None]
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    return pa.array(grid[present], pa.int64()), pa.array(offsets, pa.int32())
