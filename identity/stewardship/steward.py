"""A steward's desk: link, unlink and split, stored in the database and obeyed by every resolution after."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from sqlalchemy import Engine

from identity.clustering.cluster import Rules, bound_together, clusters
from identity.errors import Contradiction, NotParted, UnknownIdentity
from identity.model import Constraint, ConstraintKind, Edge, Node
from identity.stewardship import inbox, store, wishes
from identity.stewardship.review import Answer, Task
from identity.stewardship.store import StoredConstraint
from identity.tables import EDGES, MEMBERSHIP, PROFILE_ALIAS, RECORD_FEATURES, SUCCESSION
from infra import shelf
from infra.ids import ProfileId, RecordKey, content_digest
from infra.tables import Table

RESTS = timedelta(days=30)
"""How long a question rests that was skipped without a day."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a steward works: the database, the lake as last resolved, the rules of clustering."""

    engine: Engine
    lake: Path
    rules: Rules


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants it, why, since when and until when."""

    actor: str
    reason: str
    at: datetime
    expires_at: datetime | None = None


def link(desk: Desk, a: str, b: str, wish: Wish) -> tuple[StoredConstraint, ...]:
    """Bind two records (or profiles, by their anchors) together; raise `Contradiction` where that is forbidden."""
    left, right = anchor(desk, a), anchor(desk, b)
    made = _made("must_link", left, right, wish)
    # whole persons are tied: what parts any record of one from any of the other forbids it
    sides = [set(_members(desk, _profile(desk, key))) for key in (left, right)]
    parted = next(
        (s.constraint for s in store.standing(desk.engine, wish.at)
         if s.constraint.kind == "cannot_link" and _crosses(s.constraint, *sides)),
        None,
    )  # fmt: skip
    if parted is not None and sides[0] != sides[1]:
        raise Contradiction("must_link", left, right, f"{parted.left} and {parted.right} must stay apart")
    return _store(desk, [made], wish.at)


def unlink(desk: Desk, a: str, b: str, wish: Wish) -> tuple[StoredConstraint, ...]:
    """Keep two records (or profiles, by their anchors) apart; raise `Contradiction` where they are bound."""
    return part(desk, [anchor(desk, a)], [anchor(desk, b)], wish)


def part(desk: Desk, left: Collection[str], right: Collection[str], wish: Wish) -> tuple[StoredConstraint, ...]:
    """Keep every record of one side apart from every one of the other.

    A steward's tie between the two sides, or between what the evidence puts with them, ends: the newest word counts.
    Raise `Contradiction` where they are bound over a third.
    """
    ours, theirs = ({RecordKey(key) for key in side} for side in (left, right))
    if ours & theirs:
        raise NotParted
    wanted = wishes.apart(ours, theirs, actor=wish.actor, reason=wish.reason, at=wish.at, expires_at=wish.expires_at)
    standing = store.standing(desk.engine, wish.at)
    groups = _groups(desk, ours | theirs, [*(s.constraint for s in standing), *wanted])
    mine, others = ({groups.get(key, key) for key in side} for side in (ours, theirs))
    ended = [
        s.id
        for s in standing
        if s.constraint.kind == "must_link" and _crosses(_between(s.constraint, groups), mine, others)
    ]
    kept = [_between(s.constraint, groups) for s in standing if s.constraint.kind == "must_link" and s.id not in ended]
    bound = bound_together(kept)
    for key, other in ((x, y) for x in sorted(mine) for y in sorted(others)):
        if bound.get(key, key) == bound.get(other, other):
            raise Contradiction("cannot_link", min(ours), min(theirs), "they are bound by must-links")
    return _store(desk, wanted, wish.at, ended)


def split(desk: Desk, reference: str, wish: Wish, records: Sequence[str] = ()) -> tuple[StoredConstraint, ...]:
    """Take records out of their profile for good; without `records` the profile is cut at its weakest merge.

    `reference` is a profile id, or the record to take out. Must-links across the cut end: the newest word counts.
    """
    profile = _profile(desk, reference)
    members = _members(desk, profile)
    standing = store.standing(desk.engine, wish.at)
    part = {RecordKey(r) for r in records} or ({RecordKey(reference)} if reference != profile else set())
    if not part:
        nodes, edges = _evidence(desk, members)
        groups = wishes.parts_of(nodes, edges, [s.constraint for s in standing], desk.rules)
        held_by = _holder(desk, profile, members)
        part = {key for key in members if groups[key] != groups[held_by]}
    unknown = sorted(part - set(members))
    if unknown:
        raise UnknownIdentity(unknown[0])
    rest = set(members) - part
    crossing = [s.id for s in standing if s.constraint.kind == "must_link" and _crosses(s.constraint, part, rest)]
    wanted = wishes.apart(part, rest, actor=wish.actor, reason=wish.reason, at=wish.at, expires_at=wish.expires_at)
    return _store(desk, wanted, wish.at, crossing)


def withdraw(desk: Desk, constraint_id: str, at: datetime) -> None:
    """End a constraint; what it held is judged by the evidence again at the next resolution."""
    store.add(desk.engine, [], [constraint_id], at)


def decide(desk: Desk, task: Task, answer: Answer, wish: Wish) -> tuple[StoredConstraint, ...]:
    """Answer a question of the review queue and keep the answer; what cannot be done is raised, and nothing is kept."""
    made = () if answer == "skip" else _answered(desk, task, answer, wish)
    # no answer is none for good: the question comes back
    ends = wish.at + RESTS if answer == "skip" and wish.expires_at is None else wish.expires_at
    inbox.record(desk.engine, inbox.Decided(task.id, answer, wish.actor, wish.reason, wish.at, ends))
    return made


def _answered(desk: Desk, task: Task, answer: Answer, wish: Wish) -> tuple[StoredConstraint, ...]:
    if task.left and task.right:
        return (
            link(desk, task.left, task.right, wish) if answer == "same" else unlink(desk, task.left, task.right, wish)
        )
    if answer == "different":
        return split(desk, task.profile_id, wish)
    profile = _profile(desk, task.profile_id)
    members = _members(desk, profile)
    first = _holder(desk, profile, members)
    return _store(desk, [_made("must_link", first, key, wish) for key in members if key != first], wish.at)


def _groups(desk: Desk, keys: set[RecordKey], constraints: Sequence[Constraint]) -> Mapping[RecordKey, RecordKey]:
    """Return what the evidence alone, and what keeps apart, makes of the profiles that these records are in."""
    profiles = sorted({row["profile_id"] for row in _rows(desk, MEMBERSHIP, "record_key", sorted(keys))})
    members = sorted(RecordKey(row["record_key"]) for row in _rows(desk, MEMBERSHIP, "profile_id", profiles))
    nodes, edges = _evidence(desk, members)
    parted = [c for c in constraints if c.kind == "cannot_link"]
    return clusters(nodes, edges, parted, desk.rules).cluster_of


def _between(wish: Constraint, groups: Mapping[RecordKey, RecordKey]) -> Constraint:
    left, right = sorted((groups.get(wish.left, wish.left), groups.get(wish.right, wish.right)))
    return Constraint(wish.kind, left, right)


def anchor(desk: Desk, reference: str) -> RecordKey:
    """Return the record that a record key, a profile id or an alias stands for."""
    if _rows(desk, MEMBERSHIP, "record_key", [reference]):
        return RecordKey(reference)
    profile = _profile(desk, reference)
    return _holder(desk, profile, _members(desk, profile))


def _holder(desk: Desk, profile: ProfileId, members: Sequence[RecordKey]) -> RecordKey:
    """Return the member that holds the profile's name: the record of that name, or the newest heir of one that is gone."""
    wills = [] if RecordKey(profile) in members else _rows(desk, SUCCESSION, "id", [profile])
    newest = max(wills, key=lambda row: int(row["batch"]), default={"heir": profile})
    return RecordKey(newest["heir"])


def _profile(desk: Desk, reference: str) -> ProfileId:
    """Return the living profile that is called so, had been called so, or has the record."""
    if _rows(desk, MEMBERSHIP, "profile_id", [reference]):
        return ProfileId(reference)
    held = _rows(desk, MEMBERSHIP, "record_key", [reference])
    if held:
        return ProfileId(held[0]["profile_id"])
    aliased = _rows(desk, PROFILE_ALIAS, "alias_id", [reference])
    if len(aliased) == 1:
        return ProfileId(aliased[0]["profile_id"])
    raise UnknownIdentity(reference)


def _members(desk: Desk, profile: ProfileId) -> list[RecordKey]:
    return sorted(RecordKey(row["record_key"]) for row in _rows(desk, MEMBERSHIP, "profile_id", [profile]))


def _evidence(desk: Desk, members: list[RecordKey]) -> tuple[list[Node], list[Edge]]:
    inside = set(members)
    nodes = [
        Node(RecordKey(r["record_key"]), r["known"], r["bare"])
        for r in _rows(desk, RECORD_FEATURES, "record_key", members)
    ]
    edges = [
        Edge(RecordKey(r["left_key"]), RecordKey(r["right_key"]), r["weight_micro"], r["conflict_micro"])
        for r in _rows(desk, EDGES, "left_key", members)
        if r["right_key"] in inside
    ]
    return nodes, edges


def _rows(desk: Desk, table: Table, column: str, values: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shelf.lookup(desk.lake, table, pc.field(column).isin(list(values))).to_pylist()
    return found


def _made(kind: ConstraintKind, a: RecordKey, b: RecordKey, wish: Wish) -> Constraint:
    return wishes.constraint(kind, a, b, actor=wish.actor, reason=wish.reason, at=wish.at, expires_at=wish.expires_at)


def _crosses(wish: Constraint, part: set[RecordKey], rest: set[RecordKey]) -> bool:
    return (wish.left in part and wish.right in rest) or (wish.right in part and wish.left in rest)


def _store(
    desk: Desk, wanted: Sequence[Constraint], at: datetime, withdrawn: Sequence[str] = ()
) -> tuple[StoredConstraint, ...]:
    standing = [s.constraint for s in store.standing(desk.engine, at) if s.id not in set(withdrawn)]
    for wish in wanted:
        wishes.check(wish, standing)
        standing.append(wish)
    stored = tuple(StoredConstraint(_id(wish), wish) for wish in wanted)
    store.add(desk.engine, stored, withdrawn, at)
    return stored


def _id(wish: Constraint) -> str:
    return content_digest([wish.kind, wish.left, wish.right, wish.actor, wish.created_at])[:32]
