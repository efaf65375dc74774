"""Clients of Kafka for the event log: how they are configured, opened, and let go for good."""

import logging
import socket
from collections.abc import Iterable
from typing import Any

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka.topics import LARGEST_ENTRY, ensured
from infra.settings import KafkaSettings

GRACE = 2.0
_BLOCK_MS = 1000
_BOOTSTRAP_MS = 3000
_ROOM_FOR_KEY = 200
# A request that lost its broker is sent again within the time that a sender may wait.
_TRIES_WITHIN_A_DELIVERY = 3


def hush() -> None:
    """Keep kafka-python from its level DEBUG, at which it writes keys and bodies."""
    if logging.getLogger("kafka").getEffectiveLevel() < logging.INFO:
        logging.getLogger("kafka").setLevel(logging.INFO)


def knock(settings: KafkaSettings) -> None:
    """Raise where no broker listens: at once, while kafka-python would ask for a while and leave sockets behind."""
    addresses = _addresses(settings)
    for number, (host, port) in enumerate(addresses, 1):
        try:
            socket.create_connection((host, port), timeout=_BLOCK_MS / 1000).close()
        except OSError:
            if number == len(addresses):
                raise
        else:
            return


def topics(settings: KafkaSettings, sources: Iterable[str]) -> dict[str, int]:
    """Return the number of partitions of each source's topic, made and set right (`ensured`)."""
    admin = KafkaAdminClient(**_configuration(settings))
    try:
        return ensured(admin, sources, settings)
    finally:
        admin.close()


def producer(settings: KafkaSettings, sources: Iterable[str]) -> KafkaProducer:
    """Return a producer that waits for all copies, sends each entry once, and knows the sources' topics already."""
    opened = KafkaProducer(
        **_configuration(settings),
        acks=settings.acks,
        enable_idempotence=True,
        delivery_timeout_ms=round(settings.deliver_within * 1000),
        max_block_ms=_BLOCK_MS,
        max_request_size=LARGEST_ENTRY + _ROOM_FOR_KEY,
        batch_size=256 * 1024,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        for source in sources:  # known before the first entry: `send` would wait for it in the event loop
            opened.partitions_for(settings.topic(source))
    except KafkaError:
        retire(opened, settings)
        raise
    return opened


def retire(leaving: KafkaProducer | None, settings: KafkaSettings) -> None:
    """Close a producer: what it holds lands or expires in the time that a delivery has, and its senders are told."""
    if leaving is None:
        return
    within = settings.deliver_within + GRACE
    try:
        leaving.close(timeout=within)
    except KafkaError:
        # kafka-python gives up closing here and lets its thread run on, for ever where it waits for a producer id.
        leaving._sender.force_close()  # noqa: SLF001 - it has no other way, and what it holds must be let go
        leaving._sender.join(within)  # noqa: SLF001 - as above


def _configuration(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "bootstrap_servers": [address.strip() for address in settings.bootstrap.split(",")],
        "client_id": "kindred",
        "request_timeout_ms": round(settings.deliver_within * 1000) // _TRIES_WITHIN_A_DELIVERY,
        "bootstrap_timeout_ms": _BOOTSTRAP_MS,
        "reconnect_backoff_max_ms": 1000,
    }


def _addresses(settings: KafkaSettings) -> list[tuple[str, int]]:
    named = [address.strip().rpartition(":") for address in settings.bootstrap.split(",")]
    return [(host.strip("[]"), int(port)) for host, _, port in named]
