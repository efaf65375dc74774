"""Whole builds: what a purpose may not use leaves no trace in anything that its readers get, from facts to bytes."""

import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

PURPOSES = ("profiling", "service", "analytics", "personalization", "email_marketing", "advertising")
PEOPLE = ("r1", "r5", "i1")
# Records that only follow by likeness: purposes that want closer links, or rest on a grant, may not use them.
UNSEEN = ("r3", "r4")


def got(runtime: Any) -> dict[str, Any]:
    """Return all that each purpose's readers get of everybody, and which records it may use."""
    from consent.overlay import DenyOverlay
    from profiles.serving import ProfileReader, Published

    serving = runtime.workspace.serving_path
    overlay = DenyOverlay.open(serving)
    profiles = ProfileReader(Published(serving, time.monotonic), overlay)
    found: dict[str, Any] = {}
    for purpose in PURPOSES:
        headers = {person: profiles.header(person) for person in PEOPLE}  # type: ignore[arg-type]
        used = {k for h in headers.values() if h for k, one in h.records.items() if purpose in one.purposes}
        looks = [
            (profiles.tagged(p, purpose), profiles.timeline(p, purpose), profiles.graph(p, purpose))  # type: ignore[arg-type]
            for p in PEOPLE
        ]
        names = [profiles.search(word, purpose) for word in ("ann", "zed", "bob")]  # type: ignore[arg-type]
        found[purpose] = (frozenset(used), looks, names)
    overlay.close()
    return found


def changed(lake: Any) -> None:
    """Change everything that the unseen records say: values, dates, trust, what they bought, how they compare."""
    from pyspark.sql import functions as f

    from identity.tables import EDGES
    from ingestion.tables import EVENTS, RECORDS

    def write(table: Any, frame: Any) -> None:
        lake.overwrite(table, frame.localCheckpoint(), "changed")

    mine = f.col("record_key").isin(*UNSEEN)
    other = f.create_map(*[f.lit(x) for x in ("given_name", "Zed", "city", "Elsewhere", "birth_date", "1901-02-03")])
    records = lake.read(RECORDS).withColumns(
        {
            "attributes": f.when(mine, other).otherwise(f.col("attributes")),
            "observed_at": f.when(mine, f.timestamp_seconds(f.lit(1_760_000_000))).otherwise(f.col("observed_at")),
            "trust": f.when(mine, f.lit(0.99)).otherwise(f.col("trust")),
        }
    )
    write(RECORDS, records)
    events = lake.read(EVENTS)
    more = events.where(mine).withColumns(
        {
            "message_id": f.concat("message_id", f.lit("x")),
            "order_id": f.concat("order_id", f.lit("x")),
            "amount": f.col("amount") * 9,
        }
    )
    write(
        EVENTS,
        events.withColumn("amount", f.when(mine, f.col("amount") * 50).otherwise(f.col("amount"))).unionByName(more),
    )
    touched = f.col("left_key").isin(*UNSEEN) | f.col("right_key").isin(*UNSEEN)
    edges = lake.read(EDGES).withColumn(
        "weight_micro", f.when(touched & (f.col("state") == "kept"), f.lit(19_000_000)).otherwise(f.col("weight_micro"))
    )
    write(EDGES, edges)


def test_what_a_purpose_may_not_use_leaves_no_trace_in_a_build(shop: Callable[..., Any]) -> None:
    from profiles.jobs import build, publish

    first = shop(1)
    build(first, {})
    publish(first, {})
    before = got(first)
    second = shop(2)
    changed(second.lake)
    build(second, {})
    publish(second, {})
    after = got(second)
    blind = [purpose for purpose in PURPOSES if not before[purpose][0] & set(UNSEEN)]
    assert {"service", "personalization"} <= set(blind)
    for purpose in PURPOSES:
        assert before[purpose][0] == after[purpose][0], "who may use what is held fixed"
        if purpose in blind:
            assert before[purpose] == after[purpose], purpose
        else:
            assert before[purpose] != after[purpose], f"{purpose} sees the change, or the test is blind"
