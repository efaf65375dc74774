"""What was read of a topic goes from its brokers; what was not read stays."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec

from infra.errors import Unavailable
from infra.kafka.trim import trim
from infra.log.kafka import KafkaLog
from infra.log.port import Entry


def checkpoint(root: Path, topic: str, offset: int) -> Path:
    (root / "commits").mkdir()
    (root / "offsets").mkdir()
    (root / "commits" / "0").write_text("v1\n{}")
    (root / "offsets" / "0").write_text(f"v1\n{{}}\n{json.dumps({topic: {'0': offset}})}")
    return root


def test_what_was_read_is_gone_and_the_rest_stays(kafka_broker: Any, tmp_path: Path) -> None:
    settings = kafka_broker.settings("trim", partitions=1)

    async def sent() -> None:
        log = KafkaLog.opened(settings, ["web"])
        await log.append("web", [Entry("", b'{"m":"%d"}' % n) for n in range(5)])
        await log.close()

    asyncio.run(sent())
    topic = settings.topic("web")
    assert trim(settings, "web", tmp_path / "none") == 0
    assert trim(settings, "web", checkpoint(tmp_path, topic, 3)) == 1
    assert trim(settings, "web", tmp_path) == 1
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as admin:
        part = TopicPartition(topic, 0)
        begins = admin.list_partition_offsets({part: OffsetSpec.EARLIEST})[part].offset
        ends = admin.list_partition_offsets({part: OffsetSpec.LATEST})[part].offset
    assert (begins, ends) == (3, 5)


def test_brokers_that_are_away_are_told_of(kafka_broker: Any, tmp_path: Path) -> None:
    settings = kafka_broker.settings("away").model_copy(update={"bootstrap": "127.0.0.1:1"})
    with pytest.raises(Unavailable, match="do not delete what was read"):
        trim(settings, "web", checkpoint(tmp_path, settings.topic("web"), 3))
