"""Clustering in random graphs: what is forbidden stays apart, what is bound is together, order changes nothing."""

from collections.abc import Mapping
from random import Random

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from identity.clustering.cluster import Rules, clusters, halves
from identity.clustering.limits import Limit, by_type, most
from identity.model import MICRO, Constraint, Edge, Node, Seen
from infra.ids import RecordKey, Token

KEYS = [RecordKey(f"r{i:02d}") for i in range(12)]
DAY = 86_400
RULES = Rules(limits={"customer": Limit(2), "phone": Limit(1, 3)})

carried = st.one_of(
    st.builds(lambda card: Seen("customer", Token(card)), st.sampled_from("abcd")),
    st.builds(
        lambda number, day, length: Seen("phone", Token(number), day * DAY, (day + length) * DAY),
        st.sampled_from("pqr"),
        st.integers(0, 20),
        st.integers(0, 5),
    ),
)

nodes = st.lists(
    st.builds(
        lambda key, known, bare, held: Node(key, known, bare or not known, frozenset(held)),
        st.sampled_from(KEYS),
        st.booleans(),
        st.booleans(),
        st.sets(carried, max_size=1),
    ),
    min_size=2,
    max_size=12,
    unique_by=lambda n: n.record_key,
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[Edge], list[Constraint]]:
    found = draw(nodes)
    keys = sorted(n.record_key for n in found)
    pairs = [(a, b) for i, a in enumerate(keys) for b in keys[i + 1 :]]
    edges = []
    for a, b in draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)):
        weight = draw(st.integers(-12, 20)) * MICRO + draw(st.integers(0, 3))
        edges.append(Edge(a, b, weight, min(weight, draw(st.integers(-12, 12)) * MICRO)))
    apart = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
    bound = nx.Graph(draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3)))
    groups = {n: i for i, group in enumerate(nx.connected_components(bound)) for n in group}
    constraints = [Constraint("must_link", a, b) for a, b in bound.edges]
    constraints += [Constraint("cannot_link", a, b) for a, b in apart if groups.get(a, a) != groups.get(b, b)]
    consistent = [c for c in constraints if c.kind == "must_link" or not _merges(constraints, c)]
    return found, edges, consistent


def _merges(constraints: list[Constraint], wish: Constraint) -> bool:
    bound = nx.Graph([(c.left, c.right) for c in constraints if c.kind == "must_link"])
    return bound.has_node(wish.left) and bound.has_node(wish.right) and nx.has_path(bound, wish.left, wish.right)


def _groups(cluster_of: Mapping[RecordKey, RecordKey]) -> dict[RecordKey, set[RecordKey]]:
    groups: dict[RecordKey, set[RecordKey]] = {}
    for key, cluster in cluster_of.items():
        groups.setdefault(cluster, set()).add(key)
    return groups


@given(graphs())
def test_every_record_is_in_one_cluster_named_by_its_smallest_key(
    graph: tuple[list[Node], list[Edge], list[Constraint]],
) -> None:
    found, edges, wishes = graph
    outcome = clusters(found, edges, wishes, RULES)
    assert set(outcome.cluster_of) == {n.record_key for n in found}
    assert all(name == min(members) for name, members in _groups(outcome.cluster_of).items())


@given(graphs())
def test_constraints_hold(graph: tuple[list[Node], list[Edge], list[Constraint]]) -> None:
    found, edges, wishes = graph
    cluster_of = clusters(found, edges, wishes, RULES).cluster_of
    for wish in wishes:
        together = cluster_of[wish.left] == cluster_of[wish.right]
        assert together == (wish.kind == "must_link")


@given(graphs())
def test_limits_hold_but_for_what_a_steward_bound(graph: tuple[list[Node], list[Edge], list[Constraint]]) -> None:
    found, edges, _ = graph
    cluster_of = clusters(found, edges, [], RULES).cluster_of
    held = {n.record_key: n.limited for n in found}
    for group in _groups(cluster_of).values():
        seen = by_type(one for key in group for one in held[key])
        assert most(seen.get("customer", {})) <= 2
        assert most(seen.get("phone", {}), 3) <= 1


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_anything_changes_nothing(
    graph: tuple[list[Node], list[Edge], list[Constraint]], random: Random
) -> None:
    found, edges, wishes = graph
    shuffled = [random.sample(part, len(part)) for part in (found, edges, wishes)]
    assert clusters(found, edges, wishes, RULES) == clusters(*shuffled, RULES)


@given(graphs())
def test_no_cluster_reaches_beyond_its_component(graph: tuple[list[Node], list[Edge], list[Constraint]]) -> None:
    found, edges, wishes = graph
    graph_ = nx.Graph([(e.left, e.right) for e in edges if e.weight_micro > 0])
    graph_.add_edges_from((c.left, c.right) for c in wishes if c.kind == "must_link")
    graph_.add_nodes_from(n.record_key for n in found)
    component = {n: i for i, group in enumerate(nx.connected_components(graph_)) for n in group}
    cluster_of = clusters(found, edges, wishes, RULES).cluster_of
    assert all(len({component[k] for k in group}) == 1 for group in _groups(cluster_of).values())


@given(graphs())
def test_components_can_be_settled_one_by_one(graph: tuple[list[Node], list[Edge], list[Constraint]]) -> None:
    found, edges, wishes = graph
    graph_ = nx.Graph([(e.left, e.right) for e in edges])
    graph_.add_edges_from((c.left, c.right) for c in wishes)
    graph_.add_nodes_from(n.record_key for n in found)
    alone: dict[RecordKey, RecordKey] = {}
    for group in nx.connected_components(graph_):
        part = clusters(
            [n for n in found if n.record_key in group], [e for e in edges if e.left in group],
            [c for c in wishes if c.left in group], RULES,
        )  # fmt: skip
        alone.update(part.cluster_of)
    assert alone == clusters(found, edges, wishes, RULES).cluster_of


@given(graphs())
def test_bare_records_never_bring_two_persons_together(graph: tuple[list[Node], list[Edge], list[Constraint]]) -> None:
    found, edges, _ = graph
    bare = {n.record_key for n in found if n.bare}
    whole = clusters(found, edges, [], RULES).cluster_of
    without = clusters(
        [n for n in found if not n.bare], [e for e in edges if not {e.left, e.right} & bare], [], RULES
    ).cluster_of
    persons = {frozenset(group - bare) for group in _groups(whole).values() if group - bare}
    assert persons == {frozenset(group) for group in _groups(without).values()}


@given(graphs())
def test_anonymous_records_never_bring_two_known_ones_together(
    graph: tuple[list[Node], list[Edge], list[Constraint]],
) -> None:
    found, edges, _ = graph
    anonymous = {n.record_key for n in found if n.bare and not n.known}
    whole = clusters(found, edges, [], RULES).cluster_of
    without = clusters(
        [n for n in found if n.record_key not in anonymous],
        [e for e in edges if not {e.left, e.right} & anonymous],
        [],
        RULES,
    ).cluster_of
    named = {frozenset(group - anonymous) for group in _groups(whole).values() if group - anonymous}
    assert named == {frozenset(group) for group in _groups(without).values()}


@given(graphs())
def test_a_cluster_has_two_halves(graph: tuple[list[Node], list[Edge], list[Constraint]]) -> None:
    found, edges, _ = graph
    parts = halves(found, edges, RULES)
    assert set(parts) == {n.record_key for n in found}
    assert len(set(parts.values())) == 2


@given(graphs())
def test_a_steward_ties_persons_whole(graph: tuple[list[Node], list[Edge], list[Constraint]]) -> None:
    found, edges, wishes = graph
    apart = [c for c in wishes if c.kind == "cannot_link"]
    tied = [c for c in wishes if c.kind == "must_link"]
    described = {n.record_key for n in found if not n.bare}
    without = _groups(clusters(found, edges, _closed(apart, tied), RULES).cluster_of)
    cluster_of = clusters(found, edges, wishes, RULES).cluster_of
    # Whoever the evidence alone makes one person stays one person, whatever a steward ties to it.
    assert all(len({cluster_of[key] for key in group & described}) <= 1 for group in without.values())


def _closed(apart: list[Constraint], tied: list[Constraint]) -> list[Constraint]:
    """Return the cannot-links with those that the must-links carry on."""
    bound = nx.Graph([(c.left, c.right) for c in tied])
    reach = {n: nx.node_connected_component(bound, n) for n in bound}
    pairs = {(a, b) for c in apart for a in reach.get(c.left, {c.left}) for b in reach.get(c.right, {c.right})}
    return [Constraint("cannot_link", *sorted(pair)) for pair in sorted(pairs)]


@st.composite
def tied_strangers(draw: st.DrawFn) -> tuple[list[Node], list[Edge], list[Constraint]]:
    """Draw four persons of two records each, more evidence, and words about others of them than those that are tied."""
    keys = [RecordKey(f"r{i}") for i in range(8)]
    pairs = [(a, b) for i, a in enumerate(keys) for b in keys[i + 1 :]]
    persons = list(zip(keys[::2], keys[1::2], strict=True))
    more = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=6))
    edges = [Edge(a, b, draw(st.integers(2, 12)) * MICRO) for a, b in {*persons, *more}]
    bound = nx.Graph(draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1, max_size=3)))
    bound.add_nodes_from(keys)
    group = {n: i for i, found in enumerate(nx.connected_components(bound)) for n in found}
    apart = [p for p in draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=4)) if group[p[0]] != group[p[1]]]
    wishes = [Constraint("must_link", *sorted(pair)) for pair in bound.edges]
    return [Node(k) for k in keys], edges, [*wishes, *(Constraint("cannot_link", *pair) for pair in apart)]


@given(tied_strangers())
def test_what_is_forbidden_stays_apart_though_others_of_the_two_are_tied(
    graph: tuple[list[Node], list[Edge], list[Constraint]],
) -> None:
    cluster_of = clusters(*graph, RULES).cluster_of
    for wish in graph[2]:
        assert (cluster_of[wish.left] == cluster_of[wish.right]) == (wish.kind == "must_link")
