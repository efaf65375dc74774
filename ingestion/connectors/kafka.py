"""Messages of a topic, from the offsets last reached to those that are there when a load begins.

A message is a row: its value, with `_kafka` beside it for partition, offset, time, key and headers. A value that is no
object in JSON is landed as it is, and the reader rejects it as a row. The offsets stand in our own books, in no group.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from infra.kafka.client import hush
from ingestion.connectors.debezium import is_tombstone, row_of
from ingestion.connectors.declared import KafkaTopic
from ingestion.connectors.port import Landing
from ingestion.errors import ChangesGone, ConnectorMalformed, SourceAway
from ingestion.read import json_tree

_WAIT: Final = 500  # ms for messages; marks of transactions at the end of a topic bring none, and are passed meanwhile
_PATIENCE: Final = 60  # such waits without getting on, before the broker is given up
_AT_ONCE: Final = 1_000


class Consumer(Protocol):
    """What is asked of kafka-python's consumer."""

    def partitions_for_topic(self, topic: str) -> set[int] | None: ...  # noqa: D102 - kafka-python's own
    def beginning_offsets(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]: ...  # noqa: D102
    def end_offsets(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]: ...  # noqa: D102
    def assign(self, partitions: list[TopicPartition]) -> None: ...  # noqa: D102
    def seek(self, partition: TopicPartition, offset: int) -> None: ...  # noqa: D102
    def position(self, partition: TopicPartition) -> int: ...  # noqa: D102
    def poll(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, list[Any]]: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


def consumer(declared: KafkaTopic) -> Consumer:
    """Return a consumer that commits nothing and passes over what transactions gave up."""
    hush()
    security = {name: secret.get_secret_value() for name, secret in declared.security.items()}
    made: Consumer = KafkaConsumer(
        bootstrap_servers=declared.bootstrap.split(","),
        enable_auto_commit=False,
        isolation_level="read_committed",
        client_id="kindred",
        bootstrap_timeout_ms=10_000,
        metrics_enabled=False,
        **security,
    )
    return made


@dataclass(slots=True)
class _Seen:
    """What a load met on its way: tombstones, and the newest value, whose fields are the topic's columns."""

    tombstones: int = 0
    values: dict[int, bytes] = field(default_factory=dict)


def land(landing: Landing, declared: KafkaTopic, connect: Callable[[KafkaTopic], Consumer] = consumer) -> None:
    """Land the messages since the last load."""
    system = f"Kafka at {declared.bootstrap}"
    try:
        client = connect(declared)
    except (KafkaError, OSError, ValueError) as error:
        raise SourceAway(
            landing.source, system, type(error).__name__, "start it, or mend connector.bootstrap"
        ) from None
    try:
        _land(landing, declared, client)
    except KafkaError as error:
        raise SourceAway(landing.source, system, type(error).__name__, "see whether it is well") from None
    finally:
        client.close()


def _land(landing: Landing, declared: KafkaTopic, client: Consumer) -> None:
    numbers = client.partitions_for_topic(declared.topic)
    if not numbers:
        right = "make it, or mend connector.topic"
        raise ConnectorMalformed(landing.source, f"there is no topic {declared.topic}", right)
    parts = {number: TopicPartition(declared.topic, number) for number in sorted(numbers)}
    first, last = client.beginning_offsets(list(parts.values())), client.end_offsets(list(parts.values()))
    before = landing.cursor or {}
    start = {number: int(before.get(str(number), first[part])) for number, part in parts.items()}
    for number, part in parts.items():
        if not first[part] <= start[number] <= last[part]:
            what = f"partition {number} of topic {declared.topic} has offsets {first[part]} to {last[part]} only"
            raise ChangesGone(landing.source, f"{what}, and {start[number]} is the next to be read")
    news = any(start[number] < last[part] for number, part in parts.items())
    until = landing.intend(lambda: {str(number): last[part] for number, part in parts.items()} if news else None)
    if until is None:
        return
    seen, rows = _Seen(), 0
    for number, part in parts.items():
        to = until.get(str(number), 0)  # a partition that is newer than what was intended waits
        if start[number] < to:
            rows += landing.write(_lines(landing.source, client, part, start[number], to, seen), number)
    if declared.format == "debezium":
        landing.columns(_columns(seen))
    landing.commit()
    landing.say(f"{rows:,} messages landed, {seen.tombstones:,} tombstones passed over")


def _lines(source: str, client: Consumer, part: TopicPartition, start: int, to: int, seen: _Seen) -> Iterator[bytes]:
    client.assign([part])
    client.seek(part, start)
    # What transactions leave in a topic has offsets and is never handed out: the position tells how far it is.
    waits, at = 0, start
    while (reached := client.position(part)) < to:
        found = client.poll(timeout_ms=_WAIT, max_records=_AT_ONCE).get(part, [])
        waits, at = (0, reached) if found or reached > at else (waits + 1, at)
        if waits > _PATIENCE:
            wrong = f"no message within {_PATIENCE * _WAIT // 1000} s though there are some"
            raise SourceAway(source, f"topic {part.topic}", wrong, "see whether its brokers are well")
        for message in found:
            if message.offset >= to:
                break
            if message.value is None or is_tombstone(message.value):
                seen.tombstones += 1
            else:
                seen.values[part.partition] = message.value
                yield _row(message)


def _row(message: Any) -> bytes:
    value: bytes = message.value.strip()
    if not (value.startswith(b"{") and value.endswith(b"}")):
        return value or b'""'  # an empty line would be none
    facts = {
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "key": _told(message.key),
        "headers": {name: _told(text) for name, text in message.headers or ()},
    }
    beside = b'"_kafka":' + json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    inside = value[:-1].rstrip()
    return inside + (b"" if inside == b"{" else b",") + beside + b"}"


def _told(text: Any) -> Any:
    """Return a key or header as JSON if it is, else as text, else as base64."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        return base64.b64encode(text).decode()


def _columns(seen: _Seen) -> set[str]:
    names: set[str] = set()
    for value in seen.values.values():
        try:
            names |= set(row_of(json_tree(value)) or ())
        except (ValueError, RecursionError):
            continue
    return {name for name in names if not name.startswith("_")}
