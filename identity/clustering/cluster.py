"""One component of the evidence graph becomes persons: strongest first, refusing what speaks against it. Pure.

Records that describe somebody are contracted by average linkage; bare records (a card, a login) then follow the one
person whom their identifiers name, or stay by themselves where they name several. Anonymous ones (a cookie) come last,
when it is settled who is known, and follow one of those. So a shared tablet, a kitchen-drawer loyalty card or a kiosk
never makes two persons one. The answer depends on the component
alone, not on the order of anything: ties are broken by record key, and all sums are whole micro-bits.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from identity.clustering.limits import Limit, Stretches, broken, by_type, merged
from identity.model import MICRO, Clustering, Constraint, Edge, Node, Verdict
from infra.ids import RecordKey

Pair = tuple[RecordKey, RecordKey]


@dataclass(frozen=True, slots=True)
class Rules:
    """Where the borders lie, in micro-bits; `limits` holds how many values of a type a person may have."""

    merge: int = MICRO
    strong_negative: int = -3 * MICRO
    clip: int = 12 * MICRO
    uninformative: int = -3 * MICRO // 2
    follow_margin: float = 2.0
    margin: int = MICRO
    limits: Mapping[str, Limit] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """A cluster in the making, named by its smallest key."""

    members: set[RecordKey]
    bare: bool
    known: bool
    values: dict[str, Stretches]

    def sort(self) -> int:
        """Return what the group is settled with: it describes somebody, or names somebody, or neither."""
        return _DESCRIBED if not self.bare else _NAMED if self.known else _ANONYMOUS


@dataclass(slots=True)
class _Link:
    """All that is known between two groups: the informative pairs' clipped sum and number, and the worst of them."""

    total: int = 0
    count: int = 0
    worst: int = 0
    best: int = 0

    def mean(self) -> int:
        """Return the mean in whole micro-bits, rounded down."""
        return self.total // self.count if self.count else 0

    def with_(self, other: "_Link") -> "_Link":
        """Return both together."""
        return _Link(
            self.total + other.total,
            self.count + other.count,
            min(self.worst, other.worst),
            max(self.best, other.best),
        )


def clusters(
    nodes: Iterable[Node], edges: Iterable[Edge], constraints: Iterable[Constraint], rules: Rules
) -> Clustering:
    """Return who is one person in a component, and for every edge whether it was kept or what suppressed it."""
    state = _State(sorted(nodes, key=lambda n: n.record_key), rules)
    wanted = [c for c in constraints if c.left in state.name_of and c.right in state.name_of]
    bound = [c for c in wanted if c.kind == "must_link"]
    state.forbid((c for c in wanted if c.kind == "cannot_link"), bound)
    ordered = sorted(edges, key=lambda e: (e.left, e.right))
    state.connect(ordered)
    # A steward ties persons, whole: first each becomes what the evidence makes of them. Tied record by record, the
    # conflict between the two would drive the other records of both away (docs/adr/0012).
    state.contract(_DESCRIBED)
    if bound:
        for constraint in sorted(bound, key=lambda c: (c.left, c.right)):
            state.unite(state.name_of[constraint.left], state.name_of[constraint.right])
        state.contract(_DESCRIBED)
    for sort in (_NAMED, _ANONYMOUS):
        state.contract(sort)
        state.follow(sort)
    return Clustering(dict(state.name_of), tuple(state.verdict(edge) for edge in ordered))


def bound_together(constraints: Iterable[Constraint]) -> dict[RecordKey, RecordKey]:
    """Return for each record under a must-link the smallest record that it is bound to, over any number of steps."""
    parent: dict[RecordKey, RecordKey] = {}

    def root(key: RecordKey) -> RecordKey:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for wish in constraints:
        if wish.kind == "must_link":
            a, b = sorted((root(wish.left), root(wish.right)))
            parent[b] = a
    return {key: root(key) for key in parent}


def halves(nodes: Iterable[Node], edges: Iterable[Edge], rules: Rules) -> dict[RecordKey, RecordKey]:
    """Return a cluster's two parts before its last merge: the strongest links are made first, until two are left.

    Records that nothing links come to the larger part, so the answer has two parts wherever there are two records.
    """
    state = _State(sorted(nodes, key=lambda n: n.record_key), rules)
    state.connect(sorted(edges, key=lambda e: (e.left, e.right)))
    while len(state.groups) > _HALVES:
        pairs = [
            (-link.mean(), a, b) for a in sorted(state.groups) for b, link in sorted(state.links[a].items()) if a < b
        ]
        if not pairs:
            break
        _, a, b = min(pairs)
        state.unite(a, b)
    by_size = sorted(state.groups, key=lambda n: (-len(state.groups[n].members), n))
    for name in by_size[1:-1]:
        state.unite(state.name_of[by_size[0]], name)
    return dict(state.name_of)


_HALVES = 2
_DESCRIBED, _NAMED, _ANONYMOUS = range(3)
"""The sorts of groups in the order in which they are settled: whoever comes later follows one of those before."""


class _State:
    """The groups of one component and the links between them."""

    def __init__(self, nodes: list[Node], rules: Rules) -> None:
        self.rules = rules
        self.groups: dict[RecordKey, _Group] = {}
        self.name_of: dict[RecordKey, RecordKey] = {}
        self.links: dict[RecordKey, dict[RecordKey, _Link]] = defaultdict(dict)
        self.forbidden: dict[RecordKey, set[RecordKey]] = defaultdict(set)
        self.destined: dict[RecordKey, set[RecordKey]] = {}
        for node in nodes:
            held = by_type(node.limited)
            self.groups[node.record_key] = _Group({node.record_key}, node.bare, node.known, held)
            self.name_of[node.record_key] = node.record_key

    def forbid(self, pairs: Iterable[Constraint], bound: Iterable[Constraint]) -> None:
        """Note who must stay apart; whoever is bound to one of them is kept from the other as well.

        Who is bound together will be one person in the end: they share one set of all that has joined any of them, so
        that evidence brings nobody to one of them who must stay apart from what is with another.
        """
        root = bound_together(bound)
        tied: dict[RecordKey, set[RecordKey]] = defaultdict(set)
        for key, first in root.items():
            tied[first].add(key)
        for together in tied.values():
            for key in together:
                self.destined[key] = together
        for pair in pairs:
            left, right = (tied.get(root.get(key, key), {key}) for key in (pair.left, pair.right))
            for key in left:
                self.forbidden[key] |= right
            for key in right:
                self.forbidden[key] |= left

    def connect(self, edges: Iterable[Edge]) -> None:
        """Note what each pair says; a pair that says nothing either way does not count in a mean."""
        for edge in edges:
            link = self._said(edge)
            if link is None:
                continue
            self.links[edge.left][edge.right] = link
            self.links[edge.right][edge.left] = link

    def _said(self, edge: Edge) -> _Link | None:
        clip = self.rules.clip
        if edge.weight_micro > 0:
            return _Link(min(edge.weight_micro, clip), 1, min(edge.conflict_micro, 0), edge.weight_micro)
        if edge.conflict_micro <= self.rules.uninformative:
            return _Link(max(edge.conflict_micro, -clip), 1, edge.conflict_micro, edge.weight_micro)
        return None

    def refusal(self, a: RecordKey, b: RecordKey) -> str:
        """Return the first rule against making two groups one, or an empty string."""
        left, right = self.groups[a], self.groups[b]
        ours, theirs = (self.destined.get(name, group.members) for name, group in ((a, left), (b, right)))
        if ours is not theirs and any(self.forbidden[m] & theirs for m in ours if m in self.forbidden):
            return "cannot_link"
        kind = broken(left.values, right.values, self.rules.limits)
        if kind:
            return f"limit:{kind}"
        link = self.links[a].get(b)
        if link is None or link.count == 0:
            return "no_evidence"
        if not (left.bare or right.bare) and link.worst <= self.rules.strong_negative:
            return "strong_negative"
        if link.mean() <= self.rules.merge:
            return "mean_weight"
        return ""

    def ambiguous(self, a: RecordKey, b: RecordKey) -> bool:
        """Whether one of two groups fits about as well to a third that cannot be the same person as the other."""
        here = self.links[a][b].mean()
        return any(
            other != rival
            # what a bare record fits says nothing about persons
            and self.groups[rival].sort() == self.groups[one].sort()
            and link.mean() > max(self.rules.merge, here - self.rules.margin)
            and rival in self.links[other]
            and self.links[other][rival].worst <= self.rules.strong_negative
            for one, other in ((a, b), (b, a))
            for rival, link in self.links[one].items()
        )

    def unite(self, a: RecordKey, b: RecordKey) -> RecordKey:
        """Make two groups one, by the smaller name; return it."""
        if a == b:
            return a
        keep, gone = min(a, b), max(a, b)
        left, right = self.groups[keep], self.groups.pop(gone)
        left.members |= right.members
        left.bare, left.known = left.bare and right.bare, left.known or right.known
        for kind, held in right.values.items():
            left.values[kind] = merged(left.values.get(kind, {}), held)
        for member in right.members:
            self.name_of[member] = keep
        self._share_destiny(keep, gone, left.members)
        moved = self.links.pop(gone, {})
        for other, link in moved.items():
            self.links[other].pop(gone, None)
            if other != keep:
                joined = link.with_(self.links[keep][other]) if other in self.links[keep] else link
                self.links[keep][other] = self.links[other][keep] = joined
        return keep

    def _share_destiny(self, keep: RecordKey, gone: RecordKey, members: set[RecordKey]) -> None:
        ours, theirs = self.destined.get(keep), self.destined.pop(gone, None)
        if ours is theirs:
            return  # strangers both, or of one destiny already, which holds the members of either
        smaller, larger = sorted((ours or set(), theirs or set()), key=len)
        larger |= smaller | members
        self.destined[keep] = larger
        for name in smaller:
            if self.destined.get(name) is smaller:
                self.destined[name] = larger

    def contract(self, sort: int) -> None:
        """Merge groups of one sort, strongest mean first, until no merge is left that nothing speaks against."""
        heap: list[tuple[int, RecordKey, RecordKey]] = []

        def offer(a: RecordKey, b: RecordKey) -> None:
            link = self.links[a][b]
            if self.groups[a].sort() == sort == self.groups[b].sort() and link.mean() > self.rules.merge:
                heapq.heappush(heap, (-link.mean(), min(a, b), max(a, b)))

        for a in sorted(self.groups):
            for b in sorted(self.links[a]):
                if a < b:
                    offer(a, b)
        while heap:
            weight, a, b = heapq.heappop(heap)
            if a not in self.groups or b not in self.groups or b not in self.links[a]:
                continue
            if -weight != self.links[a][b].mean() or self.refusal(a, b) or self.ambiguous(a, b):
                continue
            kept = self.unite(a, b)
            for other in sorted(self.links[kept]):
                offer(kept, other)

    def follow(self, sort: int) -> None:
        """Let each group of a sort follow the one before it that its identifiers name; where they name several it stays."""
        # all choose before any moves: whom the others follow must not matter
        chosen = {name: self._person_for(name) for name in sorted(self.groups) if self.groups[name].sort() == sort}
        for name, person in chosen.items():
            if person is not None and not self.refusal(self.name_of[name], self.name_of[person]):
                self.unite(self.name_of[name], self.name_of[person])

    def _person_for(self, name: RecordKey) -> RecordKey | None:
        own = self.groups[name].sort()
        persons = {n: link for n, link in self.links[name].items() if self.groups[n].sort() < own}
        ranked = sorted(persons, key=lambda n: (-persons[n].best, -persons[n].total, n))
        if not ranked:
            return None
        if len(ranked) > 1:
            first, second = persons[ranked[0]], persons[ranked[1]]
            clear = first.best > second.best or first.total >= self.rules.follow_margin * second.total
            return ranked[0] if clear else None
        return ranked[0]

    def verdict(self, edge: Edge) -> Verdict:
        """Return what became of an edge, and the first rule that speaks against it now."""
        a, b = self.name_of[edge.left], self.name_of[edge.right]
        if a == b:
            return Verdict(edge.left, edge.right, "kept", "")
        if edge.weight_micro <= 0:
            return Verdict(edge.left, edge.right, "suppressed", "below_threshold")
        why = self.refusal(a, b) or ("shared" if self.groups[a].bare or self.groups[b].bare else "ambiguous")
        return Verdict(edge.left, edge.right, "suppressed", why)
