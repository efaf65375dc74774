"""What the page of a person shows, worked out from the views, the graph, the timeline and the ledger's verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import groupby
from typing import Any

import orjson

from api.http.console import words
from api.http.console.drawing import Drawing, colours, drawing, hint, spanning
from api.http.ports import Json
from infra.ids import ProfileId, Purpose

_ORDER = (
    "given_name", "family_name", "full_name", "birth_date", "gender", "email", "phone", "street", "postcode", "city",
    "country",
)  # fmt: skip
_SCORES = ("recency", "frequency", "monetary")
_TILES = ("orders", "spend", "average_basket", "days_since_order", "items")
_MONEY = ("spend", "average", "amount", "total")


@dataclass(frozen=True, slots=True)
class Value:
    """A golden value with where it came from."""

    label: str
    text: str = field(repr=False)
    source: str
    colour: int
    seen: str
    rule: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Reason:
    """An edge in words."""

    left: str = field(repr=False)
    right: str = field(repr=False)
    left_source: str
    right_source: str
    left_colour: int
    right_colour: int
    weight: float
    kept: bool
    main: bool
    why: str
    elsewhere: str | None
    comparisons: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A purpose in the comparison of purposes."""

    purpose_id: Purpose
    purpose: str
    allowed: bool
    because: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What one purpose sees of one field: `same`, `other`, `withheld`, `nothing` or `denied`."""

    kind: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the timeline."""

    name: str
    entries: tuple[Json, ...]

    @property
    def count(self) -> int:
        """How many entries are shown of it."""
        return len(self.entries)


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the template is handed."""

    profile_id: ProfileId
    purpose: Purpose
    name: str = field(repr=False)
    confidence: str
    record_count: int
    source_count: int
    values: tuple[Value, ...]
    identifiers: tuple[tuple[str, tuple[str, ...]], ...] = field(repr=False)
    tiles: tuple[tuple[str, str], ...]
    scores: tuple[tuple[str, int], ...]
    traits: tuple[tuple[str, str], ...]
    picture: Drawing | None
    reasons: tuple[Reason, ...]
    legend: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    months: tuple[Month, ...]
    events: int
    withheld: tuple[Json, ...]

    def newest(self, count: int) -> tuple[Month, ...]:
        """Return the months with no more than so many entries in all."""
        kept, room = [], count
        for month in self.months:
            if room <= 0:
                break
            kept.append(Month(month.name, month.entries[:room]))
            room -= len(month.entries)
        return tuple(kept)


def page(
    purpose: Purpose,
    views: Mapping[Purpose, bytes | None],
    graph: Json | None,
    timeline: Sequence[Json],
    verdicts: Sequence[Json],
    zone: tzinfo,
) -> Page:
    """Return the page as one purpose sees it, with all the caller's purposes side by side."""
    seen: dict[Purpose, Any] = {name: None if body is None else orjson.loads(body) for name, body in views.items()}
    view = seen[purpose]
    records = graph["records"] if graph else []
    palette = colours([r["source"] for r in records] + [e["source"] for e in timeline] + _sources(view))
    tiles, scores, traits = _traits(view.get("traits") or {}, zone)
    return Page(
        profile_id=ProfileId(view["profile_id"]),
        purpose=purpose,
        name=full_name(view.get("attributes") or {}),
        confidence=words.percent(view.get("confidence") or 0.0),
        record_count=len(records),
        source_count=len({r["source"] for r in records}),
        values=tuple(_values(view, palette, zone)),
        identifiers=_identifiers(view),
        tiles=tiles,
        scores=scores,
        traits=traits,
        picture=drawing(graph, palette) if graph else None,
        reasons=tuple(_reasons(graph, palette)) if graph else (),
        legend=tuple(sorted((words.label(s), palette[s]) for s in {r["source"] for r in records})),
        columns=tuple(_columns(seen, verdicts)),
        rows=tuple(_rows(seen, purpose)),
        months=tuple(_months(timeline, palette, zone)),
        events=len(timeline),
        withheld=tuple(view.get("withheld") or ()),
    )


def _sources(view: Json) -> list[str]:
    return [p["source"] for p in (view.get("provenance") or {}).values()]


def full_name(said: Mapping[str, str]) -> str:
    """Return the name that a person goes by, as far as it may be seen."""
    parts = [said[name] for name in ("given_name", "family_name") if said.get(name)]
    return " ".join(parts) or said.get("full_name", "") or "Somebody without a name"


def _placed(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda n: (_ORDER.index(n) if n in _ORDER else len(_ORDER), n))


def _values(view: Json, palette: Mapping[str, int], zone: tzinfo) -> list[Value]:
    provenance, said = view.get("provenance") or {}, view.get("attributes") or {}
    found = []
    for name in _placed(list(said)):
        origin = provenance.get(name, {})
        source = origin.get("source", "")
        found.append(
            Value(
                label=words.label(name),
                text=str(said[name]),
                source=words.label(source) if source else "",
                colour=palette.get(source, 0),
                seen=words.day(origin.get("observed_at"), zone),
                rule=words.rule(origin.get("rule", "")) if origin else "",
                confidence=float(origin.get("confidence", 0.0)),
            )
        )
    return found


def _identifiers(view: Json) -> tuple[tuple[str, tuple[str, ...]], ...]:
    ordered = sorted((i["type"], i["value"]) for i in view.get("identifiers") or ())
    grouped = groupby(ordered, key=lambda pair: pair[0])
    return tuple((words.label(kind), tuple(value for _, value in pairs)) for kind, pairs in grouped)


def _traits(
    said: Mapping[str, Any], zone: tzinfo
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, int], ...], tuple[tuple[str, str], ...]]:
    tiles = tuple((words.label(name), _spelled(name, said[name], zone)) for name in _TILES if name in said)
    scores = tuple((words.label(name), int(said[name])) for name in _SCORES if str(said.get(name, "")).isdigit())
    rest = [name for name in sorted(said) if name not in {*_TILES, *_SCORES}]
    return tiles, scores, tuple((words.label(name), _spelled(name, said[name], zone)) for name in rest)


def _spelled(name: str, value: Any, zone: tzinfo) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name.startswith(_MONEY):
        return words.money(value)
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value)
    return words.day(text, zone) if name.startswith(("first_", "last_")) and words.moment(text) else text


def _reasons(graph: Json, palette: Mapping[str, int]) -> list[Reason]:
    records = {r["record_key"]: r for r in graph["records"]}
    backbone = spanning(graph["edges"])

    def end(key: str) -> tuple[str, str, int]:
        record = records.get(key)
        if record is None:
            return "", "another person", -1
        return hint(record), words.label(record["source"]), palette[record["source"]]

    found = []
    for edge in graph["edges"]:
        left, right = end(edge["left"]), end(edge["right"])
        kept = edge["state"] == "kept"
        found.append(
            Reason(
                left=left[0], left_source=left[1], left_colour=left[2],
                right=right[0], right_source=right[1], right_colour=right[2],
                weight=edge["weight"],
                kept=kept,
                main=(edge["left"], edge["right"]) in backbone,
                why="" if kept else words.why_not(edge["why"]),
                elsewhere=edge["elsewhere"],
                comparisons=tuple(edge["reasons"]),
            )
        )  # fmt: skip
    return sorted(found, key=lambda r: (not r.main, not r.kept, -r.weight))


def _columns(seen: Mapping[Purpose, Any], verdicts: Sequence[Json]) -> list[Column]:
    said = {verdict["purpose"]: verdict for verdict in verdicts}
    columns = []
    for purpose, view in seen.items():
        # What is served rests on what the build decided; where nothing is, the ledger's word of now counts.
        told = said.get(purpose, {}) if view is None else view.get("consent") or {}
        reason = str(told.get("reason", "not published"))
        columns.append(Column(purpose, words.label(purpose), view is not None, words.label(reason).lower()))
    return columns


def _rows(seen: Mapping[Purpose, Any], chosen: Purpose) -> list[tuple[str, tuple[Cell, ...]]]:
    fields = {name for view in seen.values() if view for name in view.get("attributes") or {}}
    fields |= {w["field"] for view in seen.values() if view for w in view["withheld"]} - {"*"}
    shown = seen[chosen].get("attributes") or {}
    rows = [
        (words.label(name), tuple(_cell(view, name, shown.get(name)) for view in seen.values()))
        for name in _placed(list(fields))
    ]
    counts = [Cell("denied") if v is None else Cell("other", str(len(v.get("traits") or {}))) for v in seen.values()]
    return [*rows, ("Traits", tuple(counts))]


def _cell(view: Json | None, name: str, shown: str | None) -> Cell:
    if view is None:
        return Cell("denied")
    value = (view.get("attributes") or {}).get(name)
    if value is not None:
        return Cell("same", str(value)) if value == shown else Cell("other", str(value))
    because = next((w["because"] for w in view["withheld"] if w["field"] == name), None)
    return Cell("nothing") if because is None else Cell("withheld", because)


def _months(timeline: Sequence[Json], palette: Mapping[str, int], zone: tzinfo) -> list[Month]:
    def local(entry: Json) -> datetime:
        when = words.moment(entry["at"])
        assert when is not None  # noqa: S101 - the timeline is written by us, with a time in every entry
        return when.astimezone(zone)

    shown = [
        {
            **entry,
            "when": local(entry),
            "colour": palette[entry["source"]],
            "source_label": words.label(entry["source"]),
            "title": words.label(entry["name"]),
        }
        for entry in timeline
    ]
    grouped = groupby(shown, key=lambda e: f"{e['when']:%B %Y}")
    return [Month(name, tuple(entries)) for name, entries in grouped]
