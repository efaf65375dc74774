"""What a person is shown of themselves: what is held, for what it may be used, and who looked at it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Engine

from api.http.audit import looks
from api.http.keys import list_keys
from api.http.ports import Json, Profiles
from api.http.reading import Tongue
from infra.ids import ProfileId, Purpose

# Under which key the person's own looks stand in the audit.
SUBJECT: Final = "subject"
EVENTS: Final = 20


@dataclass(frozen=True, slots=True)
class Value:
    """One value that is held, the sources that say it, and the purposes that see it."""

    name: str
    text: str = field(repr=False)
    sources: tuple[str, ...]
    purposes: tuple[Purpose, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What all purposes together see of a person; events are the newest of `count`."""

    values: tuple[Value, ...]
    fields: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    events: tuple[Json, ...] = field(repr=False)
    count: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Who read the person's data for a purpose, how often and when last; no name where it was the person."""

    name: str | None
    purpose: str
    times: int
    last: datetime


def held(profiles: Profiles, profile_id: ProfileId, purposes: Iterable[Purpose]) -> Held:
    """Return what the purposes may use; what none may use is told of on request, not on a page."""
    profiles = profiles.moment()
    views = {p: orjson.loads(body) for p in purposes if (body := profiles.view(profile_id, p)) is not None}
    timelines = [entry for purpose in views for entry in profiles.timeline(profile_id, purpose) or ()]
    events = {orjson.dumps(entry, option=orjson.OPT_SORT_KEYS): entry for entry in timelines}
    graphs = [graph for purpose in views if (graph := profiles.graph(profile_id, purpose)) is not None]
    newest = sorted(events.values(), key=lambda entry: str(entry["at"]), reverse=True)
    fields = dict.fromkeys(name for view in views.values() for name in view.get("attributes") or {})
    return Held(_values(views, graphs), tuple(fields), tuple(views), tuple(newest[:EVENTS]), len(newest))


def _values(views: Mapping[Purpose, Json], graphs: Sequence[Json]) -> tuple[Value, ...]:
    sources = _carriers(graphs)
    seen: dict[tuple[str, str], dict[Purpose, None]] = {}
    for purpose, view in views.items():
        provenance = view.get("provenance") or {}
        for name, value in _said(view):
            key = (name, _text(value))
            seen.setdefault(key, {})[purpose] = None
            origin = provenance.get(name, {}).get("source")
            sources.setdefault(key, set()).update([origin] if origin else [])
    return tuple(Value(*key, tuple(sorted(sources[key])), tuple(purposes)) for key, purposes in seen.items())


def _carriers(graphs: Sequence[Json]) -> dict[tuple[str, str], set[str]]:
    """Return for each identifier the sources whose records carry it."""
    found: dict[tuple[str, str], set[str]] = {}
    for graph in graphs:
        for record in graph["records"]:
            for one in record["identifiers"]:
                if "value" in one and record["source"]:
                    found.setdefault((one["type"], str(one["value"])), set()).add(record["source"])
    return found


def _said(view: Json) -> Iterable[tuple[str, Any]]:
    yield from (view.get("attributes") or {}).items()
    yield from dict.fromkeys((one["type"], one["value"]) for one in view.get("identifiers") or ())
    yield from (view.get("traits") or {}).items()


def value_of(data: Held, tongue: Tongue, kind: str, token: str) -> str:
    """Return the value of an identifier whose token is known, where it is among what is held; else nothing."""
    for one in data.values:
        if one.name == kind and tongue.known(kind, one.text).token == token:
            return one.text
    return ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def readers(database: Engine, profile_id: ProfileId) -> tuple[Reader, ...]:
    """Return who read, the latest first: keys by the names that they were given."""
    names = {entry.key_id: entry.name for entry in list_keys(database)}
    found: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
    for look in looks(database, profile_id):
        found.setdefault((look.key_id, look.purpose), []).append((look.at, look.reads))
    told = [
        Reader(
            None if key_id == SUBJECT else names.get(key_id, key_id), purpose, sum(n for _, n in times), max(times)[0]
        )
        for (key_id, purpose), times in found.items()
    ]
    return tuple(sorted(told, key=lambda reader: reader.last, reverse=True))


def shown(entries: Sequence[Json]) -> tuple[Json, ...]:
    """Return what was said, the newest first."""
    return tuple(sorted(entries, key=lambda entry: str(entry["received_at"]), reverse=True))
