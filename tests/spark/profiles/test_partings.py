"""A merge lends refusals, a split takes back grants and leaves refusals until they are cleared: whole builds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

pytestmark = pytest.mark.spark

ANN, BOB = "1:email:ann@example.org", "1:email:bob@example.net"
APART = {"r1": "r1", "r2": "r1", "r3": "r1", "r4": "r1", "r5": "r5", "r6": "r5"}
TOGETHER = dict.fromkeys(APART, "r1")
BRIDGE = ("r1", "r5", 6_000_000, "attributes", "kept")


def word(token: str, purpose: str, action: str, at: datetime) -> dict[str, Any]:
    return {
        "id": f"{token}{purpose}{action}{at}", "sid": f"sid-{token}", "token": token, "identifier_kind": "email",
        "controller": "self", "purpose": purpose, "action": action, "mechanism": "banner", "asserted_by": "subject",
        "occurred_at": at, "received_at": at,
    }  # fmt: skip


class World:
    """Runs one after the other over one lake, each with its own memberships and words."""

    def __init__(self, shop: Callable[..., Any]) -> None:
        self._first, self._number = shop(1, []), 0

    def build(self, members: Mapping[str, str], words: list[dict[str, Any]], *, days: int) -> Any:
        from consent.screen import record_decisions
        from consent.tables import CONSENT_EVENT
        from identity import tables as identity
        from infra.lake import Lake
        from infra.together import together
        from profiles.jobs import build
        from profiles.tables import TABLES

        self._number += 1
        first, spark = self._first, self._first.lake.spark
        lake = Lake(spark, first.lake.root, self._number, first.lake.versions(TABLES))
        at = first.run.started_at + timedelta(days=days)
        run = replace(first.run, id=f"run-{self._number}", number=self._number, started_at=at)
        runtime = replace(first, lake=lake, run=run)

        def write(table: Any, rows: list[dict[str, Any]]) -> None:
            names = [column.name for column in table.columns()]
            tuples = [tuple(row.get(name) for name in names) for row in rows]
            lake.overwrite(table, spark.createDataFrame(tuples, lake.schema(table)), "test")

        common = {"component": "c", "known": True, "since_batch": 1}
        health = {"density": 1.0, "negative_share": 0.0, "births": 1, "forenames": 1, "phones": 1}
        index = [
            {"profile_id": p, "anchor": p, "size": sum(q == p for q in members.values()), "confidence": 0.9,
             "status": "live", **common, **health}
            for p in sorted(set(members.values()))
        ]  # fmt: skip
        edge = dict(zip(("left_key", "right_key", "weight_micro", "kind", "state"), BRIDGE, strict=True))
        rest = {"conflict_micro": 0, "rule_mask": 1, "component": "c", "model_version": "m", "reasons": [], "why": ""}
        together(
            partial(write, CONSENT_EVENT, words),
            partial(
                write, identity.MEMBERSHIP, [dict(record_key=k, profile_id=p, **common) for k, p in members.items()]
            ),
            partial(write, identity.PROFILE_INDEX, index),
            partial(write, identity.EDGES, [{**edge, **rest}] if members["r5"] == "r1" else []),
        )
        features, ledger = lake.read(identity.RECORD_FEATURES), lake.read(CONSENT_EVENT)
        policy = runtime_policy(runtime)
        decided = record_decisions(features, ledger, policy, policy.purposes, at)
        lake.overwrite(identity.RECORD_CONSENT, decided, "test")
        build(runtime, {})
        return runtime


def runtime_policy(runtime: Any) -> Any:
    from consent.config import load_policy

    return load_policy(runtime.workspace)


def rows(runtime: Any, table: Any) -> list[dict[str, Any]]:
    from infra import shelf

    found: list[dict[str, Any]] = shelf.reader(runtime.workspace.lake_path, table).read_all().to_pylist()
    return found


def answers(runtime: Any, purpose: str) -> dict[str, tuple[bool, str]]:
    from profiles.tables import PROFILE_CONSENT

    found = (row for row in rows(runtime, PROFILE_CONSENT) if row["purpose"] == purpose)
    return {row["profile_id"]: (row["allowed"], row["reason"]) for row in found}


START = datetime(2026, 2, 1, tzinfo=UTC)
WORDS = [
    word(ANN, "personalization", "given", START),
    word(BOB, "personalization", "refused", START),
    word(BOB, "email_marketing", "given", START),
]


def merged_and_parted(world: World) -> None:
    from profiles.tables import BORROWED_REFUSALS, CONSENT_CHANGES

    words = WORDS
    first = world.build(APART, words, days=0)
    assert answers(first, "personalization") == {"r1": (True, "consent"), "r5": (False, "refused")}
    assert rows(first, BORROWED_REFUSALS) == rows(first, CONSENT_CHANGES) == []

    second = world.build(TOGETHER, words, days=1)
    assert answers(second, "personalization") == {"r1": (False, "refused")}
    assert answers(second, "email_marketing") == {"r1": (True, "consent")}
    told = {(c["was"], c["purpose"]): c for c in rows(second, CONSENT_CHANGES)}
    lost = told["r1", "personalization"]
    assert (lost["kind"], lost["batch"], lost["reason_before"], lost["reason"]) == ("merge", 2, "consent", "refused")
    assert (lost["sids"], lost["left_key"], lost["right_key"]) == ([f"sid-{BOB}"], "r1", "r5")
    assert told["r1", "email_marketing"]["allowed"], "what one address allows is told, too"

    third = world.build(APART, words, days=2)
    assert answers(third, "personalization") == {"r1": (False, "refused"), "r5": (False, "refused")}
    assert answers(third, "email_marketing")["r1"] == (False, "no_consent"), "a borrowed grant goes at once"
    kept = {(row["record_key"], row["sid"]) for row in rows(third, BORROWED_REFUSALS)}
    assert kept == {(f"r{n}", f"sid-{BOB}") for n in range(1, 5)}


@pytest.mark.nightly
def test_kept_refusals_stand_as_they_did_until_they_are_lifted_or_cleared(shop: Callable[..., Any]) -> None:
    from consent.clearing import Clearing, clear
    from profiles.tables import BORROWED_REFUSALS

    world, words, start = World(shop), WORDS, START
    merged_and_parted(world)
    # What he says later is no longer hers, and what he takes back no longer closes her.
    later = [*words, word(BOB, "analytics", "objected", start + timedelta(days=40))]
    fourth = world.build(APART, later, days=20)
    assert answers(fourth, "analytics") == {"r1": (True, "legitimate_interest"), "r5": (False, "objected")}
    assert answers(fourth, "personalization")["r1"] == (False, "refused")
    lifted = [*later, word(BOB, "personalization", "given", start + timedelta(days=41))]
    assert answers(world.build(APART, lifted, days=21), "personalization")["r1"] == (True, "consent")

    fifth = world.build(APART, later, days=22)
    assert answers(fifth, "personalization")["r1"] == (False, "refused")
    at = fifth.run.started_at
    clear(
        fifth.database, [(f"c{n}", Clearing(f"r{n}", f"sid-{BOB}", at)) for n in range(1, 5)], actor="o", reason="two"
    )  # type: ignore[arg-type]
    last = world.build(APART, later, days=23)
    assert answers(last, "personalization") == {"r1": (True, "consent"), "r5": (False, "refused")}
    assert rows(last, BORROWED_REFUSALS) == []
