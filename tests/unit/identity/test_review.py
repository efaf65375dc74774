"""The review queue: what is asked, in which order, and that an answer ends the asking."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from sqlalchemy import Engine

from identity.config import IdentityConfig, overridden, rules
from identity.errors import Contradiction, NotParted, UnknownTask
from identity.model import MICRO, Constraint
from identity.stewardship import inbox, queue, review, steward, store
from identity.stewardship.review import Pair, Task
from infra.database import open_database
from infra.ids import ProfileId, RecordKey

NOW = datetime(2026, 11, 1, tzinfo=UTC)
# whose profile each record is in
MEMBERS = {"a1": "a1", "a2": "a1", "a3": "a1", "b1": "b1", "b2": "b1", "c1": "c1", "d1": "d1"}
# the ends, bits, the conflict's bits, what became of it
EDGES = [
    ("a1", "a2", 9.0, 0.0, "kept", ""),
    ("a1", "a3", 1.4, 0.0, "kept", ""),
    ("b1", "b2", 6.0, -4.0, "kept", ""),
    ("a1", "b1", 0.5, -1.0, "suppressed", "below_threshold"),
    ("a2", "b1", 0.2, -1.0, "suppressed", "below_threshold"),
    ("a1", "c1", 8.0, -9.0, "suppressed", "strong_negative"),
    ("b1", "c1", 8.0, 0.0, "suppressed", "shared"),
    ("a1", "d1", -2.0, 0.0, "suppressed", "below_threshold"),
]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    members = [{"record_key": k, "profile_id": p} for k, p in MEMBERS.items()]
    write_deltalake(str(tmp_path / "membership"), pa.Table.from_pylist(members))
    rows = [
        {
            "left_key": a,
            "right_key": b,
            "weight_micro": int(w * MICRO),
            "conflict_micro": int(c * MICRO),
            "state": s,
            "why": y,
        }
        for a, b, w, c, s, y in EDGES
    ]
    write_deltalake(str(tmp_path / "edges"), pa.Table.from_pylist(rows))
    names = ("size", "density", "weakest_micro", "negative_share", "births", "forenames", "phones")
    index = [
        {"profile_id": p, "status": "held" if p == "b1" else "live"}
        | dict(zip(names, (2, 1.0, MICRO, 0.0, births, 1, 1), strict=True))
        for p, births in (("a1", 1), ("b1", 5), ("c1", 1), ("d1", 1))
    ]
    write_deltalake(str(tmp_path / "profile_index"), pa.Table.from_pylist(index))
    features = [{"record_key": k, "known": True, "bare": False} for k in MEMBERS]
    write_deltalake(str(tmp_path / "record_features"), pa.Table.from_pylist(features))
    alias = pa.schema([("alias_id", pa.string()), ("profile_id", pa.string())])
    write_deltalake(str(tmp_path / "profile_alias"), alias.empty_table())
    return tmp_path


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = open_database("sqlite://", store.METADATA)
    yield engine
    engine.dispose()


@pytest.fixture
def desk(engine: Engine, lake: Path, identity_config: IdentityConfig) -> steward.Desk:
    return steward.Desk(engine, lake, rules(identity_config))


def asked(lake: Path, config: IdentityConfig, *words: Constraint) -> list[tuple[str, str, Any]]:
    return [(t.kind, t.reason, t.left or t.profile_id) for t in queue.tasks(lake, config, words)]


def wish(until: datetime | None = None) -> steward.Wish:
    return steward.Wish("ann", "looked at both", NOW, until)


def test_contradictions_held_profiles_and_borderline_pairs_are_asked_about(
    lake: Path, identity_config: IdentityConfig
) -> None:
    assert asked(lake, identity_config) == [
        ("contradiction", "strong_negative", "a1"),
        ("contradiction", "inside", "b1"),
        ("held", "births", "b1"),
        # the weak tie that alone holds a3; of two pairs between the same profiles the better one
        ("borderline", "above_threshold", "a1"),
        ("borderline", "below_threshold", "a1"),
    ]
    narrow = overridden(identity_config, {"review.window": "0.45", "review.most": "1"})
    assert asked(lake, narrow) == [
        ("contradiction", "strong_negative", "a1"), ("held", "births", "b1"), ("borderline", "above_threshold", "a1"),
    ]  # fmt: skip


def test_a_word_that_waits_or_is_not_obeyed_is_asked_about(lake: Path, identity_config: IdentityConfig) -> None:
    told = asked(
        lake,
        identity_config,
        Constraint("must_link", RecordKey("a1"), RecordKey("c1")),
        Constraint("cannot_link", RecordKey("a1"), RecordKey("a2")),
        Constraint("must_link", RecordKey("a1"), RecordKey("gone")),
        Constraint("must_link", RecordKey("a2"), RecordKey("a3")),
    )
    assert {(kind, reason) for kind, reason, _ in told[:3]} == {
        ("contradiction", "must_link"), ("contradiction", "cannot_link"), ("contradiction", "waiting"),
    }  # fmt: skip


def test_the_same_question_has_the_same_id_and_another_reason_to_hold_is_another() -> None:
    def pair(bits: float, profile: str) -> Task:
        made = Pair(
            RecordKey("a"), RecordKey("b"), int(bits * MICRO), 0, "mean_weight", ProfileId("a"), ProfileId(profile)
        )
        return review.pair_task(made, "borderline", "mean_weight", MICRO)

    assert pair(0.5, "b").id == pair(1.5, "c").id
    held = [review.held_task(ProfileId("p"), 9, over).id for over in (["births"], ["births"], ["births", "phones"])]
    assert held[0] == held[1] != held[2]


def test_an_answer_ends_the_asking_until_it_expires(desk: steward.Desk, identity_config: IdentityConfig) -> None:
    tasks = queue.tasks(desk.lake, identity_config, [])
    inbox.refresh(desk.engine, tasks, NOW)
    assert inbox.counts(desk.engine, NOW) == {"contradiction": 2, "held": 1, "borderline": 2}
    first, second, *_ = inbox.waiting(desk.engine, NOW)
    assert [first.id, second.id] == [t.id for t in tasks[:2]]
    steward.decide(desk, first, "skip", wish(NOW + timedelta(days=7)))
    (made,) = steward.decide(desk, second, "different", wish())
    assert (made.constraint.kind, made.constraint.left, made.constraint.right) == ("cannot_link", "b1", "b2")
    inbox.refresh(desk.engine, tasks, NOW + timedelta(days=1))
    later = [t.id for t in inbox.waiting(desk.engine, NOW + timedelta(days=1))]
    assert later == [t.id for t in tasks[2:]]
    assert first.id in [t.id for t in inbox.waiting(desk.engine, NOW + timedelta(days=8))]
    assert [(d.answer, d.actor) for d in inbox.history(desk.engine)] == [("skip", "ann"), ("different", "ann")]
    assert [t.id for t in inbox.waiting(desk.engine, NOW, kind="held")] == [tasks[2].id]
    with pytest.raises(UnknownTask):
        inbox.task(desk.engine, "nothing")


def test_a_question_that_was_skipped_without_a_day_comes_back(desk: steward.Desk) -> None:
    held = review.held_task(ProfileId("a1"), 3, ["births"])
    inbox.refresh(desk.engine, [held], NOW)
    steward.decide(desk, held, "skip", wish())
    assert inbox.waiting(desk.engine, NOW + timedelta(days=29)) == []
    assert len(inbox.waiting(desk.engine, NOW + timedelta(days=31))) == 1


def test_a_held_profile_is_tied_whole_or_split(desk: steward.Desk) -> None:
    held = review.held_task(ProfileId("a1"), 3, ["births"])
    made = steward.decide(desk, held, "same", wish())
    assert [(m.constraint.kind, m.constraint.left, m.constraint.right) for m in made] == [
        ("must_link", "a1", "a2"), ("must_link", "a1", "a3"),
    ]  # fmt: skip
    parted = steward.decide(desk, held, "different", wish())
    assert {(m.constraint.left, m.constraint.right) for m in parted} == {("a1", "a3"), ("a2", "a3")}


def test_a_contradiction_fails_the_answer_and_keeps_nothing(
    desk: steward.Desk, identity_config: IdentityConfig
) -> None:
    steward.unlink(desk, "a2", "c1", wish())
    task = next(t for t in queue.tasks(desk.lake, identity_config, []) if t.reason == "strong_negative")
    with pytest.raises(Contradiction, match="must stay apart"):
        steward.decide(desk, task, "same", wish())
    assert inbox.history(desk.engine) == []
    assert len(store.standing(desk.engine, NOW)) == 1


def test_parting_takes_back_what_a_steward_tied_even_by_other_records(desk: steward.Desk) -> None:
    (tied,) = steward.link(desk, "a1", "c1", wish())
    # a2 is one person with a1 by evidence: parting a2 from c1 ends the tie of a1 and c1
    steward.part(desk, ["a2"], ["c1"], wish())
    assert tied.id not in [s.id for s in store.standing(desk.engine, NOW)]


def test_what_is_bound_over_a_third_is_not_parted_and_nothing_is_kept(desk: steward.Desk) -> None:
    steward.link(desk, "c1", "d1", wish())
    steward.link(desk, "b1", "d1", wish())
    with pytest.raises(Contradiction, match="bound by must-links"):
        steward.unlink(desk, "b1", "c1", wish())
    assert [s.constraint.kind for s in store.standing(desk.engine, NOW)] == ["must_link", "must_link"]


def test_a_record_is_not_parted_from_itself(desk: steward.Desk) -> None:
    with pytest.raises(NotParted):
        steward.part(desk, ["a1", "a2"], ["a2"], wish())
