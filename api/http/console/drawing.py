"""The identity graph as a picture: records as plates, evidence as lines, what was not followed dashed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.http.console import words
from api.http.console.layout import Box, Point, positions

_RECORDS = 48
_STRANGERS = 6
_COLOURS = 10
_PLATE = (148.0, 40.0)
_SMALL_PLATE = (112.0, 32.0)
_CROWDED = 16
_SHORT = 60.0


@dataclass(frozen=True, slots=True)
class Plate:
    """A record, or another person, in the picture."""

    key: str
    x: float
    y: float
    width: float
    height: float
    title: str
    source: str
    hint: str = field(repr=False)
    style: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An edge in the picture; `label` is its weight, empty where it would only clutter."""

    x1: float
    y1: float
    x2: float
    y2: float
    thickness: float
    style: str
    label: str
    title: str

    @property
    def middle(self) -> Point:
        """Where the label stands."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole picture, and how many records it leaves out."""

    width: float
    height: float
    plates: tuple[Plate, ...]
    lines: tuple[Line, ...]
    left_out: int


def colours(sources: Sequence[str]) -> dict[str, int]:
    """Return a colour number for each source, by its place among all: the same on the whole page."""
    return {source: place % _COLOURS for place, source in enumerate(sorted(set(sources)))}


def drawing(graph: Mapping[str, Any], palette: Mapping[str, int]) -> Drawing:
    """Return the picture of a profile's records and of the strangers that evidence pointed at in vain."""
    records, edges = _shown(graph)
    keys = [record["record_key"] for record in records]
    strangers = _strangers(edges, set(keys))
    box = _box(len(keys) + len(strangers))
    backbone = spanning(edges)
    pulls = {_pair(edge, strangers): _pull(edge, backbone) for edge in edges if _placed(edge, keys, strangers)}
    places = positions([*keys, *strangers.values()], pulls, box)
    plates = [_plate(record, places, box, palette, graph.get("anchor")) for record in records]
    plates += [_stranger(profile_id, places, box) for profile_id in dict.fromkeys(strangers.values())]
    lines = [
        _line(edge, places, strangers, backbone, crowded=len(keys) > _CROWDED)
        for edge in edges
        if _placed(edge, keys, strangers)
    ]
    lines.sort(key=lambda line: line.style)
    return Drawing(box.width, box.height, tuple(plates), tuple(lines), len(graph["records"]) - len(records))


def spanning(edges: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return the strongest edges that suffice to hold everybody together."""
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group.setdefault(name, name) != name:
            name = group[name]
        return name

    chosen = set()
    kept = (edge for edge in edges if edge["state"] == "kept" and edge["elsewhere"] is None)
    for edge in sorted(kept, key=lambda e: (-e["weight"], e["left"], e["right"])):
        a, b = root(edge["left"]), root(edge["right"])
        if a != b:
            group[a] = b
            chosen.add((edge["left"], edge["right"]))
    return chosen


def hint(record: Mapping[str, Any]) -> str:
    """Return what one recognises a record by, as far as it may be seen: a name, an identifier, initials, its kind."""
    said = record["attributes"]
    name = said.get("full_name") or " ".join(filter(None, (said.get("given_name"), said.get("family_name"))))
    if name:
        return str(name)
    if record["identifiers"]:
        first = record["identifiers"][0]
        return str(first.get("value") or first["masked"])
    return str(record["label"] or record["kind"])


def _shown(graph: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    degree: dict[str, int] = {}
    for edge in graph["edges"]:
        for key in (edge["left"], edge["right"]):
            degree[key] = degree.get(key, 0) + 1
    anchor = graph.get("anchor")
    ranked = sorted(graph["records"], key=lambda r: (r["record_key"] != anchor, -degree.get(r["record_key"], 0)))
    return ranked[:_RECORDS], list(graph["edges"])


def _strangers(edges: Sequence[Mapping[str, Any]], ours: set[str]) -> dict[str, str]:
    """Return records of other people with the profile that they belong to, the strongest evidence first."""
    found: dict[str, str] = {}
    for edge in sorted(edges, key=lambda e: -e["weight"]):
        if edge["elsewhere"] is None:
            continue
        other = edge["right"] if edge["left"] in ours else edge["left"]
        if len(set(found.values()) | {edge["elsewhere"]}) <= _STRANGERS:
            found[other] = edge["elsewhere"]
    return found


def _box(count: int) -> Box:
    width, height = _PLATE if count <= _CROWDED else _SMALL_PLATE
    if count <= _CROWDED:
        return Box(1140.0, 150.0 + 30.0 * count, width, height, gap_x=58.0, gap_y=34.0)
    return Box(1140.0, min(300.0 + 14.0 * count, 900.0), width, height, gap_x=26.0, gap_y=14.0)


def _pair(edge: Mapping[str, Any], strangers: Mapping[str, str]) -> tuple[str, str]:
    return strangers.get(edge["left"], edge["left"]), strangers.get(edge["right"], edge["right"])


def _placed(edge: Mapping[str, Any], keys: Sequence[str], strangers: Mapping[str, str]) -> bool:
    known = {*keys, *strangers}
    return edge["left"] in known and edge["right"] in known


def _pull(edge: Mapping[str, Any], backbone: set[tuple[str, str]]) -> float:
    if edge["state"] != "kept":
        return 0.25
    return 1.0 if (edge["left"], edge["right"]) in backbone else 0.15


def _plate(
    record: Mapping[str, Any], places: Mapping[str, Point], box: Box, palette: Mapping[str, int], anchor: object
) -> Plate:
    key = record["record_key"]
    x, y = places[key]
    style = f"plate source-{palette[record['source']]}"
    style += " anchor" if key == anchor else ""
    style += "" if record["known"] else " anonymous"
    shown = hint(record)
    room = int((box.node_width - 26) / 6.8)
    clipped = shown if len(shown) <= room else shown[: room - 1] + "…"
    title = f"{words.label(record['source'])}: {shown} ({words.LINKS.get(record['link'], record['link'])})"
    return Plate(key, x, y, box.node_width, box.node_height, title, words.label(record["source"]), clipped, style)


def _stranger(profile_id: str, places: Mapping[str, Point], box: Box) -> Plate:
    x, y = places[profile_id]
    title = "Another person, whom this evidence does not reach"
    short = f"{profile_id[:8]}…"
    return Plate(
        profile_id, x, y, box.node_width, box.node_height, title, "Another person", short, "plate stranger",
        f"/people/{profile_id}",
    )  # fmt: skip


def _line(
    edge: Mapping[str, Any],
    places: Mapping[str, Point],
    strangers: Mapping[str, str],
    backbone: set[tuple[str, str]],
    *,
    crowded: bool,
) -> Line:
    (x1, y1), (x2, y2) = (places[key] for key in _pair(edge, strangers))
    kept, main = edge["state"] == "kept", (edge["left"], edge["right"]) in backbone
    style = ("line-3 main" if main else "line-1 faint") if kept else "line-2 suppressed"
    thickness = 1.2 if not main else min(1.5 + edge["weight"] / 5, 5.0)
    hidden = edge["why"] == "withheld"
    weight = "" if hidden else words.bits(edge["weight"])
    wanted = (main or not kept or not crowded) and math.hypot(x1 - x2, y1 - y2) > _SHORT
    title = (
        "what it weighs is withheld from this purpose"
        if hidden
        else f"{weight} bits" + ("" if kept else f", not followed: {words.why_not(edge['why'])}")
    )
    return Line(x1, y1, x2, y2, round(thickness, 1), style, weight if wanted else "", title)
