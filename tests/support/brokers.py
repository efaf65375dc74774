"""A Kafka broker for tests, and ways to hurt it; and what lies in a topic, read by another client than Spark."""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from infra.kafka import broker
from infra.log.kafka import KafkaLog
from infra.settings import KafkaSettings


class LocalBroker:
    """One broker over a folder; killed, frozen and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = broker.start(folder).broker.port

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        running = broker.status(self.folder)
        assert running is not None
        return running.pid

    def settings(self, prefix: str, **changed: object) -> KafkaSettings:
        values = {"type": "kafka", "bootstrap": self.bootstrap, "topic_prefix": f"{prefix}-", **changed}
        return KafkaSettings.model_validate(values)

    def start(self) -> None:
        broker.start(self.folder, self.port)

    def stop(self) -> None:
        broker.stop(self.folder)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        while broker.status(self.folder) is not None:
            time.sleep(0.01)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kept(self, topic: str) -> list[list[tuple[bytes | None, bytes]]]:
        """Return key and body of every entry of a topic, a list for each partition, in their order."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, metrics_enabled=False)
        try:
            parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
            consumer.assign(parts)
            consumer.seek_to_beginning(*parts)
            ends = consumer.end_offsets(parts)
            found: dict[TopicPartition, list[tuple[bytes | None, bytes]]] = {part: [] for part in parts}
            while any(consumer.position(part) < ends[part] for part in parts):
                for part, records in consumer.poll(timeout_ms=500, max_records=5000).items():
                    found[part] += [(record.key, record.value) for record in records]
            return [found[part] for part in parts]
        finally:
            consumer.close()


async def until(wanted: Callable[[], bool]) -> None:
    """Return when it is so; fail if that takes a minute."""
    async with asyncio.timeout(60):
        while not wanted():  # noqa: ASYNC110 - another thread makes it so, and tells no loop
            await asyncio.sleep(0.02)


_PREFIXES = itertools.count()


class KeptByKafka:
    """Kafka as the contract suite of event logs sees an implementation: opened, read, made to fail and mended."""

    def __init__(self, local: LocalBroker) -> None:
        self._broker = local
        # One partition: the suite asks for the order of entries without a key too, and Kafka keeps it within one.
        self._settings = local.settings(f"contract{next(_PREFIXES)}", deliver_within=1, memory=1 << 17, partitions=1)

    async def open(self) -> KafkaLog:
        return KafkaLog.opened(self._settings, ["web", "shop"])

    def read(self, source: str) -> list[bytes]:
        return [body for part in self._broker.kept(self._settings.topic(source)) for _, body in part]

    def fail(self) -> None:
        self._broker.freeze()

    def mend(self) -> None:
        self._broker.thaw()
