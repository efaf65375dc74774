"""Three brokers: one may die at any moment, two may not, and nothing acknowledged dies with them (F13, F14)."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import until
from cluster import NODES, Cluster
from kafka import KafkaConsumer, TopicPartition

from infra.errors import Refused
from infra.log.kafka import KafkaLog
from infra.log.port import Entry, LogUnavailable

pytestmark = pytest.mark.nightly


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    made = Cluster(tmp_path)
    yield made
    made.stop()


def kept(settings: Any) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap.split(","), metrics_enabled=False)
    try:
        parts = [TopicPartition(settings.topic("web"), number) for number in range(settings.partitions)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends, found = consumer.end_offsets(parts), []
        while any(consumer.position(part) < ends[part] for part in parts):
            for records in consumer.poll(timeout_ms=500).values():
                found += [record.value for record in records]
        return found
    finally:
        consumer.close()


def test_one_broker_may_die_and_two_may_not(cluster: Any) -> None:
    settings = cluster.settings("three", partitions=6, deliver_within=5)
    chance = random.Random(7)  # noqa: S311 - a seed, no secret
    acknowledged: list[bytes] = []
    refused = 0

    async def whole() -> None:
        log = KafkaLog.opened(settings, ["web"])
        sending = True

        async def sender(name: int) -> None:
            nonlocal refused
            number = 0
            while sending:
                body = b'{"s":%d,"n":%d}' % (name, number)
                number += 1
                try:
                    await log.append("web", [Entry(f"s{name}", body)])
                except LogUnavailable:
                    refused += 1
                    await asyncio.sleep(0.2)
                else:
                    acknowledged.append(body)
                await asyncio.sleep(0.01)

        senders = [asyncio.ensure_future(sender(name)) for name in range(8)]
        for _ in range(3):  # each death takes leaders of some partitions
            await asyncio.sleep(1)
            dies = chance.choice(NODES)
            before = len(acknowledged)
            await asyncio.to_thread(cluster.kill, dies)
            await until(lambda before=before: len(acknowledged) > before + 100)
            await asyncio.to_thread(cluster.start, dies)
            await asyncio.sleep(3)
        # two are gone: fewer than two copies are in sync, and a yes would be a promise of one broker
        await asyncio.to_thread(cluster.kill, 1, 2)
        await until(lambda: not log.state().ready)
        during = len(acknowledged)
        await asyncio.sleep(3)
        assert len(acknowledged) == during
        await asyncio.to_thread(cluster.start, 1, 2)
        await until(lambda: len(acknowledged) > during + 50)
        sending = False
        await asyncio.gather(*senders)
        await log.close()

    asyncio.run(whole())
    found = kept(settings)
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    assert refused > 0


def test_fewer_copies_than_declared_are_refused(cluster: Any) -> None:
    """Fault F14: a topic that somebody made with one copy never begins as one with three."""

    async def opened(**changed: object) -> None:
        log = KafkaLog.opened(cluster.settings("few", **changed), ["web"])
        assert log.state().ready
        await log.close()

    asyncio.run(opened(replication=1))
    with pytest.raises(Refused, match="keeps 1 copies"):
        asyncio.run(opened())
