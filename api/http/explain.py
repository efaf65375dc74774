"""Why two identifiers are one person: the strongest chain of kept edges between the records that carry them."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from api.http.ports import Known
from identity.explanation import explain
from identity.explanation.explain import Evidence
from identity.model import MICRO, Reason
from infra.ids import RecordKey

Edge = Mapping[str, Any]
# A published graph holds no more edges than this: profiles.transforms.graph.
_DRAWN = 120
_Step = tuple[float, int, int, str, tuple[str, Edge] | None]


def carriers(graph: Mapping[str, Any], wanted: Known) -> frozenset[str]:
    """Return the records of a profile that carry an identifier."""
    return frozenset(
        record["record_key"]
        for record in graph["records"]
        if any(one["token"] == wanted.token for one in record["identifiers"])
    )


def chain(graph: Mapping[str, Any], start: frozenset[str], goal: frozenset[str]) -> list[Edge]:
    """Return the kept edges that lead from one set of records to another, by the path with the strongest weakest link.

    Empty where a record lies in both: then the record itself is the reason.
    """
    steps: dict[str, list[tuple[str, Edge]]] = defaultdict(list)
    for edge in graph["edges"]:
        if edge["state"] == "kept":
            steps[edge["left"]].append((edge["right"], edge))
            steps[edge["right"]].append((edge["left"], edge))
    came: dict[str, tuple[str, Edge] | None] = {}
    # The strongest weakest link first, the shorter chain second; the counter keeps edges out of the comparison.
    counter = itertools.count()
    queue: list[_Step] = [(float("-inf"), 0, next(counter), record, None) for record in sorted(start)]
    while queue:
        weakness, length, _, record, origin = heapq.heappop(queue)
        if record in came:
            continue
        came[record] = origin
        if record in goal:
            return _back(came, record)
        for other, edge in steps[record]:
            if other not in came:
                weaker = max(weakness, -edge["weight"])
                heapq.heappush(queue, (weaker, length + 1, next(counter), other, (record, edge)))
    return []


def _back(came: Mapping[str, tuple[str, Edge] | None], record: str) -> list[Edge]:
    path: list[Edge] = []
    origin = came[record]
    while origin is not None:
        record, edge = origin
        path.append(edge)
        origin = came[record]
    return path[::-1]


def evidence_of(edge: Edge) -> Evidence:
    """Return an edge of a served graph as evidence that can be said in words."""
    reasons = tuple(Reason(r["comparison"], r["level"], round(r["weight"] * MICRO)) for r in edge["reasons"])
    left, right = RecordKey(edge["left"]), RecordKey(edge["right"])
    return Evidence(left, right, round(edge["weight"] * MICRO), edge["state"], edge["why"], reasons)


def between(graphs: Sequence[Edge | None], ends: tuple[str, str]) -> tuple[Evidence | None, str]:
    """Return the best evidence between two people, from either's graph, and why it made them no one person."""
    found = {
        (edge["left"], edge["right"]): evidence_of(edge)
        for graph, other in zip(graphs, ends[::-1], strict=True)
        for edge in (graph or {"edges": ()})["edges"]
        if edge["elsewhere"] == other
    }
    best = explain.strongest(found.values())
    if best is None and any(graph and len(graph["edges"]) >= _DRAWN for graph in graphs):
        return None, "what there is between them is not among the evidence that is published of them"
    return best, explain.why_not(best)


def records_of(graph: Mapping[str, Any], keys: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the named records without their values: source, kind and how closely they are tied."""
    wanted = set(keys)
    return [
        {name: record[name] for name in ("record_key", "source", "kind", "known", "link")}
        for record in graph["records"]
        if record["record_key"] in wanted
    ]
