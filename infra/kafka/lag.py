"""How far the reader of the event log's topics is behind them: its checkpoint held against what the brokers have."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError

from infra.kafka.checkpoints import read_up_to
from infra.kafka.client import hush, knock
from infra.settings import KafkaSettings

_BOOTSTRAP_MS = 3000


def entries_behind(settings: KafkaSettings, checkpoints: Mapping[str, Path]) -> dict[str, int] | None:
    """Return for each source how many entries its topic holds that were not read; None where no broker answers.

    A topic that is not there yet holds none. `checkpoints` name the newest checkpoint of each source.
    """
    hush()
    try:
        knock(settings)
        servers = [address.strip() for address in settings.bootstrap.split(",")]
        with KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=_BOOTSTRAP_MS) as admin:
            return _behind(admin, settings, checkpoints)
    except (KafkaError, OSError, ValueError):
        return None


def _behind(admin: KafkaAdminClient, settings: KafkaSettings, checkpoints: Mapping[str, Path]) -> dict[str, int]:
    named = {settings.topic(source): source for source in checkpoints}
    described = [topic for topic in admin.describe_topics(list(named)) if not topic["error_code"]]
    parts = {
        TopicPartition(topic["name"], part["partition_index"]) for topic in described for part in topic["partitions"]
    }
    ends, begins = (
        _offsets(admin, sorted(parts), OffsetSpec.LATEST),
        _offsets(admin, sorted(parts), OffsetSpec.EARLIEST),
    )
    found = dict.fromkeys(checkpoints, 0)
    for topic, source in named.items():
        read = read_up_to(checkpoints[source], topic)
        for part in parts:
            if part.topic == topic:
                found[source] += max(0, ends[part] - max(begins[part], read.get(part.partition, 0)))
    return found


def _offsets(admin: KafkaAdminClient, parts: Sequence[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
    told = admin.list_partition_offsets(dict.fromkeys(parts, spec)) if parts else {}
    return {part: int(found.offset) for part, found in told.items()}
