"""People whom a source deletes: their record ends, whoever told it and in whatever order, and may begin again."""

import json
from typing import Any

import pytest

from ingestion.tables import EVENTS, QUARANTINE, RECORDS
from ingestion.transforms import current_records

pytestmark = pytest.mark.spark

CHANGES = """
source: crm
connector: {type: files, path: data/crm/*.ndjson, format: debezium}
record: person
key: id
fields: {given_name: name}
identifiers: {email: email}
contract: {email: {type: email, required: true}}
free_text: {note: redact}
on_personal_data: quarantine
"""
FLAGGED = """
source: crm
connector: {type: files, path: data/crm.csv, format: csv}
record: person
key: id
fields: {given_name: name}
identifiers: {email: email}
deleted: {status: [erased, Gone]}
"""
ORDERS = """
source: orders
connector: {type: files, path: data/orders.ndjson, format: debezium}
record: event
key: id
event: {type: "=order"}
identifiers: {email: email}
"""


def change(op: str, number: int, at: int, **facts: Any) -> dict[str, Any]:
    row = {"id": number, "name": "Ann", "email": f"p{number}@example.org", "note": "call 614-555-0101", **facts}
    sides = {"before": row, "after": None} if op == "d" else {"before": None, "after": row}
    return {**sides, "op": op, "source": {"ts_ms": 1_700_000_000_000 + at}}


def fate(account: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in account.items() if count}


def alive(shop: Any) -> dict[str, str]:
    return {row["key"]: row["attributes"]["given_name"] for row in current_records(shop.read(RECORDS)).collect()}


def test_deletions_of_a_change_stream_end_records(shop: Any) -> None:
    shop.declare("crm", CHANGES)
    shop.lines(
        "data/crm/1.ndjson",
        *(change("r", n, 0) for n in (1, 2, 3)),
        change("d", 2, 10, email="not an email any more", memo="was bob@example.org"),  # whatever else it says
        "null",
        {"before": {"id": 3}, "after": None, "op": "d", "source": {"ts_ms": 1_700_000_000_010}},
        change("c", 3, 20, name="Cy"),
        change("d", 9, 5),
    )
    assert fate(shop.run()["crm"]) == {"read": 7, "accepted": 7, "changed": 3}
    assert "crm: 1 tombstones say nothing of a row and are passed over" in shop.said
    assert alive(shop) == {"1": "Ann", "3": "Cy"}
    gone = shop.read(RECORDS).where("deleted").collect()
    assert {row["key"] for row in gone} == {"2", "3", "9"}
    assert all(not row["attributes"] and not row["identifiers"] for row in gone), "nothing is kept of whom it was"
    shop.lines("data/crm/2.ndjson", change("d", 2, 11), change("d", 2, 10), change("c", 9, 4), change("d", 1, 30))
    assert fate(shop.run()["crm"]) == {"read": 11, "accepted": 2, "changed": 2, "duplicate": 9}
    assert alive(shop) == {"3": "Cy"}, "what came late, from before the deletion, does not undo it"
    shop.lines("data/crm/3.ndjson", change("c", 1, 40))
    shop.run()
    assert alive(shop) == {"1": "Ann", "3": "Cy"}
    keys = shop.read(RECORDS).where("key = '1'").select("record_key").distinct().count()
    assert keys == 1, "it is the same record"


@pytest.mark.nightly  # by day a change stream does
def test_a_column_of_any_source_may_say_it(shop: Any) -> None:
    shop.declare("crm", FLAGGED)
    head = "id,name,email,status\n"
    shop.write("data/crm.csv", head + "1,Ann,a@example.org,\n2,Bob,b@example.org,active\n3,Cy,c@example.org,GONE\n")
    assert fate(shop.run()["crm"]) == {"read": 3, "accepted": 3}
    assert alive(shop) == {"1": "Ann", "2": "Bob"}
    shop.write("data/crm.csv", head + "1,Ann,a@example.org,erased\n2,Bob,b@example.org,\n3,Cy,c@example.org,gone\n")
    assert fate(shop.run()["crm"]) == {"read": 3, "accepted": 1, "changed": 1, "duplicate": 2}
    assert alive(shop) == {"2": "Bob"}
    shop.write("data/crm.csv", head + "1,Ann,a@example.org,\n2,Bob,b@example.org,\n3,Cy,c@example.org,gone\n")
    assert fate(shop.run()["crm"]) == {"read": 3, "accepted": 1, "changed": 1, "duplicate": 2}
    assert alive(shop) == {"1": "Ann", "2": "Bob"}


@pytest.mark.nightly  # by day a change stream does
def test_what_happened_is_not_deleted_but_told(shop: Any) -> None:
    shop.declare("orders", ORDERS)
    shop.lines("data/orders.ndjson", change("c", 1, 0), change("d", 1, 5), change("u", 1, 5, name="other"))
    assert fate(shop.run()["orders"]) == {"read": 3, "accepted": 2, "changed": 1, "quarantined": 1}
    assert shop.read(EVENTS).count() == 2
    (row,) = shop.read(QUARANTINE).collect()
    assert (row["rule"], json.loads(row["payload"])["id"]) == ("deletion", 1)
