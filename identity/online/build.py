"""The online resolver's state, built from the lake after a resolve; no JVM. It is whole, or it does not open."""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from identity.config import IdentityConfig
from identity.matching import registry
from identity.matching.compiled import Frequencies
from identity.matching.registry import MatchModel
from identity.model import Constraint, Edge
from identity.modelling import modelbook
from identity.online import state
from identity.online.newcomers import Describer, newcomer_of
from identity.online.state import About, Component, Interval
from identity.tables import (
    CONSTRAINTS,
    COOKIE_INTERVAL,
    EDGES,
    MEMBERSHIP,
    RECORD_FEATURES,
    TF_SNAPSHOT,
)
from infra import shelf
from infra.errors import Missing
from infra.ids import ProfileId, RecordKey
from infra.keyvalue import LmdbStore
from infra.tables import Table
from ingestion.tables import EVENTS

_AT_ONCE = 5_000
Rows = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a resolve left, as rows of the tables of these names."""

    record_features: Rows
    membership: Rows
    edges: Rows
    constraints: Rows = ()
    cookie_interval: Rows = ()
    signed_out: Mapping[tuple[str, str], int] | None = None


def build_from_lake(folder: Path, lake: Path, config: IdentityConfig) -> About:
    """Build the state of a lake's newest resolve in a folder, in place of what was there."""
    newest = modelbook.newest(lake)
    if newest is None:
        raise Missing("nothing has been resolved yet; `kindred run` does it")
    model = newest.model()
    often = {
        (row["field"], row["value_hash"]): float(row["frequency"])
        for row in _rows(lake, TF_SNAPSHOT, "snapshot", "field", "value_hash", "frequency")
        if row["snapshot"] == model.frequencies_digest
    }
    resolved = Resolved(
        _rows(lake, RECORD_FEATURES),
        _rows(lake, MEMBERSHIP, "record_key", "profile_id", "component"),
        _rows(lake, EDGES, "left_key", "right_key", "weight_micro", "conflict_micro"),
        _rows(lake, CONSTRAINTS, "kind", "left_key", "right_key"),
        _rows(lake, COOKIE_INTERVAL, "source", "anonymous_id", "from_at", "to_at", "record_key", "known"),
        _signed_out(lake, config),
    )
    return build(folder, config, model, often, resolved, newest.batch)


def build(
    folder: Path, config: IdentityConfig, model: MatchModel, often: Frequencies, resolved: Resolved, batch: int
) -> About:
    """Build a state in a folder, in place of what was there."""
    told = About(registry.as_text(model), batch, model.records)
    with _fresh(folder) as store:
        for group in _groups(often.items()):
            with store.change() as change:
                for (field, digest), frequency in group:
                    state.put_frequency(change, field, digest, frequency)
        _fill_records(store, Describer(model, config, often), resolved.record_features)
        _fill_components(store, resolved.membership, resolved.edges)
        _fill_intervals(store, resolved.cookie_interval, resolved.signed_out or {})
        wishes = [Constraint(row["kind"], row["left_key"], row["right_key"]) for row in resolved.constraints]
        with store.change() as change:
            state.put_constraints(change, wishes)
            state.put_about(change, told)
    return told


@contextmanager
def _fresh(folder: Path) -> Iterator[LmdbStore]:
    """Yield an empty store in a folder; on disk and closed at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    store = LmdbStore(folder, durable=False)
    try:
        yield store
        store.sync()
    finally:
        store.close()


def _rows(lake: Path, table: Table, *columns: str) -> Iterator[Mapping[str, Any]]:
    if shelf.exists(lake, table):
        for batch in shelf.batches(lake, table, columns=columns or None):
            yield from batch.to_pylist()


def _groups(rows: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(rows)
    while group := list(islice(left, _AT_ONCE)):
        yield group


def _fill_records(store: LmdbStore, describer: Describer, rows: Rows) -> None:
    for group in _groups(rows):
        with store.change() as change:
            for row in group:
                known, keys = describer.known(newcomer_of(row))
                state.put_record(change, known, row["key"])
                state.post(change, known.record_key, keys)


def _fill_components(store: LmdbStore, membership: Rows, edges: Rows) -> None:
    places = {row["record_key"]: (row["component"], row["profile_id"]) for row in membership}
    members: dict[str, list[str]] = defaultdict(list)
    for key, (component, _) in places.items():
        members[component].append(key)
    links: dict[str, list[Edge]] = defaultdict(list)
    for row in edges:
        left, right = row["left_key"], row["right_key"]
        if left in places and right in places and places[left][0] == places[right][0]:
            links[places[left][0]].append(Edge(left, right, row["weight_micro"], row["conflict_micro"]))
    for group in _groups(members.items()):
        with store.change() as change:
            for name, keys in group:
                profile_of = {RecordKey(key): ProfileId(places[key][1]) for key in keys}
                if len(keys) == 1:
                    state.put_member(change, RecordKey(keys[0]), profile_of[RecordKey(keys[0])], RecordKey(name))
                else:
                    state.put_component(change, RecordKey(name), Component(profile_of, tuple(links[name])))


def _fill_intervals(store: LmdbStore, rows: Rows, signed_out: Mapping[tuple[str, str], int]) -> None:
    lives: dict[tuple[str, str], list[Interval]] = defaultdict(list)
    for row in rows:
        life = (row["source"], row["anonymous_id"])
        start, end = (_micros(row[name]) for name in ("from_at", "to_at"))
        ended = start <= signed_out.get(life, -1) < end
        lives[life].append(Interval(start, end, RecordKey(row["record_key"]), row["known"], ended))
    for group in _groups(lives.items()):
        with store.change() as change:
            for (source, anonymous_id), held in group:
                state.put_intervals(change, source, anonymous_id, sorted(held, key=lambda i: i.from_at))


def _signed_out(lake: Path, config: IdentityConfig) -> dict[tuple[str, str], int]:
    """Return for each anonymous id when somebody last signed out on it."""
    found: dict[tuple[str, str], int] = {}
    names = frozenset(config.cookies.logout_events)
    for row in _rows(lake, EVENTS, "source", "anonymous_id", "name", "occurred_at"):
        if row["name"] in names and row["anonymous_id"] is not None:
            life = (row["source"], row["anonymous_id"])
            found[life] = max(found.get(life, -1), _micros(row["occurred_at"]))
    return found


def _micros(at: Any) -> int:
    seconds = int(at.replace(microsecond=0).timestamp())
    return seconds * 1_000_000 + int(at.microsecond)
