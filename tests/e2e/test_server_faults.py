"""The server as a process, under load: told to end, its worker killed, and what goes over real connections."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from databases import free_port
from serving_world import email, profile_id, world

PEOPLE = 200


@dataclass
class Served:
    """A running server, its key and its process."""

    port: int
    key: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def workers(self) -> list[int]:
        """The processes that answer."""
        own = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(one) for one in own if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()] or list(
            map(int, own)
        )

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        with closing(self.connection()) as line:
            sent = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
            line.request(method, path, body if body is None or not isinstance(body, dict) else json.dumps(body), sent)
            answer = line.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@contextmanager
def serving(root: Path, **settings: object) -> Iterator[Served]:
    """Serve a workspace of a few hundred people as `kindred serve` does."""
    key, port = world(root, PEOPLE), free_port()
    changed = {f"KINDRED_SERVING__{name.upper()}": str(value) for name, value in {"erase": False, **settings}.items()}
    log = root / "server.log"
    with log.open("wb") as told:
        command = [sys.executable, "-m", "api.http.serve", str(root), "127.0.0.1", str(port)]
        environ = {**os.environ, **changed}
        process = subprocess.Popen(command, cwd="/", env=environ, stdout=told, stderr=told)
    served = Served(port, key, process, log)
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            with suppress(OSError):
                if served.ask("GET", "/readyz")[0] == 200:
                    break
            time.sleep(0.1)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=40)


def lookup(number: int) -> dict[str, Any]:
    return {"identifier": {"type": "email", "value": email(number)}, "purpose": "service"}


class Crowd:
    """Callers on lines that stay open, until the server is gone."""

    def __init__(self, served: Served, callers: int) -> None:
        self.served, self.statuses, self.broken = served, Counter[int](), Counter[str]()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._call, args=(n,), daemon=True) for n in range(callers)]

    def __enter__(self) -> Self:
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for one in self.threads:
            one.join(40)

    def _call(self, number: int) -> None:
        headers = {"authorization": f"Bearer {self.served.key}", "content-type": "application/json"}
        with closing(self.served.connection()) as line:
            self._ask_on(line, number, headers)

    def _ask_on(self, line: http.client.HTTPConnection, number: int, headers: dict[str, str]) -> None:
        while not self.stop.is_set():
            number += 1
            try:
                if number % 2:
                    line.request("GET", f"/v1/profiles/{profile_id(number % PEOPLE)}?purpose=service", headers=headers)
                else:
                    line.request("POST", "/v1/profiles:lookup", json.dumps(lookup(number % PEOPLE)), headers)
                answer = line.getresponse()
                answer.read()
                self.statuses[answer.status] += 1
            except http.client.IncompleteRead:
                self.broken["half an answer"] += 1
            except (OSError, http.client.HTTPException) as error:
                # An idle line may be closed at any time (RFC 9112, 9.3.1): nothing of an answer was heard on it.
                self.broken[type(error).__name__] += 1
                line.close()
                if self.served.process.poll() is not None:
                    return
                time.sleep(0.02)


def test_told_to_end_under_load_it_answers_what_was_begun_and_is_gone_soon(tmp_path: Path) -> None:
    with serving(tmp_path / "shop") as served, Crowd(served, 8) as crowd:
        time.sleep(1)
        body = json.dumps(lookup(3)).encode()
        head = (
            f"POST /v1/profiles:lookup HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {served.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        begun = [socket.create_connection(("127.0.0.1", served.port), timeout=30) for _ in range(10)]
        for one in begun:
            one.sendall(head.encode() + body[:20])
        time.sleep(0.3)
        since = time.monotonic()
        served.process.terminate()
        time.sleep(0.5)
        for one in begun:
            one.sendall(body[20:])
        answers = [one.recv(65_536) for one in begun]
        code = served.process.wait(30)
        assert time.monotonic() - since < 30
        for one in begun:
            one.close()
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), answers
    assert set(crowd.statuses) == {200}
    assert crowd.statuses[200] > 100
    assert crowd.broken["half an answer"] == 0
    assert code == 0, served.log.read_text()


class Listener(threading.Thread):
    """An application that follows the change feed, and how its stream ended."""

    def __init__(self, served: Served) -> None:
        super().__init__(daemon=True)
        self.served, self.begun, self.ended = served, threading.Event(), ""
        self.changes = 0

    def run(self) -> None:
        with closing(self.served.connection()) as line:
            headers = {"authorization": f"Bearer {self.served.key}", "accept": "text/event-stream"}
            line.request("GET", "/v1/changes?purpose=service", headers=headers)
            stream = line.getresponse()
            assert stream.status == 200, stream.read()
            try:
                while told := stream.readline():
                    self.changes += told.startswith(b"id: ")
                    self.begun.set()
                self.ended = "whole"
            except (OSError, http.client.HTTPException) as error:
                self.ended = type(error).__name__


def test_told_to_end_under_load_with_streams_of_changes_open_it_ends_them_whole(tmp_path: Path) -> None:
    """A stream has no end of its own: each worker is told first, and what listens reads a last chunk, no broken one."""
    with serving(tmp_path / "shop") as served:
        listeners = [Listener(served) for _ in range(3)]
        for one in listeners:
            one.start()
        assert all(one.begun.wait(30) for one in listeners)
        with Crowd(served, 4) as crowd:
            time.sleep(1)
            since = time.monotonic()
            served.process.terminate()
            code = served.process.wait(30)
            taken = time.monotonic() - since
        for one in listeners:
            one.join(20)
    assert code == 0, served.log.read_text()
    assert taken < 15, "below the limit after which a worker is killed"
    assert [one.ended for one in listeners] == ["whole"] * 3
    assert set(crowd.statuses) == {200}
    assert crowd.broken["half an answer"] == 0
    assert "Traceback" not in served.log.read_text()


def test_a_killed_worker_is_back_soon_and_the_others_serve_meanwhile(tmp_path: Path) -> None:
    with serving(tmp_path / "shop", workers=2) as served:
        before = served.workers
        assert len(before) == 2
        with Crowd(served, 8) as crowd:
            time.sleep(1)
            killed, since = before[0], time.monotonic()
            os.kill(killed, signal.SIGKILL)
            while len(set(served.workers) - {killed}) < 2:
                assert time.monotonic() - since < 20
                time.sleep(0.01)
            started = time.monotonic() - since
            answered = crowd.statuses[200]
            time.sleep(2)
            assert crowd.statuses[200] > answered
        assert served.process.poll() is None
        assert started < 2
        assert set(crowd.statuses) == {200}
        assert served.ask("GET", "/readyz")[0] == 200


def test_the_only_worker_killed_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path / "shop") as served:
        (killed,) = served.workers
        os.kill(killed, signal.SIGKILL)
        for _ in range(300):
            with suppress(OSError, http.client.HTTPException):
                if served.ask("GET", "/readyz")[0] == 200 and served.workers != [killed]:
                    break
            time.sleep(0.1)
        assert served.ask("GET", f"/v1/profiles/{profile_id(1)}?purpose=service")[0] == 200
        assert "Traceback" not in served.log.read_text()


def test_it_starts_with_little_work_and_the_server_itself_loads_no_application(tmp_path: Path) -> None:
    """Two seconds on a machine of its own; here CPU time is held, which a busy machine stretches less than the wait."""
    with serving(tmp_path / "shop") as served:
        assert cpu_seconds(served.process.pid) < 6
        assert cpu_seconds(served.process.pid) - cpu_seconds(served.workers[0]) < 2
        maps = Path(f"/proc/{served.process.pid}/maps").read_text()
        for heavy in ("pyarrow", "sqlalchemy", "numpy", "lmdb"):
            assert f"/{heavy}/" not in maps, heavy
        maps = Path(f"/proc/{served.workers[0]}/maps").read_text()
        for heavy in ("duckdb", "pandas", "scipy", "py4j"):
            assert f"/{heavy}" not in maps, heavy


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("server") / "shop") as one:
        yield one


def test_over_real_connections_the_straight_way_answers_as_the_long_one(served: Served) -> None:
    """A second header that changes nothing sends a request the long way: the answers are the same, header by header."""
    batch = {"people": [{"profile_id": profile_id(1)}, {"type": "email", "value": email(2)}], "purpose": "service"}
    tag = served.ask("GET", f"/v1/profiles/{profile_id(1)}?purpose=service")[1]["etag"]
    cases = [
        ("GET", f"/v1/profiles/{profile_id(1)}?purpose=service", None, {}),
        ("GET", f"/v1/profiles/{profile_id(1)}?purpose=service", None, {"if-none-match": tag}),
        ("GET", f"/v1/profiles/{'0' * 31}e?purpose=service", None, {}),
        ("GET", f"/v1/profiles/{profile_id(1)}?purpose=nonsense", None, {}),
        ("POST", "/v1/profiles:lookup", lookup(1), {}),
        ("POST", "/v1/profiles:lookup", lookup(1), {"if-none-match": tag}),
        ("POST", "/v1/profiles:lookup", lookup(9_999), {}),
        ("POST", "/v1/profiles:batchLookup", batch, {}),
    ]
    for method, path, body, headers in cases:
        # Twice, so that the key is known; then in a way that only the framework takes.
        answers = [served.ask(method, path, body, **headers) for _ in range(2)]
        long = {**headers, **({"content-type": "application/json; charset=utf-8"} if body else {})}
        answers.append(served.ask(method, path + ("" if body else "&"), body, **long))
        for _, told, _ in answers:
            for name in ("date", "server-timing"):
                told.pop(name)
        assert answers[0] == answers[1] == answers[2], (method, path)


def test_bodies_in_pieces_too_long_and_none_at_all(served: Served) -> None:
    def pieces() -> Iterator[bytes]:
        for start in range(0, len(text), 7):
            yield text[start : start + 7]

    text = json.dumps(lookup(5)).encode()
    with closing(served.connection()) as line:
        headers = {"authorization": f"Bearer {served.key}", "content-type": "application/json"}
        line.request("POST", "/v1/profiles:lookup", pieces(), headers, encode_chunked=True)
        chunked = line.getresponse()
        assert (chunked.status, json.loads(chunked.read())["profile_id"]) == (200, profile_id(5))
    assert served.ask("POST", "/v1/profiles:lookup", b" " * 70_000)[0] == 413
    assert served.ask("POST", "/v1/profiles:lookup", b"")[0] == 422
    large = {"people": [{"profile_id": profile_id(n % PEOPLE)} for n in range(1_000)], "purpose": "service"}
    status, headers, content = served.ask("POST", "/v1/profiles:batchLookup", large)
    assert (status, int(headers["content-length"])) == (200, len(content))
    assert len(json.loads(content)["results"]) == 1_000
    assert served.ask("HEAD", f"/v1/profiles/{profile_id(1)}?purpose=service")[0] == 405
    assert served.ask("GET", "/openapi.json")[0] == 200


def test_headers_that_are_no_text_and_paths_that_are_none(served: Served) -> None:
    lines = (
        b"GET /v1/profiles/%00%ff?purpose=service HTTP/1.1\r\nhost: a\r\nauthorization: Bearer \xff\xfe\r\n\r\n",
        b"GET /v1/profiles/" + b"a" * 10_000 + b"?purpose=service HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /v1/profiles:lookup HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\n12345",
        b"GET http://elsewhere.example/v1/profiles/x?purpose=service HTTP/1.1\r\nhost: a\r\n\r\n",
    )
    for line in lines:
        with closing(socket.create_connection(("127.0.0.1", served.port), timeout=20)) as one:
            one.sendall(line)
            assert one.recv(65_536)[9:12] in {b"400", b"401", b"404", b"414", b"431"}, line[:60]
    assert served.ask("GET", "/healthz")[0] == 200
    assert "Traceback" not in served.log.read_text()
