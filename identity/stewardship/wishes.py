"""What a steward's wish means in constraints, and whether earlier wishes forbid it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from identity.clustering.cluster import Rules, bound_together, clusters, halves
from identity.errors import Contradiction
from identity.model import Constraint, ConstraintKind, Edge, Node
from infra.ids import RecordKey


def check(wish: Constraint, standing: Sequence[Constraint]) -> None:
    """Raise `Contradiction` where what stands forbids the wish."""
    bound = bound_together([*standing, wish] if wish.kind == "must_link" else standing)
    for other in (*(c for c in standing if c.kind == "cannot_link"), *([wish] if wish.kind == "cannot_link" else [])):
        left, right = bound.get(other.left, other.left), bound.get(other.right, other.right)
        if left == right:
            because = (
                "they are bound by must-links"
                if wish.kind == "cannot_link"
                else f"{other.left} and {other.right} must stay apart"
            )
            raise Contradiction(wish.kind, wish.left, wish.right, because)


def constraint(
    kind: ConstraintKind,
    a: RecordKey,
    b: RecordKey,
    *,
    actor: str,
    reason: str,
    at: datetime,
    expires_at: datetime | None,
) -> Constraint:
    """Return a constraint in canonical order."""
    left, right = sorted((a, b))
    return Constraint(kind, left, right, actor, reason, at, expires_at)


def apart(
    part: Iterable[RecordKey],
    rest: Iterable[RecordKey],
    *,
    actor: str,
    reason: str,
    at: datetime,
    expires_at: datetime | None,
) -> list[Constraint]:
    """Return the cannot-links that hold one part of a cluster away from the rest."""
    theirs = sorted(set(rest))
    return [
        constraint("cannot_link", a, b, actor=actor, reason=reason, at=at, expires_at=expires_at)
        for a in sorted(set(part))
        for b in theirs
        if a != b
    ]


def parts_of(
    nodes: Sequence[Node], edges: Sequence[Edge], standing: Sequence[Constraint], rules: Rules
) -> Mapping[RecordKey, RecordKey]:
    """Return how one profile falls apart where nobody says which record to take out.

    What only must-links hold together falls apart along them; else the profile is cut at its last, weakest merge.
    """
    without = clusters(nodes, edges, [c for c in standing if c.kind == "cannot_link"], rules).cluster_of
    return without if len(set(without.values())) > 1 else halves(nodes, edges, rules)
