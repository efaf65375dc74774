"""What few fresh rows are held against is what their keys name, and the verdicts are those of the whole base."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from ingestion.versions import exceptions, near, shared_slots

pytestmark = pytest.mark.spark

LINE = (
    "source string, slot string, content_hash string, at timestamp, dated boolean, once boolean, fresh boolean, "
    "sequence bigint, record_key string, file string, position bigint"
)


def lines(random: Random, count: int, slots: int, *, fresh: bool) -> list[tuple[Any, ...]]:
    found = []
    for number in range(count):
        source = random.choice(["plain", "dated", "once"])
        at = datetime(2026, 1, random.randrange(1, 28), tzinfo=UTC) + timedelta(hours=number % 5)
        own = (source == "dated", fresh and source == "once", fresh)
        place = ("f", number) if fresh else (None, None)
        slot = f"{random.choice('aq')}|{random.randrange(slots)}"
        found.append((source, slot, f"c{number % 3}", at, *own, None if fresh else number, f"r{slot}", *place))
    return found


def test_narrowing_what_is_known_changes_no_verdict(spark: Any) -> None:
    random = Random(11)  # noqa: S311 - a seed, no secret
    fresh = spark.createDataFrame(lines(random, 80, 90, fresh=True), LINE)
    known = spark.createDataFrame(lines(random, 600, 400, fresh=False), LINE)

    def told(before: Any) -> list[str]:
        both = fresh.unionByName(before)
        return sorted(str(row.asDict()) for row in exceptions(both, shared_slots(both)).collect())

    few = near(known, fresh)
    assert told(few) == told(known)
    assert 0 < few.count() < known.count() / 2
    assert len(told(few)) > 20
