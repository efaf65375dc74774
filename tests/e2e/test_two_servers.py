"""Two servers on one database: a key's people of a day are counted over both, within a stated while."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import free_port
from serving_world import email, world

from api.http.keys import create_key
from api.http.store import METADATA
from infra.database import open_database

pytestmark = pytest.mark.timeout(900)
PEOPLE, LIMIT = 400, 40
# As docs/application.md has it, and as much again and more for a machine that does other work.
STATED, GENEROUS = 2.0, 15.0


class Server:
    """A server process, asked as an application asks."""

    def __init__(self, root: Path, name: str) -> None:
        self.port = free_port()
        environ = {**os.environ, "KINDRED_SERVING__ERASE": "false"}
        with (root / f"{name}.log").open("wb") as told:
            command = [sys.executable, "-m", "api.http.serve", str(root), "127.0.0.1", str(self.port)]
            self.process = subprocess.Popen(command, cwd="/", env=environ, stdout=told, stderr=told)

    def ready(self) -> None:
        for _ in range(2_400):
            assert self.process.poll() is None
            with suppress(OSError), closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as line:
                # Not ready for events: the log on this disk has one writer, and that is the other.
                line.request("GET", "/healthz")
                if line.getresponse().status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("it does not serve")

    def reads(self, key: str, number: int) -> int:
        """Return the status of a read of a numbered person."""
        body = {"identifier": {"type": "email", "value": email(number)}, "purpose": "service"}
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as line:
            line.request("POST", "/v1/profiles:lookup", json.dumps(body), headers)
            answer = line.getresponse()
            answer.read()
            return answer.status


@contextmanager
def two(root: Path) -> Iterator[tuple[Server, Server]]:
    servers = Server(root, "one"), Server(root, "other")
    try:
        for one in servers:
            one.ready()
        yield servers
    finally:
        for one in servers:
            one.process.terminate()
        for one in servers:
            one.process.wait(40)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("two") / "shop"
    world(made, PEOPLE)
    return made


def key_of(root: Path, name: str) -> str:
    database = open_database(f"sqlite:///{root}/state/kindred.db", METADATA)
    try:
        return create_key(
            database, name=name, scopes={"profile:read"}, purposes={"service"}, at=datetime.now(UTC),
            people_per_day=LIMIT,
        )  # fmt: skip
    finally:
        database.dispose()


def test_a_limit_holds_over_two_servers_within_the_stated_while(root: Path) -> None:
    """What one has answered the other counts: later than that it lets nobody new through, and all who were read."""
    key, lagged = key_of(root, "lag"), list[float]()
    with two(root) as (one, other):
        assert [one.reads(key, number) for number in range(LIMIT + 1)] == [200] * LIMIT + [429]
        begun, passed, more = time.monotonic(), LIMIT, LIMIT
        while other.reads(key, passed) == 200:
            passed, more = passed + 1, more + 1
            lagged.append(time.monotonic() - begun)
            assert lagged[-1] < GENEROUS
            assert more < 2 * LIMIT, "not even alone may it let more through"
            time.sleep(0.05)
        assert other.reads(key, 0) == 200
        for server in (one, other):
            # The other's reads of the while are counted here too, and again after it.
            time.sleep(STATED)
            assert server.reads(key, PEOPLE - 1) == 429
    with two(root) as (one, other):
        assert [server.reads(key, PEOPLE - 1) for server in (one, other)] == [429, 429]
        assert one.reads(key, LIMIT - 1) == 200


def test_half_read_here_and_half_there_are_one_day(root: Path) -> None:
    key, half = key_of(root, "halves"), LIMIT // 2
    with two(root) as (one, other):
        for number in range(half):
            assert (one.reads(key, number), other.reads(key, half + number)) == (200, 200)
        # Once each knows of the other's, its people are no new ones; somebody new is asked for last.
        time.sleep(STATED)
        assert [one.reads(key, number) for number in range(LIMIT)] == [200] * LIMIT
        time.sleep(STATED)
        assert [server.reads(key, LIMIT) for server in (one, other)] == [429, 429]
