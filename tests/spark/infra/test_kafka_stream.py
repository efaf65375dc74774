"""Spark reads the event log's topics: each entry once, replayed or not, and never past one that is gone."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka_drain import drain
from pyspark.errors import PySparkException

from infra.errors import Missing
from infra.kafka import stream
from infra.log.kafka import KafkaLog
from infra.log.port import Entry
from infra.settings import KafkaSettings

pytestmark = pytest.mark.spark


def put(settings: KafkaSettings, numbers: range) -> None:
    async def whole() -> None:
        log = KafkaLog.opened(settings, ["web"])
        try:
            await log.append("web", [Entry(f"k{n % 9}", b'{"m":"%d","x":"\xc3\xa9"}' % n) for n in numbers])
        finally:
            await log.close()

    asyncio.run(whole())


def landed(folder: Path) -> list[tuple[int, int, bytes]]:
    table = DeltaTable(str(folder / "table")).to_pyarrow_table().to_pydict()
    return sorted(zip(table["partition"], table["offset"], table["body"], strict=True))


def kept(broker: Any, settings: KafkaSettings) -> list[tuple[int, int, bytes]]:
    parts = broker.kept(settings.topic("web"))
    return [(number, offset, body) for number, part in enumerate(parts) for offset, (_, body) in enumerate(part)]


@pytest.fixture
def settings(kafka_broker: Any, tmp_path: Path) -> KafkaSettings:
    return kafka_broker.settings(tmp_path.name)  # type: ignore[no-any-return]


def test_every_entry_lands_once_however_often_a_batch_is_replayed(
    spark: Any, kafka_broker: Any, settings: KafkaSettings, tmp_path: Path
) -> None:
    """Faults F8 and F15: the same version is skipped, and a new checkpoint without a new epoch would lose entries."""
    put(settings, range(1000))
    sizes: list[int] = []
    drain(spark, settings, "web", tmp_path, at_most=400, step=lambda batch, _: sizes.append(batch))
    assert len(set(sizes)) >= 3
    assert landed(tmp_path) == kept(kafka_broker, settings)
    assert all(body.endswith('"é"}'.encode()) for _, _, body in landed(tmp_path))

    # it died between Delta's commit and its own
    last = max(sizes)
    for name in (f"{last}", f".{last}.crc"):
        (tmp_path / "checkpoint-1" / "commits" / name).unlink(missing_ok=True)
    replayed: list[int] = []
    drain(spark, settings, "web", tmp_path, at_most=400, step=lambda batch, _: replayed.append(batch))
    assert replayed == [last, last]
    assert landed(tmp_path) == kept(kafka_broker, settings)

    put(settings, range(1000, 1100))
    drain(spark, settings, "web", tmp_path)
    assert landed(tmp_path) == kept(kafka_broker, settings)
    assert len(landed(tmp_path)) == 1100

    # a new checkpoint begins at 0: under the old name Delta skips it in silence, under a new one it lands
    drain(spark, settings, "web", tmp_path, epoch=2, app=1)
    assert len(landed(tmp_path)) == 1100
    drain(spark, settings, "web", tmp_path, epoch=3)
    assert len(landed(tmp_path)) == 2200


@pytest.mark.parametrize("how", ["retention", "made anew", "made anew and filled"])
def test_what_kafka_deleted_unread_stops_the_reader(
    spark: Any, settings: KafkaSettings, tmp_path: Path, how: str
) -> None:
    """Fault F16: a typed error that says what to do, nothing skipped, and a way to go on."""
    topic = settings.topic("web")
    put(settings, range(100))
    drain(spark, settings, "web", tmp_path)
    before = landed(tmp_path)
    put(settings, range(100, 300))
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    try:
        if how == "retention":
            ends = admin.list_partition_offsets({TopicPartition(topic, part): -1 for part in range(2)})
            admin.delete_records({part: found.offset - 1 for part, found in ends.items()})
        else:
            admin.delete_topics([topic])
            time.sleep(0.5)
            put(settings, range(1 if how == "made anew" else 500))
    finally:
        admin.close()
    for _ in range(2):  # it does not heal by itself, and skips nothing
        with pytest.raises(stream.EntriesGone, match="retention_hours") as told:
            drain(spark, settings, "web", tmp_path)
        assert told.value.exit_code == 6
        assert landed(tmp_path) == before
    drain(spark, settings, "web", tmp_path, epoch=2)
    assert len(landed(tmp_path)) == len(before) + {"retention": 2, "made anew": 1, "made anew and filled": 500}[how]


def test_a_broker_that_is_killed_and_comes_back_stops_nothing(
    spark: Any, kafka_broker: Any, settings: KafkaSettings, tmp_path: Path
) -> None:
    put(settings, range(600))
    back: list[threading.Thread] = []

    def step(batch: int, where: str) -> None:
        if (batch, where) == (1, "before"):
            kafka_broker.kill()
            back.append(threading.Thread(target=lambda: (time.sleep(2), kafka_broker.start())))
            back[0].start()

    try:
        drain(spark, settings, "web", tmp_path, at_most=200, step=step)
    finally:
        for thread in back:
            thread.join()
    assert landed(tmp_path) == kept(kafka_broker, settings)
    assert len(landed(tmp_path)) == 600


@pytest.mark.nightly  # Spark asks absent brokers for a minute
def test_brokers_that_are_not_there_are_named_at_once(
    spark: Any, kafka_broker: Any, settings: KafkaSettings, tmp_path: Path
) -> None:
    put(settings, range(3))
    kafka_broker.stop()
    try:
        with pytest.raises(stream.BrokersSilent, match="the checkpoint knows where to go on"):
            drain(spark, settings, "web", tmp_path)
    finally:
        kafka_broker.start()
    drain(spark, settings, "web", tmp_path)
    assert landed(tmp_path) == kept(kafka_broker, settings)


def test_what_the_connector_says_is_understood() -> None:
    """The sentences of Spark 4.2's connector, of which some carry no class; what stands in the plan counts nothing."""

    def meant(told: str) -> Any:
        return type(stream.failure(PySparkException(told), "t"))

    gone = [
        "Some data may have been lost because they are not available",
        "[KAFKA_DATA_LOSS.X] lost",
        "OffsetOutOfRange",
    ]
    assert {meant(one) for one in gone} == {stream.EntriesGone}
    assert meant("org.apache.kafka.common.errors.UnknownTopicOrPartitionException: no") is Missing
    assert meant("org.apache.kafka.common.errors.TimeoutException: Timed out") is stream.BrokersSilent
    assert meant("division by zero\n=== Streaming Query ===\nTimeoutException OffsetOutOfRange") is type(None)


def test_a_topic_that_nobody_made_is_named(spark: Any, settings: KafkaSettings, tmp_path: Path) -> None:
    with pytest.raises(Missing, match="is not there"):
        drain(spark, settings, "web", tmp_path)


def test_errors_that_are_none_of_kafka_are_let_through(spark: Any, settings: KafkaSettings, tmp_path: Path) -> None:
    put(settings, range(3))

    def step(_batch: int, _where: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(Exception, match="ZeroDivisionError") as told:
        drain(spark, settings, "web", tmp_path, step=step)
    assert type(told.value).__name__ == "StreamingQueryException"
