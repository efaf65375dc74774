"""SDKs for Node as npm serves them, unchanged, against a real server: each event is in the log once.

@segment/analytics-node 3.1.0 and @rudderstack/rudder-sdk-node 3.0.13; see tests/sdk/package.json.
"""

import base64
import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from collector_server import Served, serving
from javascript import NODE, blocks, packages
from recorded import recorded, verdicts

pytestmark = pytest.mark.e2e
SENDS = Path(__file__).parents[1] / "sdk" / "sends.cjs"


@pytest.fixture(scope="module")
def modules() -> Path:
    return packages()


def send(modules: Path, sdk: str, server: Served, count: int, pause: float = 0.0) -> "subprocess.Popen[str]":
    command = [str(NODE), str(SENDS), sdk, server.url, server.key, str(count), str(pause)]
    return subprocess.Popen(command, env=modules_in(modules), stderr=subprocess.PIPE, text=True)


def modules_in(folder: Path) -> dict[str, str]:
    return {**os.environ, "NODE_PATH": str(folder)}


@pytest.mark.parametrize(("sdk", "first"), [("segment", "unavailable,busy"), ("rudder", "busy,unavailable")])
def test_what_node_sends_is_in_the_log_once(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdk: str, first: str
) -> None:
    monkeypatch.setenv("RECORD", "1")
    count = 250
    with serving(tmp_path / "shop", first) as server:
        sender = send(modules, sdk, server, count)
        _, told = sender.communicate(timeout=120)
        assert sender.returncode == 0, told
        events = server.end()
    asked = recorded(server.root / "requests.ndjson")
    _once(events, count + 9)
    assert Counter(event["type"] for event in events) == {
        "identify": 1, "track": count + 3, "page": 1, "screen": 1, "group": 2, "alias": 1,
    }  # fmt: skip
    by_type = {event["type"]: event for event in events}
    identify = by_type["identify"]
    assert (identify["userId"], identify["anonymousId"]) == ("u-1", "c-1")
    traits = identify.get("traits") or identify["context"]["traits"]
    assert (traits["email"], traits["born"]) == ("anna@example.org", "1984-02-29T00:00:00.000Z")
    assert (by_type["alias"]["previousId"], by_type["alias"]["userId"]) == ("c-1", "u-1")
    assert (by_type["screen"]["context"]["ip"], by_type["screen"]["integrations"]) == ("192.0.2.1", {"All": False})
    groups = {len(event["groupId"]): event for event in events if event["type"] == "group"}
    assert (groups[3]["groupId"], groups[3]["traits"]) == ("g-1", {"name": "Initech"})
    by_name = {event.get("event"): event for event in events}
    assert by_name["Order Completed"]["properties"] == {"revenue": "14.99", "note": "Grüße 🍵"}
    assert by_name["By Number"]["userId"] == "7"
    assert by_name["Long Ago"]["timestamp"].startswith("2024-03-01T10:59:5"), "in UTC, and no more than the way here"

    assert verdicts(asked) == {
        event["messageId"]: "quarantined" if event is groups[501] else "accepted" for event in events
    }
    posts = [one for one in asked if one["path"] == "/v1/batch"]
    assert {one["authorization"] for one in posts} == {"Basic " + base64.b64encode(f"{server.key}:".encode()).decode()}
    assert Counter(one["status"] for one in posts if one["status"] != 200) == {429: 1, 503: 1}
    if sdk == "segment":
        assert {one["body"]["writeKey"] for one in posts} == {server.key}
        assert [one["status"] for one in posts if one["x-retry-count"] == "1"] == [200, 200]
    else:
        assert {one["content-encoding"] for one in posts} == {"gzip"}
        assert not any("writeKey" in one["body"] for one in posts), "by the header alone"


def test_the_snippet_works_and_node_goes_on_by_itself_after_a_kill_and_a_restart(modules: Path, tmp_path: Path) -> None:
    """None of what it sent is missing; what was kept and not answered before the kill comes again, with its id.

    Segment's alone: RudderStack's for Node gives up after three tries, sooner than a server starts, and says so.
    """
    count = 500
    snippet = next(block for block in blocks("js") if "@segment/analytics-node" in block)
    with serving(tmp_path / "shop") as server:
        typed = snippet.replace("kd_…", server.key).replace("http://127.0.0.1:8460", server.url)
        assert typed.count(server.key) == typed.count(server.url) == 1
        subprocess.run([NODE, "-e", typed], env=modules_in(modules), timeout=60, check=True)
        sender = send(modules, "segment", server, count, 2)
        time.sleep(0.6 + random.random())  # noqa: S311 - a place to kill at
        server.kill()
        server.restart()
        _, told = sender.communicate(timeout=120)
        assert sender.returncode == 0, told
        events = server.end()
    assert len({event["messageId"] for event in events}) == count + 9 + 1


def _once(events: list[dict[str, Any]], count: int) -> None:
    ids = Counter(event["messageId"] for event in events)
    assert len(ids) == count
    assert set(ids.values()) == {1}
