"""Events of the log on their way into the lake: each is accounted for, taken in once, and can be asked for."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.identifiers import record_token, token
from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.quarantine.rules import FixRules
from ingestion.quarantine.store import Signed, save
from ingestion.tables import EVENTS, QUARANTINE, RECORDS, VERDICTS
from ingestion.verdict import verdicts

pytestmark = pytest.mark.spark

WEB = """
source: web
connector: {type: collector}
identifiers: {customer: userId, email: [traits.email], cookie: anonymousId}
fields: {given_name: traits.firstName}
consent_gate: context.consent.categoryPreferences.analytics
"""
AT = "2026-10-31T09:00:00.123Z"
SEGMENT = "1761900000000-0000000a.ndjson"


def entry(number: int, /, received: str = AT, **event: Any) -> dict[str, Any]:
    """Return an entry of the log as the collector writes it."""
    said = {"type": "track", "event": "Seen", "anonymousId": "c1", "timestamp": "2026-10-31T08:59:00Z", **event}
    return {"r": received, "m": f"m{number}", "t": said["timestamp"], "s": None, "e": said}


@pytest.fixture
def shop(shop: Any) -> Any:
    shop.declare("web", WEB)
    return shop


def seal(shop: Any, *entries: dict[str, Any] | bytes, name: str = SEGMENT) -> Path:
    bodies = [one if isinstance(one, bytes) else line(json.dumps(one).encode()) for one in entries]
    folder: Path = Workspace.open(shop.root).log_path / "web"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"".join(bodies))
    return folder / name


def token_of(shop: Any, key: str) -> str:
    return record_token(Workspace.open(shop.root).token_key(), "web", key)


def fixed(shop: Any, step: dict[str, Any]) -> str:
    rules = FixRules.model_validate({"source": "web", "rule": "missing", "steps": [step]})
    return save(shop.database, rules, Signed("ann", "the till forgets the name", datetime.fromisoformat(AT))).id


def fate(account: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in account.items() if count and name != "changed"}


def told(shop: Any, key: str) -> list[str]:
    workspace = Workspace.open(shop.root)
    return [f"{one.verdict} {one.where}" for one in verdicts(workspace, shop.database, key)]


def why(shop: Any, key: str) -> str:
    (one,) = verdicts(Workspace.open(shop.root), shop.database, key)
    return str(one.because)


def test_every_entry_of_the_log_has_its_fate_and_what_comes_again_is_the_same(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three segments: entries of one event, requests of several, and what may not be stored although it is broken."""
    restricted = frozenset({token(Workspace.open(shop.root).token_key(), "email", "rita@example.org")})
    monkeypatch.setattr("ingestion.jobs.restricted_tokens", lambda _database: restricted)
    segments = [_entries(shop), _requests(shop), _broken(shop)]
    assert [told(shop, f"m{number}") for number in (2, 22, 24)] == [["accepted log"]] * 3
    assert fate(shop.run()["web"]) == {
        "read": 8 + 7 + 3,
        "accepted": 2 + 4,
        "duplicate": 1 + 1,
        "quarantined": 3 + 1 + 1,
        "suppressed": 1 + 0 + 1,
        "consent_filtered": 1 + 1 + 1,
    }
    assert not any(segment.exists() for segment in segments)
    _entries_are_where_they_belong(shop)
    # Each event of a request in one entry has a fate of its own.
    assert {row["message_id"] for row in shop.read(EVENTS).collect()} == {"m1", "m2", "m21", "m22", "m24", "m27"}
    assert told(shop, "m21") == ["accepted lake", "duplicate lake"]
    assert told(shop, "m23") == ["consent_filtered lake"]
    # Whoever was restricted, or said no, after the door had let the event into the log, is not kept as rejected either.
    kept = {json.loads(row["payload"]).get("messageId") for row in _rejected(shop) if row["rule"] == "missing"}
    assert kept == {"m3", "m33"}
    assert (told(shop, "m31"), told(shop, "m32")) == (["suppressed lake"], ["consent_filtered lake"])

    before = (shop.read(EVENTS).count(), shop.read(QUARANTINE).count())
    again = "2026-10-31T10:00:00Z"
    seal(shop, entry(1, again), {**entry(33, again), "f": ["event", "missing"]}, name="1761900000001-0000000b.ndjson")
    assert fate(shop.run()["web"]) == {"read": 2, "duplicate": 2}
    assert (shop.read(EVENTS).count(), shop.read(QUARANTINE).count()) == before
    assert shop.run()["all"]["read"] == 0


def _entries(shop: Any) -> Path:
    no = {"consent": {"categoryPreferences": {"analytics": False}}}
    traits = {"email": "ann@example.org", "firstName": "Ann", "age": 41.5, "tags": {"a": [1, 2]}}
    damaged = bytearray(line(json.dumps(entry(9)).encode()))
    damaged[-9] ^= 4
    return seal(
        shop,
        entry(1, properties={"price": 12345678901234567890, "name": "caf\u00e9", "deep": {"x": 1.5}}),
        entry(2, type="identify", userId="C7", traits=traits, context={"page": {"path": "/"}}),
        entry(1, "2026-10-31T09:05:00Z", timestamp="2026-10-31T09:04:00Z"),
        {**entry(3), "f": ["event", "missing"]},
        entry(4, context=no),
        {"r": AT, "v": "suppressed", "k": token_of(shop, "m5")},
        {"r": AT, "v": "too_large", "k": token_of(shop, "m6")},
        bytes(damaged),
    )


def _requests(shop: Any) -> Path:
    no = {"consent": {"categoryPreferences": {"analytics": False}}}
    alone = [entry(number)["e"] | {"messageId": f"m{number}"} for number in range(21, 25)]
    together = [alone[0], alone[1], alone[0], {**alone[2], "context": no}]
    request = b'{"l":%b,"r":"%b"}' % (json.dumps(together).encode(), AT.encode())
    damaged = bytearray(line(request))
    damaged[-9] ^= 4
    return seal(shop, entry(27), line(request), bytes(damaged), entry(24), name="1761900000000-0000000c.ndjson")


def _broken(shop: Any) -> Path:
    no = {"consent": {"categoryPreferences": {"analytics": False}}}
    return seal(
        shop,
        {**entry(31, traits={"email": "rita@example.org"}), "f": ["event", "missing"]},
        {**entry(32, context=no), "f": ["event", "missing"]},
        {**entry(33), "f": ["event", "missing"]},
        name="1761900000000-0000000d.ndjson",
    )


def _rejected(shop: Any) -> list[Any]:
    return list(shop.read(QUARANTINE).collect())


def _entries_are_where_they_belong(shop: Any) -> None:
    first, second = (
        row for row in shop.read(EVENTS).orderBy("message_id").collect() if row["message_id"] in ("m1", "m2")
    )
    assert first["properties"] == {"price": "12345678901234567890", "name": "caf\u00e9", "deep": '{"x":"1.5"}'}
    assert first["received_at"].astimezone(UTC) == datetime.fromisoformat(AT)
    assert second["properties"]["traits.age"] == "41.5"
    assert second["properties"]["context.page"] == '{"path":"/"}'
    assert [row["key"] for row in shop.read(RECORDS).collect()] == ["customer:C7"]
    assert sorted(row["rule"] for row in _rejected(shop)) == ["damaged", "damaged", "missing", "missing", "too_large"]
    assert Counter(row["verdict"] for row in shop.read(VERDICTS).collect()) == {
        "consent_filtered": 3, "duplicate": 2, "quarantined": 1, "suppressed": 2,
    }  # fmt: skip
    assert told(shop, "m1") == ["accepted lake", "duplicate lake"]
    assert told(shop, "m3") == ["quarantined lake"]
    assert told(shop, "m4") == ["consent_filtered lake"]
    assert told(shop, "m5") == ["suppressed lake"]
    assert told(shop, "m6") == ["quarantined lake"]
    assert why(shop, "m3").startswith("event: missing: the field is missing")
    assert why(shop, "m6").startswith("too_large: the event has more than")
    assert told(shop, "never came") == []


def test_a_rejected_event_is_mended_and_held_to_the_rules_of_the_door_again(shop: Any) -> None:
    nameless = {**entry(2, properties={"price": "12,50"}), "f": ["event", "missing"]}
    del nameless["e"]["event"]
    seal(shop, entry(1), nameless)
    assert fate(shop.run()["web"]) == {"read": 2, "accepted": 1, "quarantined": 1}
    assert fate(shop.run(replay=fixed(shop, {"cast": {"properties.price": "number:,"}}))["web"]) == {
        "read": 1,
        "quarantined": 1,
    }
    assert told(shop, "m2") == ["quarantined lake", "quarantined lake"]
    named = fixed(shop, {"set": {"event": "Paid"}})
    assert fate(shop.run(replay=named)["web"]) == {"read": 1, "accepted": 1}
    assert "accepted lake" in told(shop, "m2")
    mended = next(row for row in shop.read(EVENTS).collect() if row["message_id"] == "m2")
    assert (mended["name"], mended["properties"]["price"]) == ("Paid", "12.50")
    assert mended["received_at"].astimezone(UTC) == datetime.fromisoformat(AT)
    assert shop.run(replay=named)["all"]["read"] == 0
