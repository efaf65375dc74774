"""Stories that clustering must get right: spouses, twins, kitchen-drawer cards, kiosks, steward's words."""

import pytest

from identity.clustering.cluster import Rules, clusters, halves
from identity.clustering.limits import Limit
from identity.model import MICRO, Constraint, Edge, Node, Seen
from infra.ids import RecordKey, Token

RULES = Rules()


def node(key: str, *, known: bool = True, bare: bool = False, **limited: str) -> Node:
    return Node(RecordKey(key), known, bare, frozenset(Seen(kind, Token(value)) for kind, value in limited.items()))


def edge(left: str, right: str, bits: float, conflict: float = 0.0) -> Edge:
    return Edge(RecordKey(left), RecordKey(right), round(bits * MICRO), round(conflict * MICRO))


def together(nodes: list[Node], edges: list[Edge], *constraints: Constraint, rules: Rules = RULES) -> list[set[str]]:
    found: dict[str, set[str]] = {}
    for key, cluster in clusters(nodes, edges, constraints, rules).cluster_of.items():
        found.setdefault(cluster, set()).add(key)
    return sorted(found.values(), key=min)


def test_strong_evidence_makes_one_person() -> None:
    assert together([node("a"), node("b"), node("c")], [edge("a", "b", 9), edge("b", "c", 8)]) == [{"a", "b", "c"}]


def test_spouses_with_one_mailbox_stay_two() -> None:
    nodes = [node("ann1"), node("ann2"), node("bob1"), node("bob2")]
    edges = [
        edge("ann1", "ann2", 15),
        edge("bob1", "bob2", 15),
        edge("ann2", "bob1", 2, -1),
        edge("ann1", "bob2", -9, -9),
    ]
    assert together(nodes, edges) == [{"ann1", "ann2"}, {"bob1", "bob2"}]


def test_a_card_follows_the_one_who_has_it() -> None:
    nodes = [node("ann"), node("bob"), node("card", bare=True)]
    assert together(nodes, [edge("ann", "card", 4), edge("ann", "bob", -6, -6)]) == [{"ann", "card"}, {"bob"}]


def test_a_card_that_two_people_show_follows_nobody_and_joins_nobody() -> None:
    nodes = [node("ann"), node("bob"), node("card", bare=True)]
    outcome = clusters(nodes, [edge("ann", "card", 4), edge("bob", "card", 4)], [], RULES)
    assert len(set(outcome.cluster_of.values())) == 3
    assert {v.why for v in outcome.verdicts} == {"shared"}


def test_a_visitor_follows_the_one_login_and_joins_no_two() -> None:
    logins = [node("in1", bare=True), node("in2", bare=True)]
    visitor = node("visitor", known=False, bare=True)
    one, two = edge("in1", "visitor", 2), edge("in2", "visitor", 2)
    assert together([*logins, visitor], [one]) == [{"in1", "visitor"}, {"in2"}]
    assert together([*logins, visitor], [one, two]) == [{"in1"}, {"in2"}, {"visitor"}]
    # who the logins are is settled first: both may be of the one whom the visitor then follows
    ann = [edge("ann", "in1", 12), edge("ann", "in2", 12)]
    assert together([node("ann"), *logins, visitor], [one, two, *ann]) == [{"ann", "in1", "in2", "visitor"}]


def test_the_better_evidence_decides_whom_a_card_follows() -> None:
    nodes = [node("ann"), node("bob"), node("card", bare=True)]
    assert together(nodes, [edge("ann", "card", 12), edge("bob", "card", 4)]) == [{"ann", "card"}, {"bob"}]


def test_what_fits_father_and_son_alike_stays_alone() -> None:
    nodes = [node("father"), node("son"), node("unsure")]
    edges = [edge("father", "son", -7, -7), edge("father", "unsure", 4, 4), edge("son", "unsure", 4, 4)]
    outcome = clusters(nodes, edges, [], RULES)
    assert len(set(outcome.cluster_of.values())) == 3
    assert {v.why for v in outcome.verdicts if v.right == "unsure"} == {"ambiguous"}


def test_a_limit_keeps_a_third_value_out() -> None:
    nodes = [node("a", customer="1"), node("b", customer="2"), node("c", customer="3")]
    outcome = clusters(nodes, [edge("a", "b", 9), edge("b", "c", 5)], [], Rules(limits={"customer": Limit(2)}))
    assert outcome.cluster_of["a"] == outcome.cluster_of["b"] != outcome.cluster_of["c"]
    assert outcome.verdicts[1].why == "limit:customer"


def test_a_limit_within_days_lets_a_life_pass_and_keeps_a_week_out() -> None:
    def phones(*days: int) -> list[Node]:
        names = zip("abc", days, strict=True)
        return [
            Node(RecordKey(k), limited=frozenset({Seen("phone", Token(k), d * 86_400, d * 86_400)})) for k, d in names
        ]

    edges, rules = [edge("a", "b", 9), edge("b", "c", 5)], Rules(limits={"phone": Limit(2, 7)})
    assert len(set(clusters(phones(0, 400, 900), edges, [], rules).cluster_of.values())) == 1
    outcome = clusters(phones(0, 2, 4), edges, [], rules)
    assert outcome.cluster_of["a"] == outcome.cluster_of["b"] != outcome.cluster_of["c"]
    assert outcome.verdicts[1].why == "limit:phone"


def test_a_steward_binds_and_parts() -> None:
    must = Constraint("must_link", RecordKey("a"), RecordKey("b"))
    cannot = Constraint("cannot_link", RecordKey("b"), RecordKey("c"))
    nodes = [node("a"), node("b"), node("c")]
    assert together(nodes, [edge("b", "c", 20)], must, cannot) == [{"a", "b"}, {"c"}]


def test_what_a_steward_parted_stays_apart_though_their_other_records_are_tied() -> None:
    must = Constraint("must_link", RecordKey("a1"), RecordKey("b1"))
    cannot = Constraint("cannot_link", RecordKey("a2"), RecordKey("b2"))
    nodes = [node(k) for k in ("a1", "a2", "b1", "b2")]
    edges = [edge("a1", "a2", 9), edge("b1", "b2", 8)]
    # the stronger tie comes first; the other would bring b2 to what a2 is one with
    assert together(nodes, edges, must, cannot) == [{"a1", "a2", "b1"}, {"b2"}]
    assert clusters(nodes, edges, [must, cannot], RULES).verdicts[1].why == "cannot_link"


def test_a_constraint_on_a_record_that_is_gone_waits() -> None:
    gone = Constraint("must_link", RecordKey("a"), RecordKey("gone"))
    assert together([node("a"), node("b")], [edge("a", "b", 9)], gone) == [{"a", "b"}]


@pytest.mark.parametrize(
    ("conflict", "persons"), [(-12, 2), (-1, 1)], ids=["a contradiction forbids it", "a mild one does not"]
)
def test_one_strong_contradiction_forbids_a_merge(conflict: float, persons: int) -> None:
    nodes = [node(k) for k in ("a1", "a2", "b1", "b2")]
    edges = [edge("a1", "a2", 12), edge("b1", "b2", 12), edge("a1", "b1", 8), edge("a2", "b2", -12, conflict)]
    assert len(together(nodes, edges)) == persons


def test_a_profile_is_cut_at_its_weakest_merge() -> None:
    nodes = [node(k) for k in ("a1", "a2", "b1", "b2")]
    edges = [edge("a1", "a2", 12), edge("b1", "b2", 12), edge("a2", "b1", 2)]
    parts = halves(nodes, edges, RULES)
    assert parts["a1"] == parts["a2"] != parts["b1"] == parts["b2"]
