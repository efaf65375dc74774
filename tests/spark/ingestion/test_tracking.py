"""Events held to a tracking plan on their way into the lake; what is rejected is mended, and keeps its numbers."""

import json
from datetime import datetime
from typing import Any

import pytest

from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.quarantine.rules import FixRules
from ingestion.quarantine.store import Signed, save
from ingestion.tables import EVENTS, QUARANTINE, RECORDS

pytestmark = pytest.mark.spark

WEB = """
source: web
connector: {type: collector}
identifiers: {customer: userId, email: traits.email, cookie: anonymousId}
contract: {context.page.url: {max_length: 9, on_violation: drop_field}, properties.note: {max_length: 4}}
on_violation: accept_and_flag
"""
PLAN = """
tracking_plan: shop
sources: [web]
unplanned: {events: quarantine, properties: drop_field}
events:
  - event: Order Completed
    version: 1
    properties: {order_id: {type: text, required: true}}
    unplanned: accept
  - event: Order Completed
    version: 2
    properties:
      order_id: {type: text, required: true}
      total: {type: number, min: 0, on_violation: {min: accept_and_flag}}
      products:
        type: array
        items: {type: object, properties: {sku: {type: text, required: true, on_violation: drop_field}}}
  - type: identify
    traits: {email: {type: email, on_violation: drop_field}, firstName: {type: text}}
"""
AT = "2026-10-31T09:00:00.123Z"


def entry(number: int, /, **event: Any) -> bytes:
    said = {"type": "track", "event": "Order Completed", "anonymousId": "c1", "timestamp": "2026-10-31T08:59:00Z"}
    body = {"r": AT, "m": f"m{number}", "s": None, "e": {**said, **event}}
    return line(json.dumps(body).encode())


def version(number: Any) -> dict[str, Any]:
    return {"protocols": {"event_version": number}}


@pytest.fixture
def shop(shop: Any) -> Any:
    shop.declare("web", WEB)
    (shop.root / "tracking").mkdir()
    (shop.root / "tracking" / "shop.yaml").write_text(PLAN)
    return shop


@pytest.mark.nightly  # by day test_tracking_laws.py
def test_a_plan_rejects_drops_flags_and_counts_and_what_it_rejected_can_be_mended(shop: Any) -> None:
    folder = Workspace.open(shop.root).log_path / "web"
    folder.mkdir(parents=True)
    good = {"order_id": "o1", "total": 12.50, "products": [{"sku": "a"}, {"price": 1}]}
    events = [
        entry(1, properties={**good, "coupon": "x"}, context={"page": {"url": "/a/long/address", "path": "/"}}),
        entry(2, properties={"order_id": "o2", "total": -1, "note": "too long"}),
        entry(3, properties={"order_id": "o3", "total": "12.50"}),
        entry(4, properties={"total": 3}),
        entry(5, properties={"order_id": "o5", "total": "free"}, context=version(1)),
        entry(6, properties={"order_id": "o6"}, context=version(7)),
        entry(7, event="Order Cancelled by ann@example.org"),
        entry(8, type="identify", event=None, userId="C7", traits={"email": "nobody", "firstName": "Ann", "age": 4}),
        entry(9, type="page", event=None, properties={"anything": 1}),
    ]
    (folder / "1761900000000-0000000a.ndjson").write_bytes(b"".join(events))
    found = shop.run()
    assert (found["web"]["read"], found["web"]["accepted"], found["web"]["quarantined"]) == (9, 5, 4)
    notes = {(note["item"], note["note"]): note["rows"] for note in found["notes"]}
    order = "track Order Completed 2"
    assert notes == {
        ("field properties.products[].sku", f"required in {order}"): 1,
        ("field properties.*", f"unplanned in {order}"): 2,
        ("field properties.total", f"min in {order}"): 1,
        ("field properties.total", f"type in {order} (quarantined)"): 1,
        ("field properties.order_id", f"required in {order} (quarantined)"): 1,
        ("field context.protocols.event_version", "unplanned in track (quarantined)"): 1,
        ("field event", "unplanned in track (quarantined)"): 1,
        ("field traits.email", "type in identify 1"): 1,
        ("field traits.*", "unplanned in identify 1"): 1,
        ("field context.page.url", "max_length"): 1,
    }
    kept = {row["message_id"]: row["properties"] for row in shop.read(EVENTS).collect()}
    assert kept["m1"] == {
        "order_id": "o1",
        "total": "12.5",
        "products": '[{"sku":"a"},{"price":"1"}]',  # and no context.page: what the contract drops lies in it
    }
    assert kept["m2"] == {"order_id": "o2", "total": "-1", "_flagged": f"field properties.total: min in {order}"}
    assert kept["m5"]["total"] == "free"
    assert kept["m8"]["traits.firstName"] == "Ann"
    assert {"traits.email", "traits.age"} & set(kept["m8"]) == set()
    (record,) = shop.read(RECORDS).collect()
    assert {one["type"] for one in record["identifiers"]} == {"customer", "cookie"}
    rejected = {row["payload"]: row for row in shop.read(QUARANTINE).collect()}
    reasons = {(row["field"], row["rule"], row["value_class"]) for row in rejected.values()}
    assert ("event", "unplanned", "text of 34 characters") in reasons
    assert not any("ann@" in row["reason"] for row in rejected.values())
    (text,) = [one for one in rejected if '"o3"' in one]
    assert '"total":"12.50"' in text  # as it was sent
    rules = FixRules.model_validate(
        {"source": "web", "rule": "type", "steps": [{"cast": {"properties.total": "number:."}}]}
    )
    fix = save(shop.database, rules, Signed("ann", "a till sends text", datetime.fromisoformat(AT))).id
    assert shop.run("web", replay=fix)["web"]["accepted"] == 1
    named = FixRules.model_validate(
        {"source": "web", "rule": "required", "steps": [{"set": {"properties.order_id": "o4"}}]}
    )
    other = save(shop.database, named, Signed("ann", "it was o4", datetime.fromisoformat(AT))).id
    # The number that was sent as one is one still, after the row was kept and mended for something else.
    assert shop.run("web", replay=other)["web"]["accepted"] == 1
