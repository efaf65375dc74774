"""The scorecard: counted by hand on a few records, on Delta tables without a JVM."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from identity.errors import NoTruth
from identity.quality import costs, evaluate, groupings
from identity.quality.breakdown import Housemates, Rates

STREETS = {"a1": "1 OAK", "a2": "1 OAK", "b1": "1 OAK", "a3": "2 ELM"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))
# key, email, true person, shared, profile
PEOPLE = [
    ("a1", "ann@example.org", "ann", False, "p1"),
    ("a2", "ann@example.org", "ann", False, "p1"),
    ("a3", "a.other@example.org", "ann", False, "p2"),
    ("b1", "bob@example.org", "bob", False, "p1"),
    ("b2", "bob@example.org", "bob", False, "p3"),
    ("card", None, "bob", True, "p3"),
]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    root = tmp_path / "lake"
    rows = [
        {
            "record_key": key, "source": "crm", "key": key, "bare": False, "given_name": person, "family_name": "x",
            "birth_date": None, "postcode": None, "street": STREETS.get(key), "phones": [], "emails": [email] if email else [],
            "identifiers": [{"type": "email", "value": email, "token": f"1:{email}"}] if email else [],
        }
        for key, email, person, _, _ in PEOPLE
    ]  # fmt: skip
    schema = pa.schema(
        [
            (n, pa.string())
            for n in ("record_key", "source", "key", "given_name", "family_name", "birth_date", "postcode", "street")
        ]
        + [("bare", pa.bool_()), ("emails", pa.list_(pa.string())), ("phones", pa.list_(pa.string()))]
        + [("identifiers", VALUES)]
    )
    write_deltalake(str(root / "record_features"), pa.Table.from_pylist(rows, schema=schema))
    members = [{"record_key": key, "profile_id": profile} for key, _, _, _, profile in PEOPLE]
    write_deltalake(str(root / "membership"), pa.Table.from_pylist(members))
    bought = [("m1", "a1", "o1", 10.0), ("m2", "b1", "o2", 20.0), ("m3", "card", "o3", 30.0), ("m4", "a3", "o4", 5.0)]
    events = [
        {
            "record_key": key, "source": "crm", "message_id": message, "order_id": order, "amount": amount,
            "occurred_at": NOW, "version": 0,
        }
        for message, key, order, amount in bought
    ]  # fmt: skip
    write_deltalake(str(root / "events"), pa.Table.from_pylist(events))
    words = [("ann@example.org", "given"), ("a.other@example.org", "refused"), ("bob@example.org", "given")]
    said = [
        {"token": f"1:{email}", "purpose": "email_marketing", "channel": None, "action": action, "occurred_at": NOW}
        for email, action in words
    ]
    schema = pa.schema(
        [(n, pa.string()) for n in ("token", "purpose", "channel", "action")]
        + [("occurred_at", pa.timestamp("us", "UTC"))]
    )
    write_deltalake(str(root / "consent_event"), pa.Table.from_pylist(said, schema=schema))
    return root


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    root = tmp_path / "truth"
    root.mkdir()
    lines = [f"crm,{key},{person},{str(shared).lower()}" for key, _, person, shared, _ in PEOPLE]
    (root / "records.csv").write_text("\n".join(["source,key,person_id,shared", *lines, "crm,gone,ann,false", ""]))
    (root / "traps.csv").write_text(
        "trap,source_a,key_a,source_b,key_b,same\nspouses,crm,a1,crm,b1,false\nspouses,crm,a1,crm,a2,true\n"
    )
    (root / "refusals.csv").write_text("person_id,purpose,channel,standing\nann,email_marketing,,true\n")
    whose = pa.table(
        {"source": ["crm"] * 4, "message_id": ["m1", "m2", "m3", "m4"], "person_id": ["ann", "bob", "bob", "ann"]}
    )
    pq.write_table(whose, root / "events.parquet")
    return root


def scored(lake: Path, truth: Path) -> evaluate.Scorecard:
    return evaluate.score(lake, truth)


def test_pairs_are_counted_by_hand(lake: Path, truth: Path) -> None:
    card = scored(lake, truth)
    ours, silos, email = (card.accuracy[name] for name in ("kindred", "silos", "exact_email"))
    # together: a1-a2 (right), a1-b1, a2-b1 (wrong); true pairs: three of Ann's, one of Bob's
    assert (ours.precision, ours.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 4))
    assert (ours.groups, ours.largest) == (3, 3)
    assert (silos.precision, silos.recall, silos.f1) == (1.0, 0.0, 0.0)
    assert (email.precision, email.recall) == (1.0, pytest.approx(2 / 4))
    # B-cubed precision: a1, a2 have 2 of 3, a3 is right, b1 has 1 of 3, b2 is right
    assert ours.cubed_precision == pytest.approx((2 / 3 + 2 / 3 + 1 + 1 / 3 + 1) / 5)
    assert (card.records, card.people, card.shared, card.unresolved) == (5, 2, 1, 1)


def test_traps_and_costs_are_counted_by_hand(lake: Path, truth: Path) -> None:
    card = scored(lake, truth)
    assert card.traps["spouses"]["kindred"] == (0, 1)
    assert card.traps["spouses (same)"]["kindred"] == (1, 1)
    assert card.traps["spouses"]["silos"] == (1, 1)
    # the refusal stands under an address that nothing ties to Ann's other records: she is mailed
    assert card.costs[costs.MAILED]["kindred"] == 1
    # o2 is Bob's and lies in Ann's profile
    assert card.costs[costs.WRONG]["kindred"] == 1
    assert card.costs[costs.WRONG]["silos"] == 0
    assert card.costs[costs.APART]["kindred"] == 2
    assert set(card.costs[costs.SEGMENT]) == set(groupings.GROUPINGS)


def test_clusters_sources_places_and_housemates_are_counted_by_hand(lake: Path, truth: Path) -> None:
    (truth / "people.csv").write_text("person_id,household_id\nann,h1\nbob,h1\n")
    told = scored(lake, truth).breakdown
    assert told is not None
    assert told.clusters["kindred"] == Rates(0, 3, 2)
    assert told.clusters["exact_email"] == Rates(1, 3, 2)
    assert told.sources["crm + crm"]["kindred"] == Rates(1, 3, 4)
    # a1, a2 and b1 say the same street; a3 says another, b2 none
    assert told.places["at one address"]["kindred"] == Rates(1, 3, 1)
    assert told.places["elsewhere"]["kindred"] == Rates(0, 0, 3)
    assert told.housemates["kindred"] == Housemates(wrong_at_home=2, wrong_across=0, pairs=6)
    assert told.facts()["clusters"]["exact_email"]["f1"] == pytest.approx(2 / 5)
    (truth / "people.csv").write_text("person_id\nann\n")
    assert scored(lake, truth).breakdown.housemates == {}


def test_it_prints_as_tables(lake: Path, truth: Path) -> None:
    text = "\n".join(scored(lake, truth).lines())
    for word in ("precision", "B³ F1", "whole clusters", "crm + crm", "kindred", "spouses (same)", costs.MAILED):
        assert word in text
    assert scored(lake, truth).facts()["records"] == 5


def test_a_truth_that_is_not_there_is_named(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(NoTruth, match=r"records\.csv"):
        evaluate.score(lake, tmp_path)


def test_without_purchases_or_refusals_there_are_no_costs(lake: Path, truth: Path) -> None:
    for name in ("refusals.csv", "events.parquet", "traps.csv"):
        (truth / name).unlink()
    card = scored(lake, truth)
    assert card.costs == {}
    assert card.traps == {}
