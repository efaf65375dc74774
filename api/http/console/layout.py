"""Where the nodes of a small graph stand: springs and repulsion from a fixed start, the same picture every time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
_ROUNDS = 240
_WORK = 6_000
_PUSHES = 160
_EDGE = 6.0


@dataclass(frozen=True, slots=True)
class Box:
    """The picture's size, and the room that each node takes in it."""

    width: float
    height: float
    node_width: float
    node_height: float
    gap_x: float = 24.0
    gap_y: float = 16.0


def positions(nodes: Sequence[str], pulls: Mapping[tuple[str, str], float], box: Box) -> dict[str, Point]:
    """Return the middle of each node: joined ones near each other, none over another, all inside the box.

    `pulls` says how strongly (0 to 1) two nodes are joined. No chance is involved: nodes start on a spiral.
    """
    if not nodes:
        return {}
    points = {node: _start(place, len(nodes)) for place, node in enumerate(nodes)}
    # Each round looks at every pair, so a larger graph gets fewer.
    rounds = max(60, min(_ROUNDS, _WORK // len(nodes)))
    for turn in range(rounds):
        points = _moved(points, pulls, step=0.12 * (1 - turn / rounds) + 0.002)
    points = _turned(points)
    return _untangled(_fitted(points, box), box)


def _start(place: int, count: int) -> Point:
    # The golden angle keeps neighbours of the list apart and covers the disc evenly.
    angle, radius = place * 2.39996, math.sqrt((place + 0.5) / count)
    return radius * math.cos(angle), radius * math.sin(angle)


def _moved(points: Mapping[str, Point], pulls: Mapping[tuple[str, str], float], step: float) -> dict[str, Point]:
    ideal = 1.0 / math.sqrt(len(points))
    force = {node: [0.0, 0.0] for node in points}
    names = list(points)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            dx, dy, distance = _between(points[a], points[b])
            push = ideal * ideal / distance
            _add(force, a, b, dx / distance * push, dy / distance * push)
    for (a, b), pull in pulls.items():
        dx, dy, distance = _between(points[a], points[b])
        draw = -(distance * distance / ideal) * pull
        _add(force, a, b, dx / distance * draw, dy / distance * draw)
    moved = {}
    for node, (x, y) in points.items():
        fx, fy = force[node][0] - 0.15 * x, force[node][1] - 0.15 * y
        length = max(math.hypot(fx, fy), 1e-9)
        scale = min(length, step) / length
        moved[node] = (x + fx * scale, y + fy * scale)
    return moved


def _between(a: Point, b: Point) -> tuple[float, float, float]:
    dx, dy = a[0] - b[0], a[1] - b[1]
    return dx, dy, max(math.hypot(dx, dy), 1e-4)


def _add(force: Mapping[str, list[float]], a: str, b: str, fx: float, fy: float) -> None:
    force[a][0] += fx
    force[a][1] += fy
    force[b][0] -= fx
    force[b][1] -= fy


def _turned(points: Mapping[str, Point]) -> dict[str, Point]:
    """Turn the cloud so that its longest way lies across: pages are wider than high."""
    count = len(points)
    mx, my = (sum(p[axis] for p in points.values()) / count for axis in (0, 1))
    xx = sum((x - mx) ** 2 for x, _ in points.values())
    yy = sum((y - my) ** 2 for _, y in points.values())
    xy = sum((x - mx) * (y - my) for x, y in points.values())
    angle = -0.5 * math.atan2(2 * xy, xx - yy)
    cos, sin = math.cos(angle), math.sin(angle)
    return {node: (x * cos - y * sin, x * sin + y * cos) for node, (x, y) in points.items()}


def _fitted(points: Mapping[str, Point], box: Box) -> dict[str, Point]:
    xs, ys = [p[0] for p in points.values()], [p[1] for p in points.values()]
    room_x, room_y = box.width - box.node_width - 2 * _EDGE, box.height - box.node_height - 2 * _EDGE
    span_x, span_y = max(max(xs) - min(xs), 1e-9), max(max(ys) - min(ys), 1e-9)
    if len(points) == 1:
        return dict.fromkeys(points, (box.width / 2, box.height / 2))
    return {
        node: (
            _EDGE + box.node_width / 2 + (x - min(xs)) / span_x * room_x,
            _EDGE + box.node_height / 2 + (y - min(ys)) / span_y * room_y,
        )
        for node, (x, y) in points.items()
    }


def _untangled(points: Mapping[str, Point], box: Box) -> dict[str, Point]:
    """Push overlapping nodes apart, along the axis where they overlap least."""
    placed = {node: [x, y] for node, (x, y) in points.items()}
    names = list(placed)
    for _ in range(_PUSHES):
        calm = True
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                calm = not _pushed(placed[a], placed[b], box) and calm
        for spot in placed.values():
            _inside(spot, box)
        if calm:
            break
    return {node: (round(x, 1), round(y, 1)) for node, (x, y) in placed.items()}


def _pushed(a: list[float], b: list[float], box: Box) -> bool:
    over_x = box.node_width + box.gap_x - abs(a[0] - b[0])
    over_y = box.node_height + box.gap_y - abs(a[1] - b[1])
    if over_x <= 0 or over_y <= 0:
        return False
    axis, over = (1, over_y) if over_y <= over_x else (0, over_x)
    way = 1.0 if a[axis] >= b[axis] else -1.0
    a[axis] += way * over / 2
    b[axis] -= way * over / 2
    return True


def _inside(spot: list[float], box: Box) -> None:
    half_x, half_y = box.node_width / 2 + _EDGE, box.node_height / 2 + _EDGE
    spot[0] = min(max(spot[0], half_x), box.width - half_x)
    spot[1] = min(max(spot[1], half_y), box.height - half_y)
