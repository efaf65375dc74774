"""Resolution on Spark: who is who, named for good, obeying consent and stewards, the same however often it runs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from infra import shelf

pytestmark = pytest.mark.spark


def rows(runtime: Any, table: Any) -> list[dict[str, Any]]:
    found = shelf.reader(runtime.workspace.lake_path, table).read_all().to_pylist()
    return sorted(found, key=str)


def profiles(runtime: Any) -> dict[str, str]:
    from identity.tables import MEMBERSHIP

    return {r["record_key"]: r["profile_id"] for r in rows(runtime, MEMBERSHIP)}


def changes(runtime: Any) -> list[tuple[str, str, str | None]]:
    from identity.tables import IDENTITY_EVENTS

    mine = [r for r in rows(runtime, IDENTITY_EVENTS) if r["batch"] == runtime.run.number]
    return sorted({(r["kind"], r["profile_id"], r["other_id"]) for r in mine}, key=str)


def test_a_household_is_told_apart_and_a_rerun_changes_nothing(street: Callable[..., Any], events: list[Any]) -> None:
    from identity.jobs import resolve
    from identity.tables import EDGES, MEMBERSHIP, MODEL_REGISTRY, PROFILE_INDEX, TABLES, TF_SNAPSHOT

    first = street(1, events=events)
    summary = resolve(first, {})
    found = profiles(first)
    assert found["bob1"] == found["bob2"] == found["login1"] == "bob1"
    assert found["ann1"] == "ann1"
    assert found["son1"] == "son1"
    assert summary["profiles"] == len(set(found.values())) == len(rows(first, PROFILE_INDEX))
    assert all(e["left_key"] < e["right_key"] for e in rows(first, EDGES))
    assert all(sum(r["weight_micro"] for r in e["reasons"]) == e["weight_micro"] for e in rows(first, EDGES))
    cookies_belong_to_logins_while_they_last(first, events)
    before = {table.name: rows(first, table) for table in TABLES}

    resolve(first, {})
    assert {table.name: rows(first, table) for table in TABLES} == before

    second = street(2, events=events)
    resolve(second, {})
    assert profiles(second) == found
    assert changes(second) == []
    assert rows(second, MEMBERSHIP) == before["membership"]
    assert len(rows(second, MODEL_REGISTRY)) == 1
    # also a table that it did not move carries its number: an unfinished run is told by the lack of it
    marks = {
        table.name: shelf.transaction(second.workspace.lake_path, table, f"{table.name}/")
        for table in TABLES
        if table not in (MODEL_REGISTRY, TF_SNAPSHOT)
    }
    assert set(marks.values()) == {2}, marks


def cookies_belong_to_logins_while_they_last(runtime: Any, events: list[Any]) -> None:
    from identity.cookies.intervals import event_assignments
    from identity.tables import COOKIE_INTERVAL
    from ingestion.tables import EVENTS

    lake = runtime.lake
    placed = event_assignments(lake.read(EVENTS), lake.read(COOKIE_INTERVAL)).select(
        "anonymous_id", "message_id", "record_key"
    )
    owner = {r["message_id"]: r["record_key"] for r in placed.collect()}
    assert len(owner) == len(events)
    assert None not in owner.values()
    tablet = [owner[e["message_id"]] for e in events if e["anonymous_id"] == "tablet"]
    assert tablet[:4] == ["login1"] * 4
    assert tablet[4] not in {"login1", None}
    assert owner["old-0-None"] != "login1"
    assert owner["kiosk-61.5-None"] == "login1"
    assert owner["kiosk-101-None"] not in {f"login{i}" for i in range(9)}
    spans = rows(runtime, COOKIE_INTERVAL)
    assert all(s["from_at"] < s["to_at"] for s in spans)
    assert {s["claim"] for s in spans} == {"login", "before_login", "none"}
    found = profiles(runtime)
    assert found[owner["alone-5-None"]] == owner["alone-5-None"]


@pytest.mark.nightly  # by day test_ids_laws.py
def test_a_steward_merges_and_a_split_brings_the_old_id_back(street: Callable[..., Any]) -> None:
    from identity.config import load_identity, rules
    from identity.jobs import resolve
    from identity.stewardship.steward import Desk, Wish, link, split
    from identity.tables import CONSTRAINTS, PROFILE_ALIAS

    first = street(1)
    resolve(first, {})
    before = profiles(first)
    desk = Desk(first.database, first.workspace.lake_path, rules(load_identity(first.workspace)))
    link(desk, "bob2", "son1", Wish("ann", "they say so", first.run.started_at))

    second = street(2)
    resolve(second, {})
    assert profiles(second)["son1"] == "bob1"
    assert changes(second) == [("JOINED", "bob1", "son1"), ("MERGED", "bob1", "son1")]
    assert [(a["alias_id"], a["profile_id"]) for a in rows(second, PROFILE_ALIAS)] == [("son1", "bob1")]

    split(desk, "son1", Wish("ann", "two birth dates", second.run.started_at + timedelta(hours=1)))
    third = street(3)
    resolve(third, {})
    assert profiles(third) == before
    assert ("RESTORED", "son1", None) in changes(third)
    assert ("SPLIT", "bob1", "son1") in changes(third)
    assert rows(third, PROFILE_ALIAS) == []
    assert {c["kind"] for c in rows(third, CONSTRAINTS)} == {"cannot_link"}


@pytest.mark.nightly  # by day test_naming.py names heirs
def test_who_objects_has_no_profile_and_the_id_goes_to_the_heir(
    street: Callable[..., Any], refused: Any, told: Any, people: list[Any]
) -> None:
    from consent.funnel import funnel
    from identity.config import load_identity, rules
    from identity.jobs import resolve
    from identity.stewardship.steward import Desk, anchor
    from identity.tables import PROFILE_ALIAS, RECORD_CONSENT, SUCCESSION

    other = {"type": "email", "value": "bobby@example.org", "token": "1:email:bobby@example.org"}
    heir = told("bob3", 6, other, given_name="Robert", family_name="Carver", birth_date="1978-07-09", street="5 Elm St",
                postcode="43017")  # fmt: skip
    first = street(1, records=[*people, heir])
    resolve(first, {})
    assert profiles(first)["bob3"] == "bob1"

    second = street(2, records=[*people, heir], words=[refused("1:email:rob.carver@example.org", 10)])
    resolve(second, {})
    found = profiles(second)
    assert not {"bob1", "bob2", "login1"} & set(found)
    assert found["bob3"] == "bob1"
    assert rows(second, PROFILE_ALIAS) == []
    assert [(s["id"], s["heir"]) for s in rows(second, SUCCESSION) if s["heir"]] == [("bob1", "bob3")]
    desk = Desk(second.database, second.workspace.lake_path, rules(load_identity(second.workspace)))
    assert anchor(desk, "bob1") == "bob3", "a steward who names the profile means the record that holds its name"
    said = {
        (r["record_key"], r["allowed"]) for r in rows(second, RECORD_CONSENT) if r["purpose"] == "identity_resolution"
    }
    assert ("bob1", False) in said
    assert ("bob3", True) in said
    # The funnel counts what the table says, for every purpose; records left out are not compared.
    counts = [one for one in funnel(second.database, "run-2")["resolve"] if one.purpose == "identity_resolution"]
    assert sum(one.subjects for one in counts if one.allowed) == len(found)
    assert [(one.reason, one.subjects) for one in counts if not one.allowed] == [("objected", len(said) - len(found))]
