"""A topic of a real broker: what producers sent lands once, transactions given up do not, and a dead broker is told."""

import json
from contextlib import suppress
from typing import Any

import pytest
from brokers import LocalBroker
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from ingestion.connectors import kafka
from ingestion.connectors.declared import KafkaTopic
from ingestion.errors import ConnectorMalformed, SourceAway


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    return f"people-{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
def land(loads: Any, kafka_broker: LocalBroker, topic: str) -> Any:
    said = {"type": "kafka", "bootstrap": kafka_broker.bootstrap, "topic": topic, "format": "debezium"}
    declared = KafkaTopic.model_validate(said)
    return lambda: loads.load(lambda landing: kafka.land(landing, declared))


def send(broker: LocalBroker, topic: str, *values: Any, **more: Any) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    with suppress(TopicAlreadyExistsError):
        admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}})
    admin.wait_for_topics([topic])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, metrics_enabled=False, **more)
    if more:
        producer.init_transactions()
        producer.begin_transaction()
    for number, value in enumerate(values):
        body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        producer.send(topic, body, key=b'{"id": %d}' % number, headers=[("h", b"v")])
    producer.flush()
    if more:
        producer.abort_transaction()
    producer.close()


def test_messages_land_once_and_those_of_transactions_given_up_do_not(
    land: Any, loads: Any, kafka_broker: LocalBroker, topic: str
) -> None:
    changes = [{"op": "c", "after": {"id": n}, "source": {"ts_ms": 5}} for n in range(200)]
    send(kafka_broker, topic, *changes, None, b"\x00poison")
    found = [row for row in loads_lines(land, loads) if row is not None]
    assert sorted(row["after"]["id"] for row in found) == list(range(200))
    assert found[0]["_kafka"]["headers"] == {"h": "v"}
    assert "crm: 201 messages landed, 1 tombstones passed over" in loads.said
    assert land() == []
    send(kafka_broker, topic, {"op": "c", "after": {"id": 7777}}, transactional_id=f"t-{topic}")
    assert land() == [], "what a transaction gave up was never said, and its marks hold nothing up"
    send(kafka_broker, topic, {"op": "c", "after": {"id": 1}})
    assert [row["after"]["id"] for row in land()] == [1]


def loads_lines(land: Any, loads: Any) -> list[Any]:
    """Return the rows of a load, None for what is no JSON."""
    with pytest.raises(ValueError, match=r"Expecting|utf-8"):
        land()
    rows = []
    for line in loads.lines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            rows.append(None)
    return rows


def test_a_topic_that_is_not_there(land: Any) -> None:
    with pytest.raises(ConnectorMalformed, match="there is no topic"):
        land()


def test_no_broker(loads: Any) -> None:
    declared = KafkaTopic.model_validate({"type": "kafka", "bootstrap": "127.0.0.1:1", "topic": "x"})
    with pytest.raises(SourceAway, match=r"Kafka at 127.0.0.1:1: \w+; start it"):
        kafka.land(loads.landing(), declared)
