"""Tenancies: they lie one after another, tie whoever overlaps, and depend on nothing but the sightings."""

from dataclasses import replace
from typing import Any, cast

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.cookies.validity import Sighting, holder, shared, tenancies
from identity.engine import tenancy
from identity.engine.local import Local
from infra.ids import RecordKey, Token

DAY = 86_400


def day(number: int) -> int:
    return 1_767_225_600 + number * DAY


sighting = st.builds(
    lambda token, record, first, length: Sighting(Token(token), RecordKey(record), day(first), day(first + length)),
    st.sampled_from("pq"),
    st.sampled_from("abcdefg"),
    st.integers(0, 60),
    st.integers(0, 15),
)
sightings = st.lists(sighting, max_size=12)
pauses = st.integers(0, 20).map(lambda days: days * DAY)


@given(sightings, pauses)
def test_tenancies_of_a_value_follow_each_other_and_hold_every_record_once(found: list[Sighting], pause: int) -> None:
    for token in {s.token for s in found}:
        mine = [t for t in tenancies(found, pause) if t.token == token]
        assert [t.until for t in mine] == [*(t.since for t in mine[1:]), None]
        assert [t.since for t in mine] == sorted({t.since for t in mine})
        held = [record for t in mine for record in t.records]
        assert sorted(held) == sorted({s.record for s in found if s.token == token})


@given(sightings, pauses)
def test_who_is_tied_is_who_hangs_together_by_stretches_that_nearly_touch(found: list[Sighting], pause: int) -> None:
    """By hand: hulls of each record, pairs of them with no longer gap than the pause, closed over any number of steps."""
    expected = set()
    for token in {s.token for s in found}:
        hull: dict[RecordKey, tuple[int, int]] = {}
        for s in found:
            if s.token == token:
                a, b = hull.get(s.record, (s.first, s.last))
                hull[s.record] = min(a, s.first), max(b, s.last)
        group = {record: {record} for record in hull}
        for x in hull:
            for y in hull:
                if max(hull[x][0], hull[y][0]) - min(hull[x][1], hull[y][1]) <= pause:
                    both = group[x] | group[y]
                    for record in both:
                        group[record] = both
        expected |= {(x, y) for x in hull for y in group[x] if x < y}
    assert shared(found, pause) == expected


@given(sightings, pauses, st.randoms())
def test_the_order_of_sightings_does_not_matter(found: list[Sighting], pause: int, order: object) -> None:
    before = tenancies(found, pause)
    order.shuffle(found)  # type: ignore[attr-defined]
    assert tenancies(found, pause) == before


@given(sightings, sighting, pauses)
def test_a_sighting_more_or_a_longer_pause_takes_no_tie_away(found: list[Sighting], more: Sighting, pause: int) -> None:
    assert shared(found, pause) <= shared([*found, more], pause)
    assert shared(found, pause) <= shared(found, pause + 3 * DAY)


@given(sightings, pauses, st.integers(-5, 90))
def test_at_every_moment_since_the_first_sighting_a_value_is_one_holders(
    found: list[Sighting], pause: int, at: int
) -> None:
    held = tenancies(found, pause)
    for token in {s.token for s in found}:
        first = min(s.first for s in found if s.token == token)
        current = [
            t for t in held if t.token == token and t.since <= day(at) and (t.until is None or day(at) < t.until)
        ]
        assert len(current) == (1 if day(at) >= first else 0)
        assert holder(held, token, day(at)) == (current[0] if current else None)


def hulls(found: list[Sighting]) -> list[tuple[str, str, int, int]]:
    """Return each record's one stretch of each value, as postings hold it."""
    ends: dict[tuple[str, str], tuple[int, int]] = {}
    for s in found:
        a, b = ends.get((s.token, s.record), (s.first, s.last))
        ends[s.token, s.record] = min(a, s.first), max(b, s.last)
    return [(token, record, *span) for (token, record), span in ends.items()]


@pytest.fixture(scope="module")
def steps() -> Local:
    return Local(duckdb.connect(), *[cast("Any", None)] * 3)


def lay(steps: Local, pause: int, kept: list[Sighting], came: list[Sighting], gone: list[Sighting]) -> None:
    """Make the tables that the engine's steps read: one rule with a pause, one block a value."""
    blocks = {"p": 1, "q": 2}
    steps.connection.execute(f"CREATE OR REPLACE TABLE cap AS SELECT 1 AS rule, 100 AS cap, {pause} AS pause")
    columns = "rule BIGINT, block BIGINT, record_key VARCHAR, seen_from BIGINT, seen_to BIGINT, came BOOLEAN"
    for table in ("near", "old_posting"):
        steps.connection.execute(f"CREATE OR REPLACE TABLE {table} ({columns})")
    for table, found, new in (("near", kept, False), ("near", came, True), ("old_posting", gone, False)):
        for token, record, first, last in hulls(found):
            row = [1, blocks[token], record, first, last, new]
            steps.connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", row)
    steps.connection.execute("CREATE OR REPLACE TABLE active AS SELECT DISTINCT rule, block FROM near")


@settings(max_examples=60)
@given(sightings, pauses)
def test_the_engine_ties_whom_the_pure_rule_ties(steps: Local, found: list[Sighting], pause: int) -> None:
    lay(steps, pause, found, [], [])
    tenancy.find_tenancies(steps)
    tied = steps.connection.execute(
        f"WITH held AS ({tenancy.told_apart('near')}) SELECT DISTINCT a.record_key, b.record_key FROM held a JOIN held b "
        "ON a.block = b.block AND a.tenancy = b.tenancy AND a.record_key < b.record_key"
    ).fetchall()
    assert set(tied) == shared(found, pause)


@settings(max_examples=60)
@given(sightings, sightings, sightings, pauses)
def test_where_a_change_ties_or_parts_others_their_block_is_stirred(
    steps: Local, kept: list[Sighting], came: list[Sighting], gone: list[Sighting], pause: int
) -> None:
    came, gone = ([replace(s, record=RecordKey(f"x{s.record}")) for s in some] for some in (came, gone))
    lay(steps, pause, kept, came, gone)
    tenancy.find_stirred(steps)
    stirred = {block for (block,) in steps.connection.execute("SELECT block FROM stirred").fetchall()}
    for token, block in (("p", 1), ("q", 2)):
        before, now = (
            {pair for pair in shared([s for s in [*kept, *other] if s.token == token], pause) if max(pair) < "x"}
            for other in (gone, came)
        )
        assert before == now or block in stirred
