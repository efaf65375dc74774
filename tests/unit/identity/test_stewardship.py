"""A steward's wishes: stored, checked against what stands, ended by a newer word."""

from datetime import UTC, datetime, timedelta

import pytest

from identity.clustering.cluster import Rules
from identity.errors import Contradiction
from identity.model import MICRO, Constraint, Edge, Node
from identity.stewardship import store
from identity.stewardship.store import StoredConstraint
from identity.stewardship.wishes import apart, bound_together, check, constraint, parts_of
from infra.database import open_database
from infra.ids import RecordKey

NOW = datetime(2026, 11, 1, tzinfo=UTC)
A, B, C = RecordKey("a"), RecordKey("b"), RecordKey("c")


def must(x: RecordKey, y: RecordKey) -> Constraint:
    return Constraint("must_link", x, y, "ann", "same signature", NOW)


def cannot(x: RecordKey, y: RecordKey) -> Constraint:
    return Constraint("cannot_link", x, y, "ann", "two passports", NOW)


def test_a_link_across_what_must_stay_apart_fails_the_action() -> None:
    with pytest.raises(Contradiction, match="must stay apart"):
        check(must(B, C), [must(A, B), cannot(A, C)])


def test_parting_what_is_bound_over_two_steps_fails_too() -> None:
    with pytest.raises(Contradiction, match="bound by must-links") as caught:
        check(cannot(A, C), [must(A, B), must(B, C)])
    assert caught.value.facts()["kind"] == "cannot_link"


def test_wishes_that_agree_pass() -> None:
    check(must(A, B), [cannot(A, C)])
    check(cannot(B, C), [must(A, B)])


def test_bound_together_follows_steps() -> None:
    assert bound_together([must(B, C), must(A, B), cannot(A, RecordKey("d"))]) == {A: A, B: A, C: A}


def test_a_part_is_held_away_from_every_one_of_the_rest() -> None:
    wishes = apart([A], [A, B, C], actor="ann", reason="r", at=NOW, expires_at=None)
    assert [(w.kind, w.left, w.right) for w in wishes] == [("cannot_link", A, B), ("cannot_link", A, C)]


def test_what_only_a_steward_bound_falls_apart_along_it() -> None:
    nodes = [Node(A), Node(B), Node(C)]
    groups = parts_of(nodes, [Edge(A, B, 9 * MICRO)], [must(B, C)], Rules())
    assert groups[A] == groups[B] != groups[C]


def test_the_database_keeps_wishes_and_their_end() -> None:
    engine = open_database("sqlite://", store.METADATA)
    wish = constraint("must_link", B, A, actor="ann", reason="r", at=NOW, expires_at=NOW + timedelta(days=1))
    store.add(engine, [StoredConstraint("1", wish), StoredConstraint("2", cannot(A, C))], [], NOW)
    store.add(engine, [StoredConstraint("1", wish)], [], NOW)
    assert [s.id for s in store.standing(engine, NOW)] == ["1", "2"]
    assert [s.id for s in store.standing(engine, NOW + timedelta(days=2))] == ["2"]
    store.add(engine, [], ["2"], NOW + timedelta(hours=1))
    assert [s.id for s in store.standing(engine, NOW + timedelta(hours=2))] == ["1"]
    kept = store.standing(engine, NOW)[0].constraint
    assert (kept.left, kept.right, kept.created_at) == (A, B, NOW)
    assert kept.stands(NOW)
    assert not kept.stands(NOW + timedelta(days=1))
