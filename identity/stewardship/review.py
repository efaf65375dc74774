"""What a steward is asked: pairs that lie close to the border, profiles that are held, evidence in contradiction. Pure.

A task has an id of what it is about, so that the same question has the same id after every resolution and one that
was decided does not come back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from identity.model import MICRO, Constraint
from infra.ids import ProfileId, RecordKey, content_digest

TaskKind = Literal["contradiction", "held", "borderline"]
Answer = Literal["same", "different", "skip"]
KINDS: tuple[TaskKind, ...] = ("contradiction", "held", "borderline")
ANSWERS: tuple[Answer, ...] = ("same", "different", "skip")

_WHY = {
    "below_threshold": "close to the border: a little less than joins two records",
    "above_threshold": "close to the border: only this tie holds two parts together, and it is a weak one",
    "mean_weight": "the pair fits, their other records do not fit well enough",
    "no_evidence": "the pair fits, nothing else joins their other records",
    "strong_negative": "much speaks for one person, and their records contradict each other",
    "ambiguous": "one of them fits somebody else just as well",
    "inside": "they are one person, and a comparison of the two contradicts it strongly",
    "must_link": "a steward tied them, and they are still two",
    "cannot_link": "a steward parted them, and they are still one",
    "waiting": "a steward's word waits: a record that it names is not resolved now",
}


@dataclass(frozen=True, slots=True)
class Task:
    """One question: about two records (an edge's ends), or about a whole profile, which then is `profile_id`."""

    id: str
    kind: TaskKind
    reason: str
    profile_id: ProfileId
    other_id: ProfileId | None = None
    left: RecordKey | None = None
    right: RecordKey | None = None
    weight_micro: int | None = None
    urgency: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """An edge as the queue looks at it, with the profiles of its ends."""

    left: RecordKey
    right: RecordKey
    weight_micro: int
    conflict_micro: int
    why: str
    left_profile: ProfileId
    right_profile: ProfileId


def pair_task(pair: Pair, kind: TaskKind, reason: str, border: int) -> Task:
    """Return the question whether two records are one person; the closer to the border, the more urgent."""
    distance = abs(pair.weight_micro - border)
    return Task(
        _id("pair", pair.left, pair.right),
        kind,
        reason,
        pair.left_profile,
        pair.right_profile if pair.right_profile != pair.left_profile else None,
        pair.left,
        pair.right,
        pair.weight_micro,
        distance if kind == "contradiction" else -distance,
    )


def held_task(profile_id: ProfileId, size: int, beyond: Sequence[str]) -> Task:
    """Return the question whether a held profile is one person; held for other reasons, it is another question."""
    return Task(_id("held", profile_id, *beyond), "held", ",".join(beyond), profile_id, urgency=size)


def word_task(wish: Constraint, reason: str, profile_id: ProfileId, other_id: ProfileId | None) -> Task:
    """Return the question what to do with a steward's word that is not obeyed."""
    return Task(
        _id("word", wish.kind, wish.left, wish.right), "contradiction", reason, profile_id, other_id, wish.left,
        wish.right, urgency=1_000 * MICRO,
    )  # fmt: skip


def refused(pairs: Iterable[Pair], border: int, window: int) -> list[Task]:
    """Return the questions about evidence that was not followed: for any two profiles the strongest pair."""
    best: dict[tuple[ProfileId, ProfileId], Pair] = {}
    for pair in pairs:
        ends = (min(pair.left_profile, pair.right_profile), max(pair.left_profile, pair.right_profile))
        known = best.get(ends)
        if known is None or (-pair.weight_micro, pair.left, pair.right) < (
            -known.weight_micro,
            known.left,
            known.right,
        ):
            best[ends] = pair
    return [
        pair_task(p, "contradiction" if p.weight_micro > border + window else "borderline", p.why, border)
        for p in best.values()
        if p.weight_micro >= border - window
    ]


def bridges(pairs: Iterable[Pair], border: int, window: int) -> list[Task]:
    """Return the questions about weak ties that alone hold two parts of a profile together.

    `pairs` are all that is kept inside the profiles; a tie that stronger ones make superfluous decides nothing.
    """
    parent: dict[RecordKey, RecordKey] = {}

    def root(key: RecordKey) -> RecordKey:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    found = []
    for pair in sorted(pairs, key=lambda p: (-p.weight_micro, p.left, p.right)):
        a, b = root(pair.left), root(pair.right)
        if a == b:
            continue
        parent[max(a, b)] = min(a, b)
        if border < pair.weight_micro <= border + window:
            found.append(pair_task(pair, "borderline", "above_threshold", border))
    return found


def queue(tasks: Iterable[Task], most: int) -> list[Task]:
    """Return the questions to ask, the most urgent first, no more than `most` of each kind."""
    ordered = sorted({t.id: t for t in tasks}.values(), key=lambda t: (KINDS.index(t.kind), -t.urgency, t.id))
    asked: dict[str, int] = {}
    taken = []
    for task in ordered:
        asked[task.kind] = asked.get(task.kind, 0) + 1
        if asked[task.kind] <= most:
            taken.append(task)
    return taken


def sentence(kind: str, reason: str) -> str:
    """Return why it is asked, for people."""
    if kind == "held":
        return "held: beyond its border in " + ", ".join(name.replace("_", " ") for name in reason.split(","))
    if reason.startswith("limit:"):
        return f"much speaks for one person, who would have too many values of {reason.removeprefix('limit:')}"
    if kind == "borderline" and reason == "strong_negative":
        return "close to the border, and their records contradict each other"
    return _WHY.get(reason, reason)


def _id(*about: str) -> str:
    return content_digest(about)[:16]
