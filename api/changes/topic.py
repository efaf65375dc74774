"""A topic of Kafka: each change under its person's id, so that one person's changes keep their order."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError

from api.changes.sending import NotTaken
from infra.changes_settings import TopicSettings
from infra.ids import Purpose
from infra.kafka import client
from infra.settings import KafkaSettings
from profiles.changefeed.pages import Heard

_WITHIN: Final = 15.0


class Topic:
    """`Recipient` by a topic. That all copies of the broker have a change does not say that anybody has done it."""

    acknowledges = False

    def __init__(self, settings: TopicSettings) -> None:
        self.name, self.purpose = f"topic {settings.topic}", Purpose(settings.purpose)
        self._topic = settings.topic
        self._settings = KafkaSettings(
            type="kafka", bootstrap=settings.bootstrap, topic_prefix="", partitions=settings.partitions,
            replication=settings.replication, retention_hours=settings.retention_hours,
        )  # fmt: skip
        self._producer: KafkaProducer = None
        client.hush()

    def deliver(self, changes: Sequence[Heard], *, anew: bool) -> None:
        """Send the changes and wait until all copies have all of them."""
        try:
            producer = self._opened()
            sent: list[Any] = [
                producer.send(self._topic, orjson.dumps({**one.facts(), "anew": anew}), key=one.profile_id.encode())
                for one in changes
            ]
            producer.flush(timeout=_WITHIN)
            for one in sent:
                one.get(timeout=_WITHIN)
        except (KafkaError, OSError) as error:
            self.close()
            raise NotTaken(f"the brokers did not take it ({type(error).__name__})") from None

    def _opened(self) -> KafkaProducer:
        if self._producer is None:
            client.knock(self._settings)
            client.topics(self._settings, [self._topic])
            self._producer = client.producer(self._settings, [self._topic])
        return self._producer

    def close(self) -> None:
        """Let go of the producer; what it still held is sent again by the next."""
        client.retire(self._producer, self._settings)
        self._producer = None
