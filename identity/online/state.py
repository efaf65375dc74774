"""What the online resolver knows, as bytes by key: postings, records, components, intervals, the model it is of.

Derived from the lake and thrown away with the next one. It holds people's features; it lies beside the serving store
and nobody reads it but the resolver.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Protocol

import orjson

from identity.model import Constraint, Edge, Node, Rank, Seen
from identity.online.keys import Key
from infra.errors import Missing
from infra.ids import ProfileId, RecordKey

_POSTING, _RECORD, _MEMBER, _COMPONENT, _SUBJECT, _INTERVAL, _FREQUENCY = b"p", b"r", b"m", b"c", b"k", b"i", b"t"
ANSWERS = b"a|"
_ABOUT, _CONSTRAINTS = b"about", b"constraints"
SILENT = b"\x00"
"""The posting of a block above its cap: it brings nobody together, and its members are not kept."""


class Readable(Protocol):
    """Where bytes lie by key."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""


class Writable(Readable, Protocol):
    """A change in the making."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""


@dataclass(frozen=True, slots=True)
class Known:
    """A record as the resolver keeps it. `described` is None for a bare one; `held` are its keys as (bit, block in hex).

    A key of a value that is given out again has the two moments beside it from and to which the record carried it.
    """

    record_key: RecordKey
    source: str
    known: bool
    arrival: int
    limited: tuple[Seen, ...]
    held: Sequence[Sequence[Any]]
    described: tuple[object, ...] | None
    content: str

    def node(self) -> Node:
        """Return the record as clustering sees it."""
        return Node(self.record_key, self.known, self.described is None, frozenset(self.limited))

    def rank(self) -> Rank:
        """Return its rank for life."""
        return Rank(not self.known, self.arrival, self.source, self.record_key)


@dataclass(frozen=True, slots=True)
class Component:
    """Records that hang together, the profile of each, and the evidence between them."""

    profile_of: Mapping[RecordKey, ProfileId]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of an anonymous id's life, in microseconds, and whose it is. `ended`: a sign-out closed it."""

    from_at: int
    to_at: int
    record_key: RecordKey
    known: bool
    ended: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """Which model and which run the state is of."""

    model: str
    batch: int
    records: int


def about(store: Readable) -> About:
    """Return what a state is of; raise `Missing` for one that was never finished."""
    raw = store.get(_ABOUT)
    if raw is None:
        raise Missing("the online state was not built to its end; build it anew from the lake")
    return About(**orjson.loads(raw))


def put_about(change: Writable, told: About) -> None:
    """Say which model and run a state is of; written last, it makes the state whole."""
    change.put(_ABOUT, orjson.dumps({"model": told.model, "batch": told.batch, "records": told.records}))


def posting(store: Readable, key: Key) -> list[RecordKey] | None:
    """Return who is in a block, or None where it is silent."""
    raw = store.get(_POSTING + key.block)
    if raw == SILENT:
        return None
    return [RecordKey(one) for one in raw.decode().split("\n")] if raw else []


def is_silent(store: Readable, block: bytes) -> bool:
    """Say whether a block is above its cap."""
    return store.get(_POSTING + block) == SILENT


def post(change: Writable, record_key: RecordKey, keys: Iterable[Key]) -> None:
    """Enter a record under its keys; a block that crosses its cap falls silent."""
    for key in keys:
        place = _POSTING + key.block
        raw = change.get(place)
        if raw == SILENT:
            continue
        if raw is not None and raw.count(b"\n") + 2 > key.cap:
            change.put(place, SILENT)
        else:
            change.put(place, record_key.encode() if raw is None else raw + b"\n" + record_key.encode())


def record(store: Readable, key: RecordKey) -> Known | None:
    """Return a record, or None."""
    raw = store.get(_RECORD + key.encode())
    return None if raw is None else _known(key, raw)


def _known(key: RecordKey, raw: bytes) -> Known:
    source, known, arrival, limited, held, described, content = orjson.loads(raw)
    return Known(
        key, source, known, arrival, tuple([Seen(*one) for one in limited]),
        held, None if described is None else tuple(described), content,
    )  # fmt: skip


def put_record(change: Writable, one: Known, key: str) -> None:
    """Keep a record, and that the source calls it by this key."""
    limited = [(s.type, s.token, s.first, s.last) for s in one.limited]
    values = [one.source, one.known, one.arrival, limited, one.held, one.described, one.content]
    change.put(_RECORD + one.record_key.encode(), orjson.dumps(values))
    change.put(_subject(one.source, key), one.record_key.encode())


def of_subject(store: Readable, source: str, key: str) -> RecordKey | None:
    """Return the record that a source calls by a key, or None."""
    raw = store.get(_subject(source, key))
    return None if raw is None else RecordKey(raw.decode())


def _subject(source: str, key: str) -> bytes:
    return _hashed(_SUBJECT, source, key)


def _hashed(prefix: bytes, *parts: str) -> bytes:
    # a source's key may be longer than a key of the store can be
    return prefix + blake2b("\x1f".join(parts).encode(), digest_size=16).digest()


def member(store: Readable, key: RecordKey) -> tuple[ProfileId, RecordKey] | None:
    """Return a record's profile and component, or None."""
    raw = store.get(_MEMBER + key.encode())
    if raw is None:
        return None
    profile, component = raw.decode().split("\n")
    return ProfileId(profile), RecordKey(component)


def put_member(change: Writable, key: RecordKey, profile: ProfileId, component: RecordKey) -> None:
    """Say which profile and component a record is in."""
    change.put(_MEMBER + key.encode(), f"{profile}\n{component}".encode())


def component(store: Readable, name: RecordKey) -> Component | None:
    """Return a component; a record that nothing links has none."""
    raw = store.get(_COMPONENT + name.encode())
    if raw is None:
        return None
    members, flat = orjson.loads(raw)
    keys = [RecordKey(key) for key, _ in members]
    edges = [Edge(keys[i], keys[j], weight, conflict) for i, j, weight, conflict in zip(*[iter(flat)] * 4, strict=True)]
    return Component({RecordKey(key): ProfileId(profile) for key, profile in members}, tuple(edges))


def put_component(change: Writable, name: RecordKey, held: Component) -> None:
    """Keep a component, and where its members are."""
    at = {key: n for n, key in enumerate(held.profile_of)}
    flat = [part for e in held.edges for part in (at[e.left], at[e.right], e.weight_micro, e.conflict_micro)]
    change.put(_COMPONENT + name.encode(), orjson.dumps([list(held.profile_of.items()), flat]))
    for key, profile in held.profile_of.items():
        put_member(change, key, profile, name)


def drop_component(change: Writable, name: RecordKey) -> None:
    """Forget a component that became part of another."""
    change.delete(_COMPONENT + name.encode())


def intervals(store: Readable, source: str, anonymous_id: str) -> tuple[Interval, ...]:
    """Return the stretches of an anonymous id's life, in order."""
    raw = store.get(_hashed(_INTERVAL, source, anonymous_id))
    rows = orjson.loads(raw) if raw else []
    return tuple(Interval(start, end, RecordKey(key), known, ended) for start, end, key, known, ended in rows)


def put_intervals(change: Writable, source: str, anonymous_id: str, held: Iterable[Interval]) -> None:
    """Keep the stretches of an anonymous id's life."""
    rows = [[i.from_at, i.to_at, i.record_key, i.known, i.ended] for i in held]
    change.put(_hashed(_INTERVAL, source, anonymous_id), orjson.dumps(rows))


def lived(lives: Sequence[Interval], mine: Interval) -> list[Interval]:
    """Return an anonymous id's life with one more moment: the stretch goes on, or another begins."""
    if any(one.from_at <= mine.from_at < one.to_at and one.record_key == mine.record_key for one in lives):
        return list(lives)
    last = lives[-1] if lives else None
    if last is not None and last.record_key == mine.record_key and last.to_at <= mine.from_at and not last.ended:
        return [*lives[:-1], replace(last, to_at=mine.to_at, ended=mine.ended)]
    return sorted([*lives, mine], key=lambda one: one.from_at)


def answers(items: Iterator[tuple[bytes, bytes]]) -> list[tuple[str, bytes]]:
    """Return what was answered last to each part of the log, from what `items(ANSWERS)` yields."""
    return [(key[len(ANSWERS) :].decode(), told) for key, told in items]


def put_answers(change: Writable, part: str, told: bytes) -> None:
    """Keep what is answered to some events of a part: whoever is killed before they acted on it finds it here."""
    change.put(ANSWERS + part.encode(), told)


def put_frequency(change: Writable, field: str, digest: str, often: float) -> None:
    """Keep a frozen frequency."""
    change.put(_FREQUENCY + f"{field}\n{digest}".encode(), repr(often).encode())


def frequencies(items: Iterator[tuple[bytes, bytes]]) -> dict[tuple[str, str], float]:
    """Return the frozen frequencies from what `items(FREQUENCIES)` yields."""
    found = {}
    for key, often in items:
        field, digest = key[1:].decode().split("\n")
        found[field, digest] = float(often)
    return found


FREQUENCIES = _FREQUENCY


def put_constraints(change: Writable, held: Iterable[Constraint]) -> None:
    """Keep what stewards placed."""
    change.put(_CONSTRAINTS, orjson.dumps([[c.kind, c.left, c.right] for c in held]))


def constraints(store: Readable) -> tuple[Constraint, ...]:
    """Return what stewards placed."""
    rows = orjson.loads(store.get(_CONSTRAINTS) or b"[]")
    return tuple(Constraint(kind, RecordKey(left), RecordKey(right)) for kind, left, right in rows)
