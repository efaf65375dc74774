"""SDKs as they are published, unchanged, against a real server: each event is in the log once, whatever came between.

segment-analytics-python 2.4.0 and rudder-sdk-python 2.1.9; see tests/sdks.txt.
"""

import gzip
import http.client
import json
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from collector_server import Served, logged, serving

pytestmark = pytest.mark.e2e
PACKAGES = {"segment": "segment.analytics", "rudder": "rudderstack.analytics"}
SUPPORT = Path(__file__).parents[1] / "support"
TRACK = {"type": "track", "userId": "u-1", "event": "Seen"}


@pytest.fixture(scope="session")
def sdks() -> Path:
    """Where the SDKs lie; `make test` installs them."""
    path = Path(os.environ.get("KINDRED_TEST_SDKS", Path(sys.prefix) / "sdks"))
    assert (path / "segment").is_dir(), (
        f"no SDKs in {path.name}/; `pip install --no-deps --target {path} -r tests/sdks.txt`"
    )
    return path


def send(
    sdks: Path, sdk: str, server: Served, compressed: str, count: int, pause: float = 0.0
) -> "subprocess.Popen[str]":
    arguments = [PACKAGES[sdk], server.url, server.key, compressed, str(count), str(pause)]
    command = [sys.executable, str(SUPPORT / "sends.py"), *arguments]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(sdks)}, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("sdk", ["segment", "rudder"])
@pytest.mark.parametrize(("compressed", "first"), [("plain", "unavailable,busy"), ("gzip", "busy,unavailable")])
def test_an_sdk_s_events_are_each_in_the_log_once(
    sdks: Path, tmp_path: Path, sdk: str, compressed: str, first: str
) -> None:
    count = 250
    with serving(tmp_path / "shop", first) as server:
        sender = send(sdks, sdk, server, compressed, count)
        _, told = sender.communicate(timeout=120)
        assert sender.returncode == 0, told
        events = server.end()
    ids = Counter(event["messageId"] for event in events)
    assert len(ids) == count + 8
    assert set(ids.values()) == {1}
    assert Counter(event["type"] for event in events) == {
        "identify": 1, "track": count + 3, "page": 1, "screen": 1, "group": 1, "alias": 1,
    }  # fmt: skip
    by_type = {event["type"]: event for event in events}
    identify = by_type["identify"]
    assert (identify.get("traits") or identify["context"]["traits"])["email"] == "anna@example.org"
    assert by_type["group"]["groupId"] == "g-1"
    assert (by_type["alias"]["previousId"], by_type["alias"]["userId"]) == ("c-1", "u-1")
    by_name = {event.get("event"): event for event in events}
    assert by_name["Order Completed"]["properties"] == {"revenue": "14.99", "note": "Grüße 🍵"}
    assert by_name["By Number"]["userId"] == "7"
    assert by_name["Long Ago"]["timestamp"].startswith("2024-03-01T10:59:5"), "in UTC, less the way here"
    for number in range(7):
        mine = [
            int(e["properties"]["number"])
            for e in events
            if e["userId"] == f"u-{number}" and "number" in e.get("properties", {})
        ]
        assert len(mine) >= count // 7
        if sdk == "rudder":  # Segment's puts a batch that was answered 429 behind those that wait
            assert mine == sorted(mine), "the order of one person's events"


def test_a_workspace_in_which_nothing_was_ever_published_takes_events_in(tmp_path: Path) -> None:
    with serving(tmp_path / "shop") as server:
        said = {"status": "ready", "collector": "ready", "ingestion": "ready"}
        assert server.ask("/readyz?part=collector") == (200, said)
        assert server.ask("/readyz")[0] == 503
        assert server.ask("/v1/t", json.dumps({**TRACK, "writeKey": server.key}).encode())[0] == 200
        assert len(server.end()) == 1


def test_what_was_answered_200_outlives_kill_9(tmp_path: Path) -> None:
    """Senders on four connections, the server killed in mid-flight, and what they heard compared with what is there."""
    chance = random.Random(5)  # noqa: S311 - a place to kill at
    answered: list[str] = []
    with serving(tmp_path / "shop") as server:

        def sending(sender: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            for number in range(10_000):
                ids = [f"{sender}-{number}-{place}" for place in range(3)]
                batch = [{**TRACK, "messageId": one} for one in ids]
                try:
                    connection.request("POST", "/v1/b", json.dumps({"batch": batch, "writeKey": server.key}))
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    return
                if answer.status == 200:
                    answered.extend(ids)

        senders = [threading.Thread(target=sending, args=(n,)) for n in range(4)]
        for thread in senders:
            thread.start()
        time.sleep(1 + chance.random())
        server.kill()
        for thread in senders:
            thread.join()
        assert len(answered) > 30
        root = server.root
    kept = _recovered(root)
    counted = Counter(event["messageId"] for event in kept)
    assert set(answered) <= set(counted)
    assert set(counted.values()) == {1}


def _recovered(root: Path) -> list[dict[str, Any]]:
    """Let the next writer seal what the dead one left, and return all that the log holds."""
    import asyncio

    from infra.log.spool import Spool
    from infra.settings import SpoolSettings

    async def reopened() -> None:
        await Spool.open(root / "state" / "spool", SpoolSettings()).close()

    asyncio.run(reopened())
    return logged(root)


@pytest.mark.parametrize("sdk", ["segment", "rudder"])
def test_an_sdk_goes_on_by_itself_after_kills_and_restarts(sdks: Path, tmp_path: Path, sdk: str) -> None:
    """None of what it sent is missing; what was kept and not answered before a kill it sends again, with its id."""
    chance, count = random.Random(sdk), 1_500  # noqa: S311 - places to kill at
    with serving(tmp_path / "shop") as server:
        sender = send(sdks, sdk, server, "gzip", count, 0.003)
        for _ in range(2):
            time.sleep(1 + chance.random())
            server.kill()
            server.restart()
        _, told = sender.communicate(timeout=120)
        assert sender.returncode == 0, told
        events = server.end()
    ids = Counter(event["messageId"] for event in events)
    assert len(ids) == count + 8
    assert sum(ids.values()) - len(ids) <= 2 * 100, "a batch for each kill at most"


def test_gzip_in_chunks_as_phones_send_it(tmp_path: Path) -> None:
    """No length, no key in the header, `text/plain`, two requests on one connection, the first of them refused."""
    with serving(tmp_path / "shop") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain", "Transfer-Encoding": "chunked"}
        for key, status in (("kd_unknown", 401), (server.key, 200)):
            packed = gzip.compress(json.dumps({"batch": [TRACK] * 1_000, "writeKey": key}).encode())
            parts = (packed[place : place + 100] for place in range(0, len(packed), 100))
            connection.request("POST", "/v1/b", parts, headers, encode_chunked=True)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["success"]) == (status, status == 200)
        connection.close()
        assert len(server.end()) == 1_000


def test_an_operator_ends_the_server_under_load(tmp_path: Path) -> None:
    """What was answered 200 is in the log, sealed; the server is gone within seconds."""
    answered: list[str] = []
    with serving(tmp_path / "shop") as server:

        def sending(sender: int) -> None:
            for number in range(100_000):
                event = {**TRACK, "messageId": f"{sender}-{number}", "writeKey": server.key}
                try:
                    if server.ask("/v1/t", json.dumps(event).encode())[0] == 200:
                        answered.append(event["messageId"])
                except (OSError, http.client.HTTPException, ValueError):
                    return

        senders = [threading.Thread(target=sending, args=(n,)) for n in range(8)]
        for thread in senders:
            thread.start()
        time.sleep(1.5)
        begun = time.monotonic()
        events = server.end()
        assert time.monotonic() - begun < 20
        for thread in senders:
            thread.join()
    kept = Counter(event["messageId"] for event in events)
    assert len(answered) > 100
    assert set(answered) <= set(kept)
    assert set(kept.values()) == {1}


@pytest.fixture
def many_files() -> Iterator[int]:
    """As many open files as this process may have, for the while of a test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_slow_and_silent_senders_hold_nobody_up(tmp_path: Path, many_files: int) -> None:
    """Connections that say nothing, and such that never finish a body, beside one that does; the slow ones hear 408."""
    with serving(tmp_path / "shop") as server, ExitStack() as idle:
        senders: list[socket.socket] = []
        head = b"POST /v1/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{"
        for place in range(min(1_300, many_files - 300)):
            one = idle.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=25))
            if place % 4 == 0:
                one.sendall(head)
            senders.append(one)
        begun = time.monotonic()
        for _ in range(5):
            assert server.ask("/v1/t", json.dumps({**TRACK, "writeKey": server.key}).encode())[0] == 200
        assert time.monotonic() - begun < 5
        assert b"408" in senders[0].recv(200)


def test_large_and_deep_bodies_leave_no_memory_behind(tmp_path: Path) -> None:
    with serving(tmp_path / "shop") as server:
        ask = lambda body, **more: server.ask("/v1/b", body, **more)[0]  # noqa: E731 - said once, used six times
        assert ask(json.dumps({"batch": [TRACK], "writeKey": server.key}).encode()) == 200
        before = _memory(server)
        bomb = gzip.compress(b"[" * 50_000_000)
        for _ in range(20):
            assert ask(b"x" * 10_000_000) in {400, 413}
            assert ask(bomb, **{"Content-Encoding": "gzip"}) == 413
            assert ask(b'{"batch":[' + b"[" * 200_000 + b"]" * 200_000 + b"]}") == 401
        assert _memory(server) - before < 100_000_000
        assert ask(json.dumps({"batch": [TRACK], "writeKey": server.key}).encode()) == 200


def _memory(server: Served) -> int:
    """Return the resident bytes of the server and its workers."""
    total, waiting = 0, [server.process.pid]
    while waiting:
        one = waiting.pop()
        total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for task in Path(f"/proc/{one}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return total
