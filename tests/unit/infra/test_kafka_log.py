"""The event log in Kafka beyond the contract: what it refuses, what it makes, and how it lives through its brokers."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from brokers import until
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from infra.errors import Malformed, Refused, Unavailable
from infra.kafka.lag import entries_behind
from infra.kafka.topics import LARGEST_ENTRY, configuration, ensured
from infra.log.kafka import KafkaLog
from infra.log.port import Entry, LogBusy, LogUnavailable
from infra.settings import KafkaSettings

HOUR = 3600 * 1000


def entry(number: int, key: str = "") -> Entry:
    return Entry(key, b'{"m":"%d"}' % number)


def used(settings: KafkaSettings, work: Callable[[KafkaLog], Awaitable[None]], *sources: str) -> None:
    async def whole() -> None:
        log = KafkaLog.opened(settings, sources)
        try:
            await work(log)
        finally:
            await log.close()

    asyncio.run(whole())


@pytest.fixture
def settings(kafka_broker: Any, request: pytest.FixtureRequest) -> Callable[..., KafkaSettings]:
    def made(**changed: object) -> KafkaSettings:
        return kafka_broker.settings(request.node.name.replace("[", ".").replace("]", ""), **changed)

    return made


def topic_settings(settings: KafkaSettings, source: str) -> dict[str, str]:
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    try:
        asked = ConfigResource(ConfigResourceType.TOPIC, settings.topic(source), dict.fromkeys(configuration(settings)))
        found = admin.describe_configs([asked], config_filter="all")["topic"][settings.topic(source)]
        return {key: value["value"] for key, value in found.items()}
    finally:
        admin.close()


def test_keys_are_tokens_and_keep_their_partition(kafka_broker: Any, settings: Any) -> None:
    chosen = settings(partitions=3)

    async def work(log: KafkaLog) -> None:
        await log.append("web", [entry(number, f"token{number % 7}") for number in range(210)])
        await log.append("web", [entry(number) for number in range(210, 240)])

    used(chosen, work, "web")
    parts = kafka_broker.kept(chosen.topic("web"))
    assert len(parts) == 3
    assert all(part for part in parts)
    where: dict[bytes, set[int]] = {}
    for number, part in enumerate(parts):
        for key, _ in part:
            where.setdefault(key or b"", set()).add(number)
    assert {key: len(found) for key, found in where.items()} == {
        **{f"token{n}".encode(): 1 for n in range(7)}, b"": 3,
    }  # fmt: skip
    of_one = [body for part in parts for key, body in part if key == b"token3"]
    assert of_one == [entry(number).body for number in range(3, 210, 7)]


def test_topics_are_made_and_set_right_again(settings: Any) -> None:
    async def nothing(log: KafkaLog) -> None:
        assert log.state().ready

    used(settings(retention_hours=8), nothing, "web")
    assert topic_settings(settings(), "web") == {
        "cleanup.policy": "delete", "retention.ms": str(8 * HOUR), "retention.bytes": "-1", "segment.ms": str(2 * HOUR),
        "min.insync.replicas": "1", "unclean.leader.election.enable": "false", "flush.messages": "1",
        "message.timestamp.type": "LogAppendTime", "max.message.bytes": str(LARGEST_ENTRY + 65536),
    }  # fmt: skip
    used(settings(retention_hours=24), nothing, "web")
    assert topic_settings(settings(), "web")["retention.ms"] == str(24 * HOUR)


def test_several_copies_need_no_flush_but_two_acknowledgements() -> None:
    made = configuration(KafkaSettings(type="kafka", replication=3))
    assert made["min.insync.replicas"] == "2"
    assert int(made["flush.messages"]) > 10**18


def test_a_topic_with_fewer_copies_than_declared_is_refused_at_the_start(settings: Any) -> None:
    """Fault F14: what is declared safe and is not must not begin."""

    async def nothing(_log: KafkaLog) -> None:
        return

    used(settings(), nothing, "web")
    with pytest.raises(Refused, match=r"keeps 1 copies where kindred.yaml says replication 3"):
        KafkaLog.opened(settings(replication=3), ["web"])


def test_more_copies_than_brokers_are_never_ready(settings: Any) -> None:
    async def work(log: KafkaLog) -> None:
        assert not log.state().ready
        assert "at least 3 of them" in log.state().because
        with pytest.raises(LogUnavailable):
            await log.append("web", [entry(1)])

    used(settings(replication=3), work, "web")


def test_a_source_that_nobody_named_has_a_topic_at_its_first_entry(kafka_broker: Any, settings: Any) -> None:
    chosen = settings()

    async def work(log: KafkaLog) -> None:
        await asyncio.gather(*(log.append("late", [entry(number)]) for number in range(40)))

    used(chosen, work)
    assert sum(map(len, kafka_broker.kept(chosen.topic("late")))) == 40


def test_an_entry_beyond_all_measure_is_refused_and_the_largest_is_kept(kafka_broker: Any, settings: Any) -> None:
    chosen = settings(partitions=1)

    async def work(log: KafkaLog) -> None:
        with pytest.raises(Malformed, match="split it"):
            await log.append("web", [Entry("", b'{"x":"' + b"y" * LARGEST_ENTRY + b'"}')])
        await log.append("web", [Entry("k", b'{"x":"' + b"y" * (LARGEST_ENTRY - 8) + b'"}')])

    used(chosen, work, "web")
    assert [len(body) for _, body in kafka_broker.kept(chosen.topic("web"))[0]] == [LARGEST_ENTRY]


def test_without_brokers_it_opens_says_so_and_recovers(kafka_broker: Any, settings: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = settings().model_copy(update={"bootstrap": f"127.0.0.1:{port}"})

    async def work(log: KafkaLog) -> None:
        state = log.state()
        assert (state.ready, state.retry_after > 0) == (False, True)
        assert "are they running" in state.because
        with pytest.raises(LogUnavailable):
            await log.append("web", [entry(1)])
        # a relay on that port stands for brokers that come up late: kafka-python then follows their own address
        relay = await asyncio.start_server(relayed, "127.0.0.1", port)
        async with relay:
            await until(lambda: log.state().ready)
            await log.append("web", [entry(2)])

    async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection("127.0.0.1", kafka_broker.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, down), pump(up, writer))

    used(chosen, work, "web")
    assert [body for part in kafka_broker.kept(chosen.topic("web")) for _, body in part] == [entry(2).body]


def test_a_frozen_broker_fills_the_buffer_and_no_more(kafka_broker: Any, settings: Any) -> None:
    chosen = settings(memory=1 << 20, deliver_within=3)
    large = b'{"x":"' + b"y" * 10_000 + b'"}'

    async def work(log: KafkaLog) -> None:
        await log.append("web", [entry(1)])
        kafka_broker.freeze()
        try:
            sent = [asyncio.ensure_future(log.append("web", [Entry("", large)])) for _ in range(500)]
            await until(lambda: bool(log.state().because))
            assert log.state().waiting_bytes <= 1 << 20
            assert log.state().because == "the buffer for the Kafka brokers is nearly full"
            told = await asyncio.gather(*sent, return_exceptions=True)
        finally:
            kafka_broker.thaw()
        assert {type(one) for one in told} == {LogBusy, LogUnavailable}
        assert not log.state().ready
        await until(lambda: log.state().ready and not log.state().waiting_bytes)
        await log.append("web", [entry(2)])

    used(chosen, work, "web")


def test_no_body_reaches_a_log_however_loud_it_is(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def work(log: KafkaLog) -> None:
        await log.append("web", [Entry("token-of-jane", b'{"email":"jane.roe@example.org"}')])

    loud = logging.getLogger("kafka")
    before = loud.level
    try:
        with caplog.at_level(logging.DEBUG):
            used(settings(), work, "web")
    finally:
        loud.setLevel(before)
    assert "jane" not in caplog.text


def test_a_topic_of_another_owner_keeps_its_partitions(settings: Any) -> None:
    admin = KafkaAdminClient(bootstrap_servers=settings().bootstrap)
    try:
        assert ensured(admin, ["web"], settings(partitions=1)) == {"web": 1}
        assert ensured(admin, ["web", "app"], settings(partitions=3)) == {"web": 1, "app": 3}
        assert ensured(admin, [], settings()) == {}
    finally:
        admin.close()


def test_too_few_copies_in_sync_are_told_before_anybody_waits_for_them() -> None:
    def topic(*insync: int) -> dict[str, Any]:
        parts = [{"replica_nodes": [1, 2, 3], "isr_nodes": list(range(alive))} for alive in insync]
        return {"name": "kindred-web", "error_code": 0, "partitions": parts}

    class Admin:
        """As kafka-python's, of a cluster that has lost brokers."""

        def __init__(self, *insync: int) -> None:
            self.insync = insync

        def describe_topics(self, _names: list[str]) -> list[dict[str, Any]]:
            return [topic(*self.insync)]

        def describe_configs(self, *_asked: object, **_how: object) -> dict[str, Any]:
            wanted = configuration(chosen)
            return {"topic": {"kindred-web": {key: {"value": value} for key, value in wanted.items()}}}

    chosen = KafkaSettings(type="kafka", replication=3)
    assert ensured(Admin(3, 2), ["web"], chosen) == {"web": 2}
    with pytest.raises(Unavailable, match="has 1 copies in sync and a yes needs 2"):
        ensured(Admin(3, 1), ["web"], chosen)


def test_how_far_a_reader_is_behind_is_told_by_its_checkpoint(settings: Any, tmp_path: Path) -> None:
    chosen = settings(partitions=1)

    async def work(log: KafkaLog) -> None:
        await log.append("web", [entry(number) for number in range(5)])

    used(chosen, work, "web", "quiet")
    asked = {"web": tmp_path, "quiet": tmp_path / "none", "absent": tmp_path / "none"}
    assert entries_behind(chosen, asked) == {"web": 5, "quiet": 0, "absent": 0}
    for number, offset in enumerate((3, 4)):  # as Spark writes them; the second batch is not committed
        (tmp_path / "offsets").mkdir(exist_ok=True)
        (tmp_path / "offsets" / str(number)).write_text(
            f'v1\n{{"conf":{{}}}}\n{{"{chosen.topic("web")}":{{"0":{offset}}}}}'
        )
    (tmp_path / "commits").mkdir()
    (tmp_path / "commits" / "0").write_text("v1\n{}")
    assert entries_behind(chosen, {"web": tmp_path}) == {"web": 2}
    away = chosen.model_copy(update={"bootstrap": "127.0.0.1:9"})
    assert entries_behind(away, {"web": tmp_path}) is None
