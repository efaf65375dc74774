"""Two stream workers over a log in Kafka: killed at random they leave what one worker leaves, each event once."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from online_world import BUY, LOGIN, PAGE, OnlineWorld, content, whose

from api.http.following import Following
from infra.clock import system_clock
from infra.keyvalue import LmdbStore
from infra.log.kafka import KafkaLog
from infra.serving.embedded import Generations
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from profiles.online.opened import FOLDER as STATE
from profiles.online.opened import state_folder
from profiles.serving import ETAG_BYTES, FOLDER

pytestmark = pytest.mark.timeout(600)
SEEDS = [1, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 8))]


class Shop:
    """A world whose log lies in Kafka, with its served generation and its two workers."""

    def __init__(self, root: Path, broker: Any, prefix: str) -> None:
        self.world = OnlineWorld.of(root)
        page = root / "kindred.yaml"
        log = f"log: {{type: kafka, bootstrap: '{broker.bootstrap}', topic_prefix: {prefix}-, partitions: 3}}\n"
        served = "serving: {host: 127.0.0.1, port: 8460, workers: 2}"
        page.write_text(page.read_text().replace("serving: {host: 127.0.0.1, port: 8460}", served) + log)
        self.world.workspace = Workspace.open(root)
        settings = self.world.workspace.settings.log
        assert isinstance(settings, KafkaSettings)
        self.runner = asyncio.Runner()
        self.log = self.runner.run(self._opened(settings))
        self.generations = Generations(self.world.workspace.serving_path / FOLDER)
        with self.generations.building("g1"):
            pass
        self.generations.publish("g1")
        self.world.state(state_folder(self.world.workspace, "g1"))
        self.workers: list[subprocess.Popen[bytes]] = []

    async def _opened(self, settings: KafkaSettings) -> KafkaLog:
        return KafkaLog.opened(settings, ["web"])

    def send(self, *events: dict[str, Any], seconds: float = 60.0) -> None:
        self.runner.run(self.log.append("web", self.world.keyed(*events, seconds=seconds)))

    def start(self, number: int) -> "subprocess.Popen[bytes]":
        root = self.world.workspace.root
        with (root / "worker.log").open("ab") as said:
            command = [sys.executable, "-m", "api.stream.main", str(root), str(number)]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=said, cwd="/")

    def begin(self) -> None:
        self.workers = [self.start(number) for number in range(2)]

    def kill(self, number: int) -> None:
        os.kill(self.workers[number].pid, signal.SIGKILL)
        self.workers[number].wait()

    def told(self) -> Any:
        return Following(self.world.workspace.state_path / STATE, system_clock, 2).told()

    def expected(self, folder: Path) -> dict[bytes, bytes]:
        """Return what one reader makes of the whole log."""
        store = LmdbStore(folder / "whole", durable=False)
        try:
            self.world.opened(self.world.state(folder / "state"), "whole").catch_up_wholly(store)
            return content(store)
        finally:
            self.world.shut()
            store.close()

    def close(self) -> None:
        for process in self.workers:
            process.terminate()
        for process in self.workers:
            process.wait(60)
        self.runner.run(self.log.close())
        self.runner.close()
        self.world.close()


@pytest.fixture
def shop(tmp_path: Path, kafka_broker: Any, request: pytest.FixtureRequest) -> Iterator[Shop]:
    made = Shop(tmp_path / "shop", kafka_broker, f"two{abs(hash(request.node.name)) % 10**9}")
    yield made
    made.close()


def until(wanted: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def days(seed: int, *, crossing: bool) -> list[list[dict[str, Any]]]:
    """Return requests of customers and visitors; `crossing`: visitors log in later, and so under another key."""
    chance = random.Random(seed)  # noqa: S311 - a sample
    requests = []
    for number in range(150):
        user, kind = chance.randint(1, 8), chance.random()
        known: dict[str, Any] = {"userId": f"u-{user}", "anonymousId": f"c-u{user}"}
        visitor = {"anonymousId": f"c-u{user}" if crossing else f"c-v{chance.randint(1, 6)}"}
        order = {"order_id": f"o-{number}", "product": "p", "quantity": 1, "price": "1.25"}
        if kind < 0.2:
            event: dict[str, Any] = {**LOGIN, **known, "traits": {"email": f"u-{user}@example.org"}}
        elif kind < 0.4:
            event = {**BUY, **known, "properties": order}
        elif kind < 0.7:
            event = {**PAGE, **known}
        else:
            event = {"type": "page", "name": "Home", **visitor}
        event = {"messageId": f"r-{number}", **event}
        requests.append([event])
        if chance.random() < 0.15:
            requests.append([dict(event)])  # sent again
    return requests


def sent_and_killed(shop: Shop, seed: int, *, crossing: bool) -> int:
    """Send, and end workers in the middle of their work; return how many were ended."""
    chance, killed = random.Random(seed), 0  # noqa: S311 - a sample
    shop.begin()
    shop.send({**PAGE, "anonymousId": "c-first", "messageId": "first"})
    until(lambda: bool(whose(shop.world, shop.generations.current(), "cookie", "c-first")))
    for request in days(seed, crossing=crossing):
        shop.send(*request)
        time.sleep(chance.random() * 0.08)
        if chance.random() < 0.06:
            shop.kill(number := chance.randint(0, 1))
            killed += 1
            if chance.random() < 0.5:
                time.sleep(chance.random() * 2.5)  # long enough, now and then, for the other one to take over
            shop.workers[number] = shop.start(number)
    return killed


@pytest.mark.parametrize("seed", SEEDS)
def test_two_workers_killed_at_random_leave_what_one_leaves(shop: Shop, tmp_path: Path, seed: int) -> None:
    """Nobody's events lie under two keys here, so that the order in which they came decides nothing."""
    assert sent_and_killed(shop, seed, crossing=False) > 2
    whole = shop.expected(tmp_path)
    with suppress(AssertionError):
        until(lambda: content(shop.generations.current()) == whole)
    assert content(shop.generations.current()) == whole, shop.told()


@pytest.mark.parametrize("seed", SEEDS)
def test_each_event_counts_once_whoever_was_killed(shop: Shop, seed: int) -> None:
    """Where a visitor's past and their log-in lie in two partitions, who comes first is open; what is there is not."""
    sent_and_killed(shop, seed, crossing=True)
    wanted = len({event["messageId"] for request in days(seed, crossing=True) for event in request}) + 1

    def counted() -> int:
        views = shop.generations.current().items(b"v|analytics|")
        return sum(orjson.loads(raw[ETAG_BYTES:])["traits"]["events"] for _, raw in views)

    with suppress(AssertionError):
        until(lambda: counted() == wanted)
    assert counted() == wanted, shop.told()
    time.sleep(1)
    assert counted() == wanted


def test_one_worker_reads_for_the_other_while_it_is_away(shop: Shop) -> None:
    shop.begin()
    cookies = [f"c-{number}" for number in range(12)]
    for cookie in cookies[:6]:
        shop.send({**PAGE, "anonymousId": cookie})
    read = lambda cookie: bool(whose(shop.world, shop.generations.current(), "cookie", cookie))  # noqa: E731
    until(lambda: all(map(read, cookies[:6])))
    until(lambda: set(shop.told()["waiting"]) == {"web/0", "web/1", "web/2"})
    assert sum(shop.told()["waiting"].values()) == 0
    shop.kill(1)
    for cookie in cookies[6:]:
        shop.send({**PAGE, "anonymousId": cookie})
    until(lambda: all(map(read, cookies)))
    shop.workers[1] = shop.start(1)
    status = shop.world.workspace.state_path / STATE / "status-1.json"
    until(lambda: set(orjson.loads(status.read_bytes())["waiting"]) == {"web/1"})
