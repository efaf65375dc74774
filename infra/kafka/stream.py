"""How Spark reads the topics of the event log: from the first entry on, and never past one that is gone.

It stands in `infra` because it knows the connector, not what an entry means; `ingestion` makes rows of bodies.
"""

import re
from collections.abc import Callable
from pathlib import Path

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from infra.errors import KindredError, Missing, Unavailable
from infra.settings import KafkaSettings

# The connector has no class of its own for each of these; some stand in the text alone. The text's second part is the
# plan, which may say anything.
_NOTE = "topic"
_PLAN = "=== Streaming Query ==="
_GONE = re.compile(r"KAFKA_DATA_LOSS|data may (have been|be) (lost|missed)|OffsetOutOfRange", re.IGNORECASE)
_ABSENT = re.compile(r"UnknownTopicOrPartition", re.IGNORECASE)
_SILENT = re.compile(r"TimeoutException|Failed to construct kafka|DisconnectException", re.IGNORECASE)


class EntriesGone(Unavailable):
    """Kafka deleted entries, or a whole topic, before they were read: nobody may pass over them in silence."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        super().__init__(
            f"entries of topic {topic} are gone from Kafka that the lake has not taken in: its retention ran before "
            "its reader, or the topic was made anew. Nothing was skipped. Send again what senders still have, give "
            "log.retention_hours more, then begin a new checkpoint; docs/engineer.md, section Kafka, says how"
        )


class BrokersSilent(Unavailable):
    """The brokers do not answer the reader; run again once they do, nothing is lost by that."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        super().__init__(
            f"the Kafka brokers do not answer for topic {topic}; start them (`kindred kafka up` on one machine) and "
            "run again: the checkpoint knows where to go on"
        )


def entries(
    spark: SparkSession, settings: KafkaSettings, source: str, checkpoint: Path, *, at_most: int = 500_000
) -> DataFrame:
    """Return a source's entries as a stream of `partition` (int), `offset` (long) and `body` (binary).

    (partition, offset) names an entry of a topic for ever; within a partition they stand in the order in which they
    were acknowledged. One batch takes `at_most` entries. An entry that is gone stops the stream: what it raises then,
    `failure` says in our words. Already here the checkpoint is held to the topic that it began with (`EntriesGone`,
    `Missing`, `BrokersSilent`): of a topic made anew and filled again, Spark would skip the beginning in silence.

    Write each batch with Delta's `txnVersion` = its number and a `txnAppId` that is the checkpoint's own: the batches
    of a new checkpoint begin at 0, and under an old id Delta takes them for written.
    """
    topic = settings.topic(source)
    _hold_to_its_topic(settings, topic, checkpoint)
    options = {
        "kafka.bootstrap.servers": settings.bootstrap,
        "subscribe": topic,
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
        "maxOffsetsPerTrigger": str(at_most),
        # Spark tries three times; with two minutes each, as by default, absent brokers would hold a run for long.
        "kafka.request.timeout.ms": "10000",
        "kafka.default.api.timeout.ms": "20000",
    }
    read = spark.readStream.format("kafka").options(**options).load()
    return read.select("partition", "offset", f.col("value").alias("body"))


def drain(
    spark: SparkSession,
    settings: KafkaSettings,
    source: str,
    checkpoint: Path,
    land: Callable[[DataFrame, int], None],
    *,
    at_most: int = 500_000,
) -> None:
    """Hand what a topic holds now to `land`, batch by batch with its number; raise what went wrong, in our words.

    A batch comes again if its reader died while it was landed: `land` has to know it by its number.
    """
    writing = entries(spark, settings, source, checkpoint, at_most=at_most).writeStream.foreachBatch(land)
    query = writing.trigger(availableNow=True).option("checkpointLocation", str(checkpoint)).start()
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        meant = failure(error, settings.topic(source))
        if meant is None:
            raise
        raise meant from None
    finally:
        query.stop()


def _hold_to_its_topic(settings: KafkaSettings, topic: str, checkpoint: Path) -> None:
    found = _topic_id(settings, topic)
    note = checkpoint / _NOTE
    if note.is_file():
        if note.read_text(encoding="ascii") != found:
            raise EntriesGone(topic)
        return
    checkpoint.mkdir(parents=True, exist_ok=True)
    draft = checkpoint / f".{_NOTE}.draft"
    draft.write_text(found, encoding="ascii")
    draft.replace(note)


def _topic_id(settings: KafkaSettings, topic: str) -> str:
    """Return the id that Kafka gave a topic when it was made; another of the same name has another."""
    try:
        with KafkaAdminClient(bootstrap_servers=settings.bootstrap.split(","), bootstrap_timeout_ms=10_000) as admin:
            (described,) = admin.describe_topics([topic])
    except (KafkaError, OSError):
        raise BrokersSilent(topic) from None
    if described["error_code"]:
        raise _absent(topic)
    return str(described["topic_id"])


def _absent(topic: str) -> Missing:
    return Missing(f"topic {topic} is not there; a log of type kafka makes it when `kindred serve` opens it")


def failure(error: PySparkException, topic: str) -> KindredError | None:
    """Return what a stream's error means in our words, or None where it is not Kafka's: then let it through."""
    told = f"{error.getCondition() or ''} {error}".partition(_PLAN)[0]
    if _GONE.search(told):
        return EntriesGone(topic)
    if _ABSENT.search(told):
        return _absent(topic)
    return BrokersSilent(topic) if _SILENT.search(told) else None
