"""A decision over HTTP's port: what is answered, what is logged, and what a stranger gets."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine

from activation import serving, store
from activation.answer import NextBest, trait_texts
from activation.config import load_activation
from activation.errors import PayloadMismatch, UnknownDecision, WrongPurpose
from infra.database import open_database
from infra.ids import ProfileId, Purpose
from infra.workspace import Workspace

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
DECISION = """
decision: next
purpose: personalization
campaigns: {repeats: yearly}
eligible: [{where: {all: [{trait: orders, op: ">=", value: 2}, {audience: regulars}]}}]
caps: [{contacts: 1, per: 7d}]
holdout: 0
score: {no_action: 0}
explore: {epsilon: 0}
recommend: 2
"""
AUDIENCE = "audience: regulars\npurpose: personalization\nwhere: {trait: orders, op: exists}\n"
VIEW = {
    "traits": {"orders": 3, "spend": 12.5, "member": True, "favourites": ["BEER", "MILK"], "gone": None},
    "audiences": ["regulars"],
    "consent": {"purpose": "personalization", "allowed": True, "reason": "consent", "policy": "policy.yaml:9"},
}


def item(product: str) -> bytes:
    near = [["milk", 0.5], ["beer", 0.4]]
    said = {"product_id": product, "label": product.title(), "category": "DRINKS", "rank": 1, "neighbours": near}
    return json.dumps(said).encode()


class Shelf:
    """A serving generation in memory."""

    def __init__(self) -> None:
        days = {"starts_on": "2017-03-01", "ends_on": "2017-04-01"}
        campaign = {**days, "attributes": {}, "categories": {"DRINKS": 1.0}, "redeemers": 3, "reached": 50}
        sold = [
            {"product_id": name, "label": name.title(), "category": "", "rank": rank}
            for rank, name in enumerate(("tea", "milk", "rum"), 1)
        ]
        habit = {"product_id": "milk", "score": 2.5, "interval_days": 7.0, "last_at": "2017-12-30T00:00:00+00:00"}
        self.rows: dict[bytes, bytes] = {
            serving.META: b'{"identity_version": 7}',
            serving.CAMPAIGN + b"8": json.dumps(campaign).encode(),
            serving.POPULAR: json.dumps(sold).encode(),
            serving.item_key("tea"): item("tea"),
            serving.item_key("milk"): item("milk"),
            serving.again_key("p1"): json.dumps({"items": [habit], "likes": {"DRINKS": 0.9}}).encode(),
        }

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def snapshot(self) -> "Shelf":
        return self

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((key, value) for key, value in sorted(self.rows.items()) if key.startswith(prefix))


class Views:
    """One person who allows personalization and nothing else."""

    def over(self, store: Any) -> "Views":
        assert store
        return self

    def view(self, profile_id: ProfileId, purpose: Purpose) -> bytes | None:
        return json.dumps(VIEW).encode() if (profile_id, purpose) == ("p1", "personalization") else None


@pytest.fixture
def database() -> Engine:
    return open_database("sqlite://", store.METADATA)


@pytest.fixture
def decider(written: Callable[..., Workspace], database: Engine) -> NextBest:
    found = load_activation(written(audiences__regulars=AUDIENCE, decisions__next=DECISION))
    shelf, numbers = Shelf(), count(1)
    return NextBest(found, lambda: shelf, Views(), database, b"k" * 32, "policy-1", lambda: f"d{next(numbers)}")


def ask(decider: NextBest, profile: str | None, *, at: datetime = NOW, **context: Any) -> Any:
    request = {"profile_id": profile, "purpose": "personalization", "decision": None, "context": context}
    return decider.decide(request, at=at)


def test_a_person_who_allows_it_gets_a_choice_and_suggestions(decider: NextBest) -> None:
    answer = ask(decider, "p1", channel="web", basket=["tea"])
    assert (answer["chosen"], answer["propensity"], answer["because"]) == ("8", 1.0, "epsilon")
    suggested = {name: [one["label"] for one in many] for name, many in answer["recommendations"].items()}
    assert suggested == {"buy_again": ["Milk"], "bought_together": ["Milk", "beer"], "popular": ["Milk", "Rum"]}
    assert answer["consent"] == {"allowed": True, "reason": "consent", "policy_line": "policy.yaml:9"}
    assert (answer["identity_version"], answer["policy_version"]) == (7, "policy-1")


def test_the_decision_is_in_the_log_before_it_is_given(decider: NextBest, database: Engine) -> None:
    answer = ask(decider, "p1", basket=["tea"])
    row = store.logged(database, answer["decision_id"])
    assert row is not None
    assert (row["profile_id"], row["choice"], row["at"]) == ("p1", "8", NOW)
    assert {one["campaign"] for one in row["candidates"]} == {"8", "no_action"}
    assert row["context"]["basket"] == ["tea"]
    assert store.logged(database, "unknown") is None


def test_contacts_in_the_log_fill_the_cap(decider: NextBest) -> None:
    assert ask(decider, "p1")["chosen"] == "8"
    again = ask(decider, "p1", at=NOW + timedelta(days=1))
    assert (again["chosen"], again["because"]) == ("no_action", "cap")
    assert ask(decider, "p1", at=NOW + timedelta(days=8))["chosen"] == "8"


def test_a_stranger_gets_what_everybody_gets(decider: NextBest, database: Engine) -> None:
    answer = ask(decider, "p2", basket=["tea"])
    assert (answer["chosen"], answer["because"], answer["consent"]["allowed"]) == ("no_action", "consent", False)
    assert answer["recommendations"]["buy_again"] == []
    assert answer["recommendations"]["popular"] != []
    row = store.logged(database, answer["decision_id"])
    assert row is not None
    assert row["profile_id"] == ""
    assert list(store.decisions(database)) == []


def test_the_moment_asked_for_decides_what_runs(decider: NextBest) -> None:
    assert ask(decider, "p1", time=datetime(2031, 7, 1, tzinfo=UTC))["because"] == "nothing eligible"


def test_a_decision_is_made_under_its_own_purpose(decider: NextBest) -> None:
    with pytest.raises(WrongPurpose, match="made under 'personalization', not 'service'"):
        decider.decide({"profile_id": "p1", "purpose": "service", "decision": "next"}, at=NOW)
    with pytest.raises(UnknownDecision, match="no decision 'other'; declared: next"):
        decider.decide({"profile_id": "p1", "purpose": "service", "decision": "other"}, at=NOW)


def test_logging_twice_is_logging_once(decider: NextBest, database: Engine) -> None:
    first = ask(decider, "p1")
    repeated = NextBest(
        decider.activation,
        decider.shelf,
        decider.views,
        database,
        decider.key,
        "policy-1",
        lambda: first["decision_id"],
    )
    ask(repeated, "p1", at=NOW + timedelta(days=30))
    assert [len(rows) for rows in store.decisions(database)] == [1]


def test_traits_are_spelled_as_in_the_lake() -> None:
    expected = {"orders": "3", "spend": "12.50", "member": "true", "favourites": "BEER|MILK"}
    assert trait_texts(VIEW["traits"]) == expected  # type: ignore[arg-type]


def test_an_entry_of_another_release_is_named() -> None:
    shelf = Shelf()
    shelf.rows[serving.CAMPAIGN + b"9"] = b"{}"
    with pytest.raises(PayloadMismatch, match=r"c\|campaign\|9"):
        serving.campaigns(shelf)
