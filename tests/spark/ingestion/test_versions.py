"""The laws of versions, on random histories in random batches."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as f

from ingestion.versions import exceptions, fresh_lines, known_lines, shared_slots, verdicts

pytestmark = pytest.mark.spark

START = datetime(2026, 1, 1, tzinfo=UTC)
ROW = "key string, content_hash string, at timestamp, file string, position bigint"
KNOWN = "key string, content_hash string, at timestamp, sequence bigint"

rows = st.tuples(st.sampled_from("kl"), st.sampled_from("ABC"), st.integers(0, 3))
histories = st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=3)


@dataclass(frozen=True)
class Version:
    key: str
    content: str
    at: datetime
    sequence: int


Take = Callable[..., list[Version]]


@pytest.fixture(scope="module")
def take(spark: Any) -> Take:
    """Return a function that takes a batch in and returns the versions that it accepted."""

    def run(
        known: list[Version],
        batch: list[tuple[str, str, int]],
        number: int,
        dated: bool,  # noqa: FBT001
        *,
        once: bool = False,
    ) -> list[Version]:
        arrived = START + timedelta(days=100 + number)
        told = [
            (key, content, START + timedelta(days=day) if dated else arrived, "f", position)
            for position, (key, content, day) in enumerate(batch)
        ]
        broken = f.lit(None).cast("struct<field:string,rule:string>").alias("broken")
        marks = {"source": f.lit("s"), "dated": f.lit(dated), "record": f.lit("person"), "status": f.lit("accepted")}
        marks["once"] = f.lit(once)
        fresh = spark.createDataFrame(told, ROW).select("*", broken).withColumns(marks)
        before = spark.createDataFrame([(v.key, v.content, v.at, v.sequence) for v in known], KNOWN)
        known_before = known_lines(before.withColumn("source", f.lit("s")), "key", "at", ["s"] if dated else [])
        lines = fresh_lines(fresh).unionByName(known_before)
        judged = verdicts(fresh, exceptions(lines, shared_slots(lines)))
        accepted = judged.where("verdict = 'accepted'").select("key", "content_hash", "at", "turn", "changed").collect()
        assert all(row.changed == (row.key in {v.key for v in known} or row.turn > 1) for row in accepted)
        return [
            Version(row.key, row.content_hash, row.at.astimezone(UTC), number * 1_000 + row.turn) for row in accepted
        ]

    return run


@given(history=histories, dated=st.booleans())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_nothing_is_lost_nothing_comes_twice_and_the_last_word_stands(
    take: Take,
    history: list[list[tuple[str, str, int]]],
    dated: bool,  # noqa: FBT001
) -> None:
    known: list[Version] = []
    for number, batch in enumerate(history):
        known += take(known, batch, number, dated)
        assert {(v.key, v.content) for v in known} >= {(key, content) for key, content, _ in batch}
        assert len({(v.key, v.sequence) for v in known}) == len(known)
        current = {v.key: v.content for v in sorted(known, key=lambda v: (v.at, v.sequence))}
        if not dated:
            assert all(current[key] == content for key, content in {key: c for key, c, _ in batch}.items())
        assert take(known, batch, number + 1, dated) == []
    if dated:
        told = [row for batch in history for row in batch]
        for key, content in current.items():
            newest = max(day for k, _, day in told if k == key)
            assert content in {said for k, said, day in told if (k, day) == (key, newest)}


@given(history=histories)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
def test_a_key_that_comes_once_keeps_its_first_word(take: Take, history: list[list[tuple[str, str, int]]]) -> None:
    known: list[Version] = []
    for number, batch in enumerate(history):
        known += take(known, batch, number, True, once=True)
        first = {key: content for key, content, _ in reversed([row for one in history[: number + 1] for row in one])}
        assert {v.key: v.content for v in known} == first
        assert len(known) == len(first)
