"""What waits in the log: counted though its server died, and answered for by the id that the sender knows."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.http.verdicts import NothingCame, Registry
from infra.clock import system_clock
from infra.database import open_database
from infra.identifiers import record_token
from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.following import Following
from ingestion.store import METADATA

WEB = "source: web\nconnector: {type: collector}\nidentifiers: {customer: userId, cookie: anonymousId}\n"
AT = "2026-10-31T09:00:00.123Z"


@pytest.fixture
def shop(folder: Path) -> Workspace:
    (folder / "sources" / "web.yaml").write_text(WEB)
    (folder / ".env").write_text("KINDRED_TOKEN_KEY=a-key-of-tests-that-guards-nothing-at-all\n")
    (folder / "state").mkdir()
    return Workspace.open(folder)


def left_open(shop: Workspace, *entries: dict[str, Any]) -> Path:
    """Write entries as a server does that is killed before it seals them."""
    path = shop.log_path / "web" / "1761900000000-0000000a.open"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(line(json.dumps(one).encode()) for one in entries))
    return path


def of(message_id: str) -> dict[str, Any]:
    return {"r": AT, "m": message_id, "e": {"type": "track", "event": "Seen", "anonymousId": "c1"}}


def told(shop: Workspace, key: str) -> list[tuple[str, str | None]]:
    database = open_database(shop, METADATA)
    try:
        return [(one["verdict"], one["because"]) for one in Registry(shop, database).of(key)]
    except NothingCame:
        return []
    finally:
        database.dispose()


def test_who_follows_the_log_takes_in_what_a_killed_server_left_open(shop: Workspace) -> None:
    path = left_open(shop, of("m1"))
    assert Following(shop, ("web",)).look(system_clock()).segments == 1
    assert [one.name for one in path.parent.iterdir()] == [path.with_suffix(".ndjson").name]


def test_an_event_is_found_by_the_id_it_was_sent_with(shop: Workspace) -> None:
    left_open(shop, of(" m1 "), of("web:m2"), of("m3"))
    accepted = [("accepted", None)]
    assert told(shop, " m1 ") == told(shop, "m1") == told(shop, "web:m1") == accepted
    assert told(shop, "web:m2") == told(shop, "web:web:m2") == told(shop, "web:m3") == accepted
    assert told(shop, "m2") == []


def test_an_event_that_was_too_large_reads_as_rejected_and_why(shop: Workspace) -> None:
    token = record_token(shop.token_key(), "web", "m1")
    left_open(shop, {"r": AT, "v": "too_large", "k": token})
    ((verdict, because),) = told(shop, "m1")
    assert verdict == "quarantined"
    assert str(because).startswith("too_large: the event has more than")
