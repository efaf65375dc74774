"""What the lake has of a topic, taken out of the topic: brokers forget entries by their offsets alone."""

from pathlib import Path
from typing import Final

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.errors import Unavailable
from infra.kafka.checkpoints import read_up_to
from infra.kafka.client import hush, knock
from infra.settings import KafkaSettings

_BOOTSTRAP_MS: Final = 3000


def trim(settings: KafkaSettings, source: str, checkpoint: Path) -> int:
    """Let the brokers delete what a checkpoint has read of a source's topic; return the partitions that were trimmed.

    Readers see none of it from then on; the files go when their segment is closed, as the topic's settings say.
    """
    topic = settings.topic(source)
    read = {part: offset for part, offset in read_up_to(checkpoint, topic).items() if offset > 0}
    if not read:
        return 0
    hush()
    try:
        knock(settings)
        servers = [address.strip() for address in settings.bootstrap.split(",")]
        with KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=_BOOTSTRAP_MS) as admin:
            admin.delete_records({TopicPartition(topic, part): offset for part, offset in read.items()})
    except (KafkaError, OSError):
        raise Unavailable(
            f"the brokers do not delete what was read of topic {topic}; let them be reached, and Kindred delete there"
        ) from None
    return len(read)
