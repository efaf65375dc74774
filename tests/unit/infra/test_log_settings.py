"""What kindred.yaml may say of the event log, and what it may not (fault F14)."""

from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from infra.settings import KafkaSettings, SpoolSettings
from infra.workspace import Workspace


def opened(folder: Path, log: str, **environ: str) -> Workspace:
    (folder / "kindred.yaml").write_text(f"name: shop\n{log}", encoding="utf-8")
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in environ.items()), encoding="utf-8")
    return Workspace.open(folder)


def test_without_a_word_it_is_the_spool(tmp_path: Path) -> None:
    assert opened(tmp_path, "").settings.log == SpoolSettings()
    assert opened(tmp_path, "log: {type: spool, quota: 2000000}").settings.log == SpoolSettings(quota=2_000_000)


def test_kafka_is_declared(tmp_path: Path) -> None:
    log = opened(
        tmp_path,
        "log: {type: kafka, bootstrap: '${BROKERS}', topic_prefix: shop., replication: 3, partitions: 12}",
        BROKERS="one.example.org:9092, [::1]:9093",
    ).settings.log
    assert isinstance(log, KafkaSettings)
    assert (log.topic("web"), log.insync, log.acks) == ("shop.web", 2, "all")
    assert (KafkaSettings(type="kafka").insync, KafkaSettings(type="kafka", replication=2).insync) == (1, 2)
    assert KafkaSettings(type="kafka", replication=5, min_insync=4).insync == 4


@pytest.mark.parametrize(
    ("log", "where", "said"),
    [
        ("{type: kafka, acks: '1'}", "log.acks", "use acks: all"),
        ("{type: kafka, acks: 0}", "log.acks", "string"),
        ("{type: kafka, replication: 3, min_insync: 1}", "log.kafka", "use min_insync: 2 or more"),
        ("{type: kafka, replication: 2, min_insync: 3}", "log.kafka", "nothing could be accepted"),
        ("{type: kafka, bootstrap: localhost}", "log.bootstrap", "use host:port"),
        ("{type: kafka, topic_prefix: 'a b'}", "log.topic_prefix", "pattern"),
        ("{type: kafka, quota: 5}", "log.quota", "unknown key"),
        ("{type: rabbit}", "log", "'spool', 'kafka'"),
        ("{quota: 2000000}", "log", "add 'type'"),
    ],
)
def test_what_is_unsafe_or_unknown_does_not_begin(tmp_path: Path, log: str, where: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        opened(tmp_path, f"log: {log}")
    assert (wrong.value.line, wrong.value.where) == (2, where)
    assert said in str(wrong.value)


def test_a_machine_names_its_brokers_and_weakens_nothing(tmp_path: Path) -> None:
    log = opened(tmp_path, "log: {type: kafka}", KINDRED_LOG__BOOTSTRAP="kafka.example.org:9092").settings.log
    assert isinstance(log, KafkaSettings)
    assert log.bootstrap == "kafka.example.org:9092"
    with pytest.raises(ConfigurationError, match="KINDRED_LOG__ACKS: a broker that acknowledges alone"):
        opened(tmp_path, "log: {type: kafka}", KINDRED_LOG__ACKS="1")
    with pytest.raises(ConfigurationError, match="KINDRED_LOG: with replication 3 and min_insync 1"):
        opened(tmp_path, "log: {type: kafka, replication: 3}", KINDRED_LOG__MIN_INSYNC="1")
    with pytest.raises(ConfigurationError, match="KINDRED_LOG__TYPE"):
        opened(tmp_path, "log: {type: kafka}", KINDRED_LOG__TYPE="spool")


def test_workers_have_a_partition_each(tmp_path: Path) -> None:
    two = opened(tmp_path, "serving: {stream_workers: 2}\nlog: {type: kafka}")
    assert two.settings.serving.stream_workers == 2
    assert opened(tmp_path, "").settings.serving.stream_workers == 1
    with pytest.raises(
        ConfigurationError, match="one row that one worker reads; leave it at 1, or keep the log in Kafka"
    ):
        opened(tmp_path, "serving: {stream_workers: 2}\n")
    with pytest.raises(ConfigurationError, match=r"log.partitions 2, and a partition is read by one worker"):
        opened(tmp_path, "serving: {stream_workers: 3}\nlog: {type: kafka}")


def test_the_environment_cannot_say_otherwise(tmp_path: Path) -> None:
    assert (
        opened(tmp_path, "log: {type: kafka}", KINDRED_SERVING__STREAM_WORKERS="2").settings.serving.stream_workers == 2
    )
    with pytest.raises(ConfigurationError, match=r"KINDRED_SERVING__STREAM_WORKERS.*leave it at 1"):
        opened(tmp_path, "", KINDRED_SERVING__STREAM_WORKERS="2")
