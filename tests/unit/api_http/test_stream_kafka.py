"""Two stream workers over a log in Kafka: killed at random they leave what one worker leaves, each event once."""

import asyncio
import json
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
from kafka.admin import KafkaAdminClient
from online_world import BUY, LOGIN, PAGE, OnlineWorld, content, whose
from valkeys import valkey

from api.http.following import Following
from infra.clock import system_clock
from infra.errors import Unavailable
from infra.kafka.tail import EntriesPassed, TopicTail
from infra.keyvalue import LmdbStore
from infra.log.kafka import KafkaLog
from infra.log.tail import Place
from infra.settings import KafkaSettings
from infra.workspace import Workspace
from ingestion.connectors.topics import CHECKPOINTS
from profiles.online.apply import places, put_place
from profiles.online.opened import FOLDER as STATE
from profiles.online.opened import Log, begun_at, state_folder
from profiles.serving import serving_store
from profiles.stored import answered

pytestmark = pytest.mark.timeout(600)
REQUESTS = 150 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 70
SEEDS = [1, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 8))]


class Shop:
    """A world whose log lies in Kafka, with its served generation and its two workers."""

    def __init__(self, root: Path, broker: Any, prefix: str, store: str = "lmdb") -> None:
        self.world = OnlineWorld.of(root)
        page = root / "kindred.yaml"
        log = f"log: {{type: kafka, bootstrap: '{broker.bootstrap}', topic_prefix: {prefix}-, partitions: 3}}\n"
        served = f"serving: {{host: 127.0.0.1, port: 8460, stream_workers: 2, store: '{store}'}}\n"
        page.write_text(page.read_text().replace("serving: {host: 127.0.0.1, port: 8460}\n", served) + log)
        self.world.workspace = Workspace.open(root)
        settings = self.world.workspace.settings.log
        assert isinstance(settings, KafkaSettings)
        self.runner = asyncio.Runner()
        self.log = self.runner.run(self._opened(settings))
        self.generations = serving_store(self.world.workspace)
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

    def served(self) -> dict[bytes, bytes]:
        """Return all that is served; a server that a busy machine keeps waiting is asked again."""
        while True:
            with suppress(Unavailable):
                return content(self.generations.current())  # type: ignore[arg-type]

    def leads(self, cookie: str) -> bool:
        """Say whether a cookie leads to somebody."""
        with suppress(Unavailable):
            return bool(whose(self.world, self.generations.current(), "cookie", cookie))  # type: ignore[arg-type]
        return False

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
    made = Shop(tmp_path / "shop", kafka_broker, _prefix(request))
    yield made
    made.close()


@pytest.fixture
def remote(tmp_path: Path, kafka_broker: Any, request: pytest.FixtureRequest) -> Iterator[Shop]:
    with valkey() as server:
        made = Shop(tmp_path / "shop", kafka_broker, _prefix(request), server.url)
        yield made
        made.close()


def _prefix(request: pytest.FixtureRequest) -> str:
    return f"two{abs(hash(request.node.name)) % 10**9}"


def until(wanted: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def days(seed: int, *, crossing: bool) -> list[list[dict[str, Any]]]:
    """Return requests of customers and visitors; `crossing`: visitors log in later, and so under another key."""
    chance = random.Random(seed)  # noqa: S311 - a sample
    requests = []
    for number in range(REQUESTS):
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
    until(lambda: shop.leads("c-first"))
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
        until(lambda: shop.served() == whole)
    assert shop.served() == whole, shop.told()


@pytest.mark.nightly  # by day the store's contract holds its compare-and-set
@pytest.mark.parametrize("seed", range(1, 8))
def test_a_valkey_that_two_workers_write_holds_the_same(remote: Shop, tmp_path: Path, seed: int) -> None:
    """There a change is made of what was read before, and nothing of it is done where that is another by now."""
    sent_and_killed(remote, seed, crossing=False)
    whole = remote.expected(tmp_path)
    with suppress(AssertionError):
        until(lambda: remote.served() == whole)
    assert remote.served() == whole, remote.told()


@pytest.mark.parametrize("seed", SEEDS)
def test_each_event_counts_once_whoever_was_killed(shop: Shop, seed: int) -> None:
    """Where a visitor's past and their log-in lie in two partitions, who comes first is open; what is there is not."""
    sent_and_killed(shop, seed, crossing=True)
    wanted = len({event["messageId"] for request in days(seed, crossing=True) for event in request}) + 1

    def counted() -> int:
        views = [raw for key, raw in shop.served().items() if key.startswith(b"v|analytics|")]
        return sum(orjson.loads(answered(raw))["traits"]["events"] for raw in views)

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
    until(lambda: all(map(shop.leads, cookies[:6])))
    until(lambda: set(shop.told()["waiting"]) == {"web/0", "web/1", "web/2"})
    assert sum(shop.told()["waiting"].values()) == 0
    shop.kill(1)
    for cookie in cookies[6:]:
        shop.send({**PAGE, "anonymousId": cookie})
    until(lambda: all(map(shop.leads, cookies)))
    shop.workers[1] = shop.start(1)
    status = shop.world.workspace.state_path / STATE / "status-1.json"
    until(lambda: set(orjson.loads(status.read_bytes())["waiting"]) == {"web/1"})


def test_a_publication_begins_behind_what_the_lake_has(shop: Shop, tmp_path: Path) -> None:
    """What Spark's checkpoint has read is in the build; the rest is brought into the generation before it is served."""
    settings, workspace = shop.world.workspace.settings.log, shop.world.workspace
    assert isinstance(settings, KafkaSettings)
    for number in range(9):
        shop.send({**PAGE, "anonymousId": f"c-{number}"})
    tail = TopicTail(settings, ["web"])
    ends = tail.ends()
    checkpoint = workspace.state_path / CHECKPOINTS / "web" / "0001"
    for name, told in (
        ("commits/0", "v1"),
        ("offsets/0", "v1\n{}\n" + json.dumps({settings.topic("web"): {part[-1]: 1 for part in ends}})),
        ("topic", topic_id(settings)),
    ):
        (checkpoint / name).parent.mkdir(parents=True, exist_ok=True)
        (checkpoint / name).write_text(told)
    store = LmdbStore(tmp_path / "next", durable=False)
    try:
        opened = shop.world.opened(shop.world.state(tmp_path / "state"), "next")
        with store.change() as change:
            begun_at(change, Log.of(workspace, shop.world.database, shop.world.clock))
        assert opened.catch_up_wholly(store) == 9 - len(ends)
        assert {part: place.at for part, place in places(store.get).items()} == ends
        with store.change() as change:
            put_place(change, next(iter(ends)), Place("another", 1))
        shop.world.shut()
        opened = shop.world.opened(tmp_path / "state", "next")
        with pytest.raises(EntriesPassed):  # a topic that was made anew is not the one that the lake has read
            opened.catch_up_wholly(store)
    finally:
        tail.close()
        shop.world.shut()
        store.close()


def topic_id(settings: KafkaSettings) -> str:
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as admin:
        return str(admin.describe_topics([settings.topic("web")])[0]["topic_id"])
