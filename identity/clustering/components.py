"""Components between engines: many in one Arrow table, each settled alone by the pure rule of `identity.clustering.cluster`."""

from collections import defaultdict
from typing import Any

import pyarrow as pa

from identity.clustering.cluster import Rules, clusters
from identity.model import ALWAYS, Constraint, Edge, Node, Seen
from infra.ids import Token

PART = pa.schema(
    [
        ("component", pa.string()),
        ("kind", pa.string()),  # node | edge | must_link | cannot_link
        ("left_key", pa.string()),
        ("right_key", pa.string()),
        ("weight_micro", pa.int64()),
        ("conflict_micro", pa.int64()),
        ("known", pa.bool_()),
        ("bare", pa.bool_()),
        ("limited", pa.list_(pa.string())),
    ]
)
"""A node, an edge or a constraint of a component as one row; `limited` holds `type:first:last:token` of limited identifiers."""

SETTLED = pa.schema(
    [(n, pa.string()) for n in ("kind", "component", "left_key", "right_key", "cluster", "state", "why")]
)


def resolved_bucket(table: pa.Table, rules: Rules) -> pa.Table:
    """Return cluster (kind `node`) and verdict (kind `edge`) rows of all components in the table."""
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in table.to_pylist():
        parts[row["component"]].append(row)
    settled = [line for component in sorted(parts) for line in _settled(component, parts[component], rules)]
    return pa.Table.from_pylist(settled, schema=SETTLED)


def _settled(component: str, rows: list[dict[str, Any]], rules: Rules) -> list[dict[str, str | None]]:
    nodes = [
        Node(r["left_key"], r["known"], r["bare"], frozenset(_limited(r["limited"])))
        for r in rows
        if r["kind"] == "node"
    ]
    edges = [
        Edge(r["left_key"], r["right_key"], r["weight_micro"], r["conflict_micro"]) for r in rows if r["kind"] == "edge"
    ]
    wishes = [Constraint(r["kind"], r["left_key"], r["right_key"]) for r in rows if r["kind"].endswith("_link")]
    outcome = clusters(nodes, edges, wishes, rules)
    empty = {"component": component, "right_key": None, "cluster": None, "state": None, "why": None}
    named = [
        {**empty, "kind": "node", "left_key": key, "cluster": cluster}
        for key, cluster in sorted(outcome.cluster_of.items())
    ]
    told = [
        {**empty, "kind": "edge", "left_key": v.left, "right_key": v.right, "state": v.state, "why": v.why}
        for v in outcome.verdicts
    ]
    return [*named, *told]


def _limited(values: list[str] | None) -> list[Seen]:
    return [
        Seen(kind, Token(token), int(first or ALWAYS[0]), int(last or ALWAYS[1]))
        for kind, first, last, token in (value.split(":", 3) for value in values or ())
    ]
