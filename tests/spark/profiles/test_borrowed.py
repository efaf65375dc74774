"""The plans behind merges and splits, on a handful of rows: who keeps which refusal, and what a merge cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consent.borrowed import lent
from consent.model import ConsentEntry
from infra.ids import Purpose, Sid

pytestmark = pytest.mark.spark

AT = datetime(2026, 2, 1, tzinfo=UTC)
SAID = (
    "token string, sid string, purpose string, action string, mechanism string, age_band string, received_at timestamp"
)
GRAPH = (
    "profile_id string, tokens array<struct<token:string,link:string>>, "
    "records array<struct<record_key:string,identifiers:array<struct<type:string,value:string,token:string>>>>"
)
EDGES = "left_key string, right_key string, weight_micro bigint, state string"


def person(name: str, **tokens: str) -> tuple[Any, ...]:
    """A person of the last build: `r1="ann"` is a record with the token of that name."""
    held = [(token, "own") for token in tokens.values()]
    return name, held, [(key, [("email", "", token)]) for key, token in tokens.items()]


def word(
    token: str | None, action: str, purpose: str = "ads", *, days: int = 0, band: str | None = None
) -> tuple[Any, ...]:
    return token, f"sid-{token}", purpose, action, "centre", band, AT + timedelta(days=days)


def test_who_parts_keeps_the_refusals_and_what_a_merge_cost_is_told(spark: Any) -> None:
    from pyspark.sql import functions as f

    from profiles.transforms import borrowed

    ledger = spark.createDataFrame(
        [word("ann", "given"), word("bob", "refused"), word("cat", "given", band="u13"), word(None, "refused"),
         word("bob", "refused", "news", days=9), word("bob", "given", days=9)],
        SAID,
    )  # fmt: skip
    words = borrowed.denying(ledger)
    assert sorted(row["token"] for row in words.collect()) == ["bob", "bob", "cat"]

    # Ann and Bob were one; now they are two, and Cat, whom Dora was taken for, is gone from her.
    graph = spark.createDataFrame([person("r1", r1="ann", r2="bob"), person("r3", r3="dora", r4="cat")], GRAPH)
    members = {"r1": "r1", "r2": "r2", "r3": "r3", "r4": "r4"}
    membership = spark.createDataFrame(list(members.items()), "record_key string, profile_id string")
    carried = spark.createDataFrame(
        [("r1", "ann"), ("r2", "bob"), ("r3", "dora"), ("r4", "cat")], "profile_id string, token string"
    )
    kept = spark.createDataFrame(
        [("r1", "sid-gone", AT, "r1", 1), ("r3", "sid-cat", AT - timedelta(days=5), "r3", 1)],
        "record_key string, sid string, until timestamp, profile_id string, batch bigint",
    )
    nothing = spark.createDataFrame([], "record_key string, sid string, at timestamp")

    def borrows(cleared: Any) -> Any:
        return borrowed.borrowed(
            kept, borrowed.held_before(graph, words), borrowed.held_by(carried, membership), words, membership, cleared,
            f.lit(AT), 2,
        )  # fmt: skip

    found = borrows(nothing).localCheckpoint()
    assert {(r["record_key"], r["sid"], r["batch"]) for r in found.collect()} == {
        ("r1", "sid-bob", 2), ("r3", "sid-cat", 2),
    }, "of whom the ledger no longer knows nothing is kept"  # fmt: skip
    let_go = spark.createDataFrame([("r1", "sid-bob", AT)], "record_key string, sid string, at timestamp")
    assert [row["record_key"] for row in borrows(let_go).collect()] == ["r3"]

    # As it stood when they parted: what he refuses later is his alone, what lifts counts.
    told = borrowed.ledger(ledger, found.where("sid = 'sid-bob'")).where("token LIKE 'sid-bob|%'").collect()
    assert sorted((row["action"], row["purpose"]) for row in told) == [("given", "ads"), ("refused", "ads")]
    said = [entry(n, row) for n, row in enumerate(ledger.where("sid = 'sid-bob'").collect())]
    assert len(lent(said, Sid("sid-bob"), AT)) == len(told), "as the rule in Python has it"

    held = spark.createDataFrame(
        [("r1", "ann", "own", "US", True), ("r2", "bob", "own", None, True), ("r3", "dora", "own", None, True),
         ("r3", "cat", "probable", None, True)],
        "group_id string, token string, link string, jurisdiction string, contact boolean",
    )  # fmt: skip
    more = borrowed.holders(found, held, words.select("token", "sid").distinct())
    assert more.columns == held.columns
    assert [(r["group_id"], r["token"].split("|")[0], r["link"]) for r in more.collect()] == [
        ("r1", "sid-bob", "parted")
    ]

    # And the other way: two people become one.
    apart = spark.createDataFrame([person("r1", r1="ann"), person("r2", r2="bob")], GRAPH)
    together = spark.createDataFrame([("r1", "r1"), ("r2", "r1")], "record_key string, profile_id string")
    decided = "profile_id string, purpose string, allowed boolean, reason string, policy_line string"
    before = spark.createDataFrame(
        [("r1", "ads", True, "consent", "p:1"), ("r2", "ads", False, "refused", "p:1")], decided
    )
    now = spark.createDataFrame([("r1", "ads", False, "refused", "p:1")], decided)
    one = spark.createDataFrame(
        [("r1", "ann", "own", None, True), ("r1", "bob", "probable", None, True)],
        "group_id string, token string, link string, jurisdiction string, contact boolean",
    )
    edges = spark.createDataFrame([("r1", "r2", 7, "kept"), ("r1", "r9", 9, "suppressed")], EDGES)
    changed = borrowed.changes(borrowed.moved(apart, together), before, now)
    blamed = borrowed.blamed(changed, one, borrowed.against_before(apart), words)
    (row,) = borrowed.bridged(blamed, apart, together, edges).collect()
    assert (row["kind"], row["was"], row["profile_id"], row["reason_before"]) == ("merge", "r1", "r1", "consent")
    assert (row["sids"], row["left_key"], row["right_key"]) == (["sid-bob"], "r1", "r2")


def entry(number: int, row: Any) -> ConsentEntry:
    return ConsentEntry(
        id=str(number), sid=Sid(row["sid"]), identifier_kind="email", purpose=Purpose(row["purpose"]),
        action=row["action"], mechanism=row["mechanism"], occurred_at=row["received_at"].astimezone(UTC),
        received_at=row["received_at"].astimezone(UTC), age_band=row["age_band"],
    )  # fmt: skip
