"""Sessions: one rule, whatever the order in which moments became known, and the same kept up to date event by event."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles import render
from profiles.config import ProfileSettings, Trait
from profiles.online.sessions import Known, after, declared, together
from profiles.sessions import Session, reaching, sessions

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
GAP = timedelta(minutes=30)
ALIKE = {"r1": ("analytics", "service"), "r2": ("analytics",), "r3": ("service",)}
TRAITS = [
    Trait(name="visits", compute="session_count"),
    Trait(name="visits_7d", compute="session_count", window_days=7),
    Trait(name="visit_start", compute="session_start"),
    Trait(name="visit_end", compute="session_end"),
]
minutes = st.one_of(st.integers(0, 200), st.integers(0, 5_000).map(lambda n: n * 10), st.sampled_from([30, 60, 61, 90]))
moments = st.lists(minutes.map(lambda n: BEGIN + timedelta(minutes=n)), max_size=40)
things = st.lists(st.tuples(minutes, st.sampled_from(sorted(ALIKE))), min_size=1, max_size=60)


def by_neighbours(found: list[datetime]) -> int:
    """Return how many sessions there are: each begins with a moment that has none within a gap before it."""
    kept = set(found)
    return sum(all(not at - GAP <= other < at for other in kept) for at in kept)


@given(moments, st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing(found: list[datetime], chance: Any) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    whole = sessions(found, GAP)
    assert sessions(shuffled, GAP) == whole
    assert len(whole) == by_neighbours(found)
    assert all(right.first - left.last > GAP for left, right in pairwise(whole))


@given(moments, minutes)
def test_sessions_that_reach_into_a_window_are_those_of_its_moments(found: list[datetime], border: int) -> None:
    start = BEGIN + timedelta(minutes=border)
    assert reaching(sessions(found, GAP), start) == len(sessions([at for at in found if at > start], GAP))


def entry(minute: int, record: str) -> dict[str, Any]:
    return {"at": render.moment(BEGIN + timedelta(minutes=minute)), "record_key": record}


def cut(timeline: list[dict[str, Any]], length: int) -> list[dict[str, Any]]:
    kept, seen = [], dict.fromkeys(ALIKE.values(), 0)
    for one in sorted(timeline, key=lambda e: datetime.fromisoformat(e["at"]), reverse=True):
        seen[ALIKE[one["record_key"]]] += 1
        if seen[ALIKE[one["record_key"]]] <= length:
            kept.append(one)
    return kept


def lived(
    arrived: list[tuple[int, str]], purpose: str, length: int
) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """Return traits and timeline after things that arrive one by one, and whether all were of a time that is known."""
    traits: dict[str, Any] = {}
    timeline: list[dict[str, Any]] = []
    now, in_time = BEGIN, True
    for minute, record in arrived:
        at = BEGIN + timedelta(minutes=minute)
        if purpose in ALIKE[record]:
            before = Known.of(timeline, ALIKE, purpose, length)
            in_time = in_time and at >= before.since
            now = max(now, at)
            more = before.after([*timeline, entry(minute, record)], ALIKE, purpose)
            traits |= after(traits, (before, more), TRAITS, GAP, now)
        timeline = cut([*timeline, entry(minute, record)], length)
    return traits, timeline, in_time


def wanted(arrived: list[tuple[int, str]], purpose: str) -> dict[str, Any]:
    """Return what the rule makes of all that arrived."""
    mine = [BEGIN + timedelta(minutes=n) for n, record in arrived if purpose in ALIKE[record]]
    found: list[Session] = sessions(mine, GAP)
    if not found:
        return {}
    first, last = found[-1].first, found[-1].last
    return {
        "visits": len(found),
        "visit_start": f"{first:%Y-%m-%dT%H:%M:%SZ}", "visit_end": f"{last:%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip


def without_window(traits: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in traits.items() if name != "visits_7d"}


@given(things, st.sampled_from(["analytics", "service"]))
def test_any_order_comes_out_as_the_rule_while_the_timeline_shows_all(
    arrived: list[tuple[int, str]], purpose: str
) -> None:
    traits, _, _ = lived(arrived, purpose, 1_000)
    assert without_window(traits) == wanted(arrived, purpose)


@given(things, st.sampled_from(["analytics", "service"]), st.integers(1, 6))
def test_a_short_timeline_is_enough_for_what_is_not_older_than_it_shows(
    arrived: list[tuple[int, str]], purpose: str, length: int
) -> None:
    traits, _, in_time = lived(arrived, purpose, length)
    if in_time:
        assert without_window(traits) == wanted(arrived, purpose)
    # and in the order of time it always is
    traits, _, _ = lived(sorted(arrived), purpose, length)
    assert without_window(traits) == wanted(arrived, purpose)


@given(things)
def test_a_window_that_nothing_has_left_counts_as_the_rule(arrived: list[tuple[int, str]]) -> None:
    recent = [(minute % 10_000, record) for minute, record in arrived]
    traits, _, _ = lived(recent, "analytics", 1_000)
    assert traits.get("visits_7d") == traits.get("visits")


@given(things, things, st.sampled_from(["analytics", "service"]))
def test_two_pasts_that_come_together_are_one(
    left: list[tuple[int, str]], right: list[tuple[int, str]], purpose: str
) -> None:
    sides = [lived(arrived, purpose, 1_000) for arrived in (left, right)]
    known = tuple(Known.of(timeline, ALIKE, purpose, 1_000) for _, timeline, _ in sides)
    now = max([BEGIN, *known[0].moments, *known[1].moments])
    found = together((sides[0][0], sides[1][0]), (known[0], known[1]), TRAITS, GAP, now)
    assert {n: v for n, v in without_window(found).items() if v} == wanted([*left, *right], purpose)


def test_what_a_purpose_may_not_see_is_not_told() -> None:
    settings = ProfileSettings(traits=tuple(TRAITS))
    assert [trait.name for trait in declared(settings, {"visits"})] == ["visits_7d", "visit_start", "visit_end"]
