"""A shadow holds what a span comes to today, under the keys that the original knows, and touches nothing of it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.errors import Refused
from infra.identifiers import token
from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.again.folder import shadow_of
from ingestion.tables import EVENTS, QUARANTINE, RECORDS

pytestmark = pytest.mark.spark

HEADER = "customer_id,first_name,dob,email,mobile,updated_at\n"
WEB = """
source: web
connector: {type: collector}
identifiers: {customer: userId, cookie: anonymousId}
contract: {event: {pattern: "[A-Z].*"}}
"""


def fate(account: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in account.items() if count}


def seal(shop: Any, name: str, *entries: dict[str, Any]) -> None:
    folder: Path = Workspace.open(shop.root).log_path / "web"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"".join(line(json.dumps(one).encode()) for one in entries))


def entry(number: int, received: str, **event: Any) -> dict[str, Any]:
    said = {"type": "track", "event": "Seen", "anonymousId": "c1", "timestamp": received, **event}
    return {"r": received, "m": f"m{number}", "s": None, "e": said}


def files_of(root: Path) -> dict[str, bytes]:
    """Return every file of the lake and the data, so that any change shows."""
    return {
        str(p): p.read_bytes()
        for part in ("data", "state/lake", "state/spool")
        for p in (root / part).rglob("*")
        if p.is_file()
    }


def facts(shop: Any) -> list[list[tuple[Any, ...]]]:
    events = shop.read(EVENTS).select(
        "source", "message_id", "record_key", "subject_token", "content_hash", "received_at"
    )
    records = (
        shop.read(RECORDS).where("kind = 'person'").select("source", "key", "record_key", "attributes", "received_at")
    )
    subjects = shop.read(RECORDS).where("kind = 'subject'").select("source", "key", "record_key", "identifiers")
    rejected = shop.read(QUARANTINE).select("source", "file", "position", "field", "rule", "received_at")
    return [sorted(map(str, one.collect())) for one in (events, records, subjects, rejected)]  # type: ignore[misc]


@pytest.mark.nightly
def test_a_shadow_is_what_the_original_is_until_its_declarations_change(
    world: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = world("crm")
    shop.declare("web", WEB)
    shop.write(
        "data/crm/a.csv", HEADER + "C1,Ann,1980-02-03,ann@example.org,,2026-01-01\nC2,Bob,3.2.1980,,,2026-01-02\n"
    )
    seal(shop, "1793437200000-0000000a.ndjson", entry(1, "2026-10-31T09:00:00.000Z", userId="C1"))
    seal(
        shop,
        "1793437210000-0000000b.ndjson",
        entry(2, "2026-10-31T09:00:10.000Z", event="low", userId="C1"),
        entry(3, "2026-10-31T09:00:10.000Z", userId="C9", properties={"n": "1"}),
    )
    shop.run()
    shop.write(
        "data/crm/b.csv", HEADER + "C1,Ann,1980-02-03,ann@example.org,,2026-01-05\nC1,Anna,1980-02-03,,,2026-01-06\n"
    )
    shop.run()
    # the raw events of the first segment are gone, and so is a file
    kept = shop.root / "state/spool/.kept/web/1793437200000-0000000a.ndjson"
    kept.unlink()
    (shop.root / "data/crm/a.csv").unlink()
    before = files_of(shop.root)
    shadow = shop.over(shadow_of(Workspace.open(shop.root), tmp_path / "shadow").root)
    shadow.number, shadow.base = 0, {}
    found = shadow.again(since=-48, origin=str(shop.root))
    assert fate(found["crm"]) == {"read": 3, "accepted": 2, "changed": 1, "duplicate": 1}
    assert fate(found["web"]) == {"read": 3, "accepted": 2, "quarantined": 1}
    assert any("crm: 2 of 4 raw rows of" in text for text in shadow.said)
    assert any("1 raw rows in 1 files" in text and "1793437200000" in text for text in shadow.said)
    assert [(d["only_here"], d["only_there"], d["changed"], d["other_record_keys"]) for d in found["differences"]] == [
        (0, 0, 0, 0),
        (0, 0, 0, 0),
    ]
    assert files_of(shop.root) == before
    there, here = facts(shop), facts(shadow)
    assert here[:3] == there[:3]
    assert set(here[3]) < set(there[3]), "what was rejected and is gone is not judged again"
    # another contract, another mapping, and somebody who is restricted by now
    shadow.declare("web", WEB.replace("[A-Z].*", ".*") + "order: {product_id: properties.n}\n")
    restricted = token(Workspace.open(shop.root).token_key(), "customer", "C1")
    monkeypatch.setattr("ingestion.again.job.restricted_tokens", lambda _database: {restricted})
    changed = shadow.again(since=-48, origin=str(shop.root))
    assert fate(changed["web"]) == {"read": 3, "accepted": 1, "suppressed": 2}
    assert fate(changed["crm"]) == {"read": 3, "suppressed": 3}
    web = changed["differences"][1]
    assert (web["keys_here"], web["only_there"], web["changed"], web["other_record_keys"]) == (1, 1, 1, 0)
    assert changed["quarantined"] == [
        {"source": "crm", "field": "dob", "rule": "type", "there": 1, "here": 0},
        {"source": "web", "field": "event", "rule": "pattern", "there": 1, "here": 0},
    ]
    assert [row["message_id"] for row in shadow.read(EVENTS).collect()] == ["m3"]
    assert shadow.read(RECORDS).where("kind = 'person'").count() == 0
    last = facts(shadow)
    shadow.again(since=-48, origin=str(shop.root))
    assert facts(shadow) == last
    assert files_of(shop.root) == before


def test_a_folder_that_is_something_else_becomes_no_shadow(shop: Any, tmp_path: Path) -> None:
    origin = Workspace.open(shop.root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    for folder in (tmp_path / "full", shop.root, tmp_path):
        with pytest.raises(Refused):
            shadow_of(origin, folder)
    made = shadow_of(origin, tmp_path / "shadow")
    (made.root / "sources").mkdir(exist_ok=True)
    (made.root / "sources" / "own.yaml").write_text("kept as it is")
    assert shadow_of(origin, made.root).root == made.root
    assert (made.root / "sources" / "own.yaml").read_text() == "kept as it is"
    assert made.token_key() == origin.token_key()
    with pytest.raises(Refused):
        shadow_of(made, shop.root)
