"""What the online path reads of the log is what a run takes in of it: the same events, to the last property."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consent.suppression import kept_out, not_to_be_stored
from infra.identifiers import load_identifier_types
from infra.log.segments import line, read_lines
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.live import Reader, Terms
from ingestion.tables import EVENTS

pytestmark = pytest.mark.spark

WEB = """
source: web
connector: {type: collector}
identifiers: {email: [traits.email, properties.email], cookie: anonymousId}
fields: {given_name: traits.firstName}
consent_gate: context.consent.categoryPreferences.analytics
order:
  order_id: properties.order_id
  product_id: properties.sku
  quantity: properties.quantity
  amount: properties.price
contract:
  properties.age: {type: integer, max: 120, on_violation: drop_field}
  properties.colour: {type: enum, values: [red, blue], on_violation: accept_and_flag}
  properties.size: {type: text, max_length: 3}
"""
AT = "2026-10-31T09:00:00.123Z"
SEGMENT = "1761900000000-0000000a.ndjson"


def said(chance: random.Random) -> dict[str, Any]:
    """Return an event of a browser, most of them fine and some of them not."""
    pick = chance.choice
    properties = {
        "age": pick([41, 41.5, "x", None]), "colour": pick(["red", "green", None]), "size": pick(["L", "XXXXL", None]),
        "order_id": pick(["o-1", 17, None]), "sku": pick(["p", None]), "quantity": pick([2, "2.5", "two", None]),
        "price": pick(["12.50", 1e3, -3, None]), "deep": pick([{"a": [1, {"b": None}]}, None, "caf\u00e9 \u2603"]),
        "email": pick(["Ann@Example.org ", "nobody", "info@example.org", None]),
    }  # fmt: skip
    traits = {"email": pick(["ann@example.org", "", None]), "firstName": pick([" Ann ", "", None])}
    gate = pick([None, None, True, False])
    event: dict[str, Any] = {
        "type": pick(["track", "page", "identify", "screen"]), "anonymousId": pick(["c1", "c2", None, 7]),
        "timestamp": pick(["2026-10-31T08:59:00Z", "2026-10-31T10:59:00+02:00", "2026-10-31T08:59:00.123456Z", None]),
        "properties": {name: value for name, value in properties.items() if chance.random() < 0.7}, "traits": traits,
        "channel": pick(["web", None]),
    }  # fmt: skip
    event |= {"event": "Seen"} if chance.random() < 0.8 else {}
    return event | ({} if gate is None else {"context": {"consent": {"categoryPreferences": {"analytics": gate}}}})


def entries(seed: int, count: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)  # noqa: S311 - a sample
    made = []
    for number in range(count):
        entry: dict[str, Any] = {"r": AT, "m": f"m{number}", "s": None, "e": said(chance)}
        made.append({**entry, "f": ["event", "missing"]} if chance.random() < 0.05 else entry)
    return made


def plain(event: Any) -> dict[str, Any]:
    """Return what a live event tells as the row of the table would tell it."""
    return {
        "message_id": event.message_id, "type": event.type, "name": event.name, "occurred_at": event.occurred_at,
        "received_at": event.received_at, "subject": event.subject, "subject_token": event.subject_token,
        "known": event.known, "anonymous_id": event.anonymous_id,
        "identifiers": [(i.type, i.value, i.token) for i in event.identifiers], "properties": dict(event.properties),
        "order_id": event.order_id, "product_id": event.product_id, "quantity": event.quantity,
        "amount": event.amount, "channel": event.channel,
    }  # fmt: skip


def rowed(row: Any) -> dict[str, Any]:
    told = {name: row[name] for name in plain_names()}
    told |= {name: row[name].astimezone(UTC) for name in ("occurred_at", "received_at")}
    told["identifiers"] = [(i["type"], i["value"], i["token"]) for i in row["identifiers"]]
    return told | {"properties": dict(row["properties"]), "known": row["record_key"] is not None}


def plain_names() -> tuple[str, ...]:
    return ("message_id", "type", "name", "subject", "subject_token", "anonymous_id", "order_id", "product_id",
            "quantity", "amount", "channel")  # fmt: skip


def test_what_is_read_at_once_is_what_a_run_takes_in(shop: Any) -> None:
    shop.declare("web", WEB)
    workspace = Workspace.open(shop.root)
    bodies = [line(json.dumps(one).encode()) for one in entries(7, 300)]
    folder: Path = workspace.log_path / "web"
    folder.mkdir(parents=True)
    (folder / SEGMENT).write_bytes(b"".join(bodies))
    (source,) = (one for one in load_sources(workspace) if one.source == "web")
    settings = workspace.settings
    terms = Terms(
        load_identifier_types(workspace), workspace.token_key(), settings.region, settings.time_zone,
        frozenset(not_to_be_stored(shop.database)), kept_out(shop.database, workspace.token_keys()),
    )  # fmt: skip
    reader = Reader.of(source, terms, datetime(2026, 11, 1, tzinfo=UTC))
    live = [plain(event) for event in reader.read(list(read_lines(bodies)))]
    shop.run("web")
    taken = [rowed(row) for row in shop.read(EVENTS).where("source = 'web'").collect()]
    assert len(taken) > 50
    for mine, theirs in zip(sorted(live, key=_place), sorted(taken, key=_place), strict=True):
        assert mine == theirs


def _place(event: dict[str, Any]) -> int:
    return int(event["message_id"][1:])
