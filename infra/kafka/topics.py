"""The topics of the event log: how each is made, and what is set right or refused where one is there already."""

from collections.abc import Iterable, Mapping
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from infra.errors import Refused, Unavailable
from infra.settings import KafkaSettings

# An event of 32 KB with the common parts of its batch, at most 500 KB, is far below it.
LARGEST_ENTRY = 8 * 2**20
_ROOM_AROUND = 64 * 2**10
_DAY_MS = 24 * 3600 * 1000


def configuration(settings: KafkaSettings) -> dict[str, str]:
    """Return what Kindred sets on each of its topics, whoever made it.

    - `delete`, never `compact`: a key is a person's token, and compaction would keep a person's last event alone.
    - The broker's clock rules retention; a phone whose clock is wrong must not.
    - A segment is closed early enough that nothing lies longer than a quarter over its time.
    - One copy alone is durable only on the disk: it is flushed before the sender hears yes.
    """
    retention = settings.retention_hours * 3600 * 1000
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention),
        "retention.bytes": "-1",
        "segment.ms": str(min(retention // 4, _DAY_MS)),
        "min.insync.replicas": str(settings.insync),
        "unclean.leader.election.enable": "false",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(LARGEST_ENTRY + _ROOM_AROUND),
        "flush.messages": "1" if settings.replication == 1 else str(2**63 - 1),
    }


def ensured(admin: KafkaAdminClient, sources: Iterable[str], settings: KafkaSettings) -> dict[str, int]:
    """Return the number of partitions of each source's topic, made where it was absent and set right where it was not.

    Raise `Refused` where a topic keeps fewer copies than declared: only its owner can move partitions. Raise
    `Unavailable` where fewer copies are in sync than a yes needs.
    """
    names = {settings.topic(source): source for source in sources}
    if not names:
        admin.describe_cluster()  # nothing to make; but somebody must answer
        return {}
    there = _described(admin, names)
    absent = [name for name in names if name not in there]
    if absent:
        _make(admin, absent, settings)
        there = {**there, **_described(admin, absent)}
    for name, topic in there.items():
        copies = min(len(partition["replica_nodes"]) for partition in topic["partitions"])
        if copies < settings.replication:
            raise Refused(
                f"topic {name} keeps {copies} copies where kindred.yaml says replication {settings.replication}; "
                "move its partitions to more brokers, or declare what is true"
            )
        insync = min(len(partition["isr_nodes"]) for partition in topic["partitions"])
        if insync < settings.insync:
            raise Unavailable(
                f"topic {name} has {insync} copies in sync and a yes needs {settings.insync}; start the brokers that "
                "are gone"
            )
    _set_right(admin, [name for name in there if name not in absent], configuration(settings))
    return {names[name]: len(topic["partitions"]) for name, topic in there.items()}


def _described(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    found = admin.describe_topics(list(names))
    return {topic["name"]: topic for topic in found if topic["error_code"] == 0 and topic["partitions"]}


def _make(admin: KafkaAdminClient, names: Iterable[str], settings: KafkaSettings) -> None:
    shape = {
        "num_partitions": settings.partitions,
        "replication_factor": settings.replication,
        "configs": configuration(settings),
    }
    for name in names:
        try:
            admin.create_topics({name: shape})
        except TopicAlreadyExistsError:  # another collector was faster
            continue
    admin.wait_for_topics(list(names))


def _set_right(admin: KafkaAdminClient, names: Iterable[str], wanted: Mapping[str, str]) -> None:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(wanted)) for name in names]
    if not asked:
        return
    found = admin.describe_configs(asked, config_filter="all")["topic"]
    wrong = {
        name: {key: value for key, value in wanted.items() if have[key]["value"] != value}
        for name, have in found.items()
    }
    changes = [ConfigResource(ConfigResourceType.TOPIC, name, changed) for name, changed in wrong.items() if changed]
    if changes:
        admin.alter_configs(changes)
