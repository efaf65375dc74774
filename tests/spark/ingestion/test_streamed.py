"""The log in Kafka on its way into the lake: landed once, taken in once, whatever dies in between."""

import asyncio
import json
from typing import Any

import pytest
from brokers import LocalBroker

import ingestion.store
from infra.database import open_database
from infra.kafka.lag import entries_behind
from infra.log.kafka import KafkaLog
from infra.log.port import Entry
from infra.workspace import Workspace
from ingestion.connectors.topics import taken_up_to
from ingestion.store import taken_paths
from ingestion.tables import EVENTS, LANDED

pytestmark = pytest.mark.spark

WEB = """
source: web
connector: {type: collector}
identifiers: {customer: userId, cookie: anonymousId}
"""
AT = "2026-10-31T09:00:00.123Z"


@pytest.fixture
def shop(shop: Any, kafka_broker: LocalBroker) -> Any:
    shop.declare("web", WEB)
    settings = kafka_broker.settings("streamed")
    where = f"{{type: kafka, bootstrap: '{settings.bootstrap}', topic_prefix: {settings.topic_prefix}}}"
    (shop.root / "kindred.yaml").write_text(f"name: shop\nlog: {where}\n")
    return shop


def send(shop: Any, *numbers: int) -> None:
    said = {"type": "track", "event": "Seen", "anonymousId": "c1", "timestamp": "2026-10-31T08:59:00Z"}
    bodies = [json.dumps({"r": AT, "m": f"m{number}", "e": said}).encode() for number in numbers]

    async def append() -> None:
        log = KafkaLog.opened(Workspace.open(shop.root).settings.log, ["web"])  # type: ignore[arg-type]
        await log.append("web", [Entry(f"k{number % 5}", body) for number, body in zip(numbers, bodies, strict=True)])
        await log.close()

    asyncio.run(append())


def behind(shop: Any) -> int | None:
    """Return how many entries the topic holds that were not landed, as the checkpoint of the reader says."""
    workspace = Workspace.open(shop.root)
    (checkpoint,) = sorted((workspace.state_path / "topics" / "web").glob("*"))
    found = entries_behind(workspace.settings.log, {"web": checkpoint})  # type: ignore[arg-type]
    return None if found is None else found["web"]


def in_the_lake(shop: Any) -> dict[int, int]:
    """Return by partition up to where the lake has the topic, as the online path would begin behind it."""
    workspace = Workspace.open(shop.root)
    taken = taken_paths(open_database(workspace, ingestion.store.METADATA), "web")
    topic, checkpoints = workspace.settings.log.topic("web"), workspace.state_path / "topics"  # type: ignore[union-attr]
    found = taken_up_to(workspace.lake_path, checkpoints, "web", topic, taken)
    assert len({place.segment for place in found.values()}) == 1
    return {number: place.at for number, place in found.items()}


class Died(Exception):
    """The power went."""


def test_a_topic_is_taken_in_once(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    send(shop, *range(20))
    with monkeypatch.context() as patched:
        patched.setattr("ingestion.feed.Feed._write", dies)
        with pytest.raises(Died):
            shop.run()
    assert behind(shop) == 0
    assert set(in_the_lake(shop).values()) == {0}
    send(shop, *range(15, 25))
    assert behind(shop) == 10
    assert shop.run(resume=True)["web"]["accepted"] == 20
    assert sum(in_the_lake(shop).values()) == 20
    account = shop.run()["web"]
    assert (account["read"], account["accepted"], account["duplicate"]) == (10, 5, 5)
    assert behind(shop) == 0
    assert shop.run()["all"]["read"] == 0
    assert shop.read(EVENTS).count() == 25
    assert shop.read(LANDED).count() == 30
    assert sum(in_the_lake(shop).values()) == 30
    again = shop.again("web", since=-48)["web"]
    assert (again["read"], again["accepted"], again["duplicate"]) == (30, 0, 30)
    assert shop.read(EVENTS).count() == 25


def dies(*_: Any) -> None:
    raise Died
