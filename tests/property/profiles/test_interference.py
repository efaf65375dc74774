"""Consent is non-interference: what a purpose may not use leaves no trace in anything that its readers get.

The rules themselves are held here, with who belongs together and who may use what held fixed; a night test does the
same with whole builds in Spark.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from activation.model import All, Comparison, Facts, Happened, Occurrence, Trait
from activation.select import selected
from infra.ids import ProfileId, Purpose
from profiles import render
from profiles.model import Claim
from profiles.serving import (
    ProfileReader,
    graph_key,
    header_key,
    holders_key,
    search_key,
    timeline_key,
    view_key,
)
from profiles.stored import packed
from profiles.survive import survivor

PURPOSES = ("service", "ads")
START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = ("most_frequent", "most_trusted", "most_recent")
ANN = ProfileId("a" * 32)

words = st.sampled_from(("Ann", "Anne", "Bea", "Baker", "Akron", "x", ""))
days = st.integers(0, 40).map(lambda n: START + timedelta(days=n))


@dataclass(frozen=True)
class Said:
    """What a record says: all that a mutation may change."""

    given_name: str
    city: str
    email: str
    at: datetime
    trust: float
    bought: tuple[tuple[datetime, float], ...]
    weight: int


said = st.builds(
    Said,
    given_name=words,
    city=words,
    email=st.sampled_from(("a@example.org", "b@example.com", "c@example.net")),
    at=days,
    trust=st.sampled_from((0.1, 0.5, 0.9)),
    bought=st.lists(st.tuples(days, st.sampled_from((1.0, 9.5))), max_size=4).map(tuple),
    weight=st.integers(-9_000_000, 20_000_000),
)


@dataclass(frozen=True)
class Record:
    key: str
    purposes: tuple[str, ...]
    said: Said


@st.composite
def people(draw: st.DrawFn) -> tuple[Record, ...]:
    many = draw(st.integers(1, 5))
    return tuple(
        Record(f"r{n}", tuple(sorted(draw(st.sets(st.sampled_from(PURPOSES))))), draw(said)) for n in range(many)
    )


@dataclass
class Memory:
    """The serving store as a dictionary."""

    held: dict[bytes, bytes] = field(default_factory=dict)
    name: str = "g"

    def get(self, key: bytes) -> bytes | None:
        return self.held.get(key)

    def values(self, *keys: bytes) -> list[bytes | None]:
        return [self.held.get(key) for key in keys]

    def snapshot(self) -> "Memory":
        return self

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted((k, v) for k, v in self.held.items() if k.startswith(prefix)))


class NobodyDenied:
    def denied_any(self, _tokens: Any, _purpose: str) -> bool:
        return False


def view(records: tuple[Record, ...], purpose: str) -> dict[str, Any] | None:
    usable = [one for one in records if purpose in one.purposes]
    if not usable:
        return None
    attributes = []
    for name in ("given_name", "city", "email"):
        claims = [
            Claim(getattr(r.said, name), "crm", r.key, r.said.at, r.said.trust) for r in usable if getattr(r.said, name)
        ]
        best = survivor(claims, RULES)
        if best is not None:
            attributes.append(
                {"name": name, "value": best.claim.value, "source": "crm", "record_key": best.claim.record_key,
                 "observed_at": best.claim.observed_at, "rule": best.rule, "confidence": best.confidence}
            )  # fmt: skip
    left_out = [{"field": "*", "because": "consent"}] if len(usable) < len(records) else []
    orders = sum(len(r.said.bought) for r in usable)
    return {
        "profile_id": ANN, "purpose": purpose, "as_of": START, "attributes": attributes,
        "traits": [("orders", str(orders))],
        "identifiers": [{"type": "email", "value": r.said.email} for r in usable], "reason": "consent",
        "policy_line": "policy.yaml:1", "withheld": left_out, "confidence": 1.0,
    }  # fmt: skip


def graph(records: tuple[Record, ...]) -> dict[str, Any]:
    def drawn(one: Record) -> dict[str, Any]:
        email = {"type": "email", "value": one.said.email, "token": f"1:{one.said.email}"}
        told = {"given_name": one.said.given_name, "city": one.said.city}
        return {
            "record_key": one.key, "source": "crm", "key": one.key, "kind": "person", "known": True, "link": "own",
            "observed_at": one.said.at, "attributes": told, "identifiers": [email], "purposes": list(one.purposes),
        }  # fmt: skip

    def tie(left: Record, right: Record) -> dict[str, Any]:
        weight = left.said.weight + right.said.weight
        reasons = [{"comparison": "given_name", "level": left.said.given_name, "weight_micro": weight}]
        return {"left": left.key, "right": right.key, "weight_micro": weight, "kind": "both", "state": "kept",
                "why": "", "reasons": reasons, "elsewhere": None}  # fmt: skip

    pairs = pairwise(records)
    mean = sum(one.said.weight for one in records) / len(records)
    return {
        "profile_id": ANN, "anchor": records[0].key, "known": True, "size": len(records), "confidence": mean,
        "tokens": [], "records": [drawn(one) for one in records], "edges": [tie(*pair) for pair in pairs],
    }  # fmt: skip


def served(records: tuple[Record, ...]) -> ProfileReader:
    store = Memory()
    for purpose in PURPOSES:
        row = view(records, purpose)
        if row is not None:
            tag, body = render.view(row, {"orders": "whole"}, ())
            store.held[view_key(purpose, ANN)] = packed(tag, body, b"")
            for word in render.search_words(row["attributes"]):
                store.held[search_key(purpose, word, ANN)] = b""
    drawn = graph(records)
    store.held[header_key(ANN)], store.held[graph_key(ANN)] = render.header(drawn), render.graph(drawn)
    store.held[holders_key(ANN)] = b""
    happened = sorted(((at, one.key, amount) for one in records for at, amount in one.said.bought), reverse=True)
    entries = [
        {"at": at, "kind": "order", "source": "crm", "record_key": key, "name": "order", "channel": None,
         "order_id": None, "amount": amount, "line_count": 0, "lines": [], "details": {}}
        for at, key, amount in happened
    ]  # fmt: skip
    store.held[timeline_key(ANN)] = render.timeline({"entries": entries})
    return ProfileReader(lambda: store, NobodyDenied())


def chosen(records: tuple[Record, ...], purpose: str) -> bool:
    """Say whether an audience of the purpose takes the person, by what it may see of them."""
    row = view(records, purpose)
    traits: Mapping[str, str] = (
        {} if row is None else {**{a["name"]: a["value"] for a in row["attributes"]}, **dict(row["traits"])}
    )
    acts = tuple(
        Occurrence("order", f"{one.key}-{n}", at, amount)
        for one in records if purpose in one.purposes for n, (at, amount) in enumerate(one.said.bought)
    )  # fmt: skip
    condition = All((Trait(Comparison("city", "==", "Akron")), Happened("order")))
    return selected(condition, Facts(traits, acts), START + timedelta(days=50))


def everything(records: tuple[Record, ...], purpose: str) -> tuple[Any, ...]:
    profiles, wanted = served(records), Purpose(purpose)
    found = [profiles.search(word, wanted) for word in ("ann", "anne", "bea", "x")]
    looks = (profiles.tagged(ANN, wanted), profiles.timeline(ANN, wanted), profiles.graph(ANN, wanted))
    return (*looks, found, chosen(records, purpose))


@given(people(), st.sampled_from(PURPOSES), st.lists(said, min_size=5, max_size=5))
def test_what_a_purpose_may_not_use_leaves_no_trace_in_what_it_gets(
    records: tuple[Record, ...], purpose: str, others: list[Said]
) -> None:
    changed = tuple(
        one if purpose in one.purposes else replace(one, said=other)
        for one, other in zip(records, others, strict=False)
    )
    assert everything(changed, purpose) == everything(records, purpose)
