"""Messages of a topic: from offset to offset, each once, poison kept, tombstones counted, what expired told."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from ingestion.connectors import kafka
from ingestion.connectors.declared import KafkaTopic
from ingestion.errors import ChangesGone, ConnectorMalformed, SourceAway
from ingestion.read import json_row


@dataclass
class Topic:
    """A topic in memory, and its consumer: messages by partition; None is a mark of a transaction, never handed out."""

    parts: dict[int, list[Any]] = field(default_factory=dict)
    first: int = 0
    closed: int = 0
    silent: bool = False
    at: int = 0
    part: TopicPartition | None = None

    def add(self, part: int, *values: Any, **more: Any) -> None:
        kept = self.parts.setdefault(part, [])
        for value in values:
            facts = {
                "partition": part,
                "offset": len(kept),
                "timestamp": 5,
                "key": b"k",
                "headers": [("h", b"v")],
                **more,
            }
            kept.append(SimpleNamespace(value=value, **facts) if value != "mark" else None)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(self.parts) if topic == "people" else None

    def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.first)

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {part: len(self.parts[part.partition]) for part in partitions}

    def assign(self, partitions: list[TopicPartition]) -> None:
        (self.part,) = partitions

    def seek(self, partition: TopicPartition, offset: int) -> None:
        assert partition == self.part
        self.at = offset

    def position(self, partition: TopicPartition) -> int:
        assert partition == self.part
        return self.at

    def poll(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        assert timeout_ms
        assert self.part is not None
        if self.silent:
            return {}
        found = self.parts[self.part.partition][self.at : self.at + min(2, max_records)]
        self.at += len(found)
        return {self.part: [message for message in found if message]}

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def land(loads: Any, topic: Topic) -> Any:
    def load(again: str | None = None, **said: Any) -> list[bytes]:
        declared = KafkaTopic.model_validate({"type": "kafka", "bootstrap": "b:9092", "topic": "people", **said})
        before = loads.lines()
        kafka.land(loads.landing(again), declared, lambda _: topic)
        return list(loads.lines()[len(before) :])

    return load


def test_each_message_lands_once_with_where_it_stood(land: Any, topic: Topic, loads: Any) -> None:
    topic.add(0, b'{"id": 1.50}', b" { } ", "mark", b'{"id": 3}\n', key=b'{"id": 7}')
    topic.add(1, b'{"id": 4}', headers=None, key=b"\xff")
    found = [json.loads(line) for line in land()]
    assert [(one.get("id"), one["_kafka"]["partition"], one["_kafka"]["offset"]) for one in found] == [
        *((1.5, 0, 0), (None, 0, 1), (3, 0, 3), (4, 1, 0)),
    ]
    assert found[0]["_kafka"] == {"partition": 0, "offset": 0, "timestamp": 5, "key": {"id": 7}, "headers": {"h": "v"}}
    assert found[3]["_kafka"]["key"] == "/w=="
    assert b"1.50" in loads.lines()[0], "digits are kept"
    assert land() == []
    topic.add(1, b'{"id": 5}')
    topic.add(2, b'{"id": 6}')
    assert sorted(json.loads(line)["id"] for line in land()) == [5, 6]
    assert topic.closed == 3


def test_poison_is_a_row_that_the_reader_rejects_and_a_tombstone_is_counted(
    land: Any, topic: Topic, loads: Any
) -> None:
    poison = [
        b"",
        b"  ",
        b"\n",
        b"not json",
        b"[1]",
        b'"text"',
        b"{broken}",
        b"{\xff}",
        b"\x00\x00\x01",
        b"7",
        b"{1\n2}",
    ]
    topic.add(0, *poison, None, b"null", b'{"schema":null,"payload":null}')
    lines = land()
    assert len(lines) == len(poison)
    assert all(json_row(line, [("id",)])[0] in ("json", "encoding") for line in lines)
    assert loads.said == ["crm: 11 messages landed, 3 tombstones passed over"]
    assert land() == [], "and holds nothing up"


def test_what_was_intended_is_read_though_more_came(land: Any, topic: Topic, loads: Any) -> None:
    topic.add(0, b'{"id": 0}', b'{"id": 1}', b'{"id": 2}')
    topic.silent = True
    with pytest.raises(SourceAway, match="no message within 30 s"):
        land()
    topic.silent = False
    topic.add(0, b'{"id": 3}')
    topic.add(1, b'{"id": 9}')
    assert [json.loads(line)["id"] for line in land()] == [0, 1, 2]
    assert [json.loads(line)["id"] for line in land()] == [3, 9]
    assert len(list((loads.root / "landing/crm").iterdir())) == 3


def test_offsets_that_are_gone_are_told_and_may_be_given_up(land: Any, topic: Topic) -> None:
    topic.add(0, b'{"id": 0}')
    land()
    topic.add(0, *[b"{}"] * 5)
    topic.first = 3
    with pytest.raises(ChangesGone, match=r"offsets 3 to 6 only, and 1 is the next to be read. Write connector.again"):
        land()
    assert len(land("anew")) == 3
    topic.first = 0
    topic.parts = {0: []}
    with pytest.raises(ChangesGone, match="offsets 0 to 0 only, and 6 is the next"):
        land("anew")


def test_columns_of_changes_are_told_when_they_grow(land: Any, topic: Topic, loads: Any) -> None:
    topic.add(0, b'{"op": "c", "after": {"id": 1}}')
    land(format="debezium")
    topic.add(0, b'{"op": "c", "after": {"id": 1, "vip": true}}')
    land(format="debezium")
    assert "crm: new columns: vip; map them in its YAML if they are wanted" in loads.said


def test_no_topic_no_broker_and_no_secret(loads: Any, topic: Topic) -> None:
    said = {"type": "kafka", "bootstrap": "127.0.0.1:1", "topic": "x", "security": {"sasl_plain_password": "s3cret"}}
    declared = KafkaTopic.model_validate(said)
    assert "s3cret" not in f"{declared!r}{declared.model_dump_json()}"
    with pytest.raises(ConnectorMalformed, match="there is no topic x"):
        kafka.land(loads.landing(), declared, lambda _: topic)

    def away(_: Any) -> Any:
        raise KafkaTimeoutError("s3cret")

    with pytest.raises(SourceAway, match=r"Kafka at 127.0.0.1:1: KafkaTimeoutError") as caught:
        kafka.land(loads.landing(), declared, away)
    assert "s3cret" not in str(caught.value)
