"""Topics read while they are written: entries as brokers have them, from places that a reader remembers elsewhere.

No group and no commits: who reads which partition, and how far, is the reader's own affair. A place names the topic by
the id that Kafka gave it, so that one which was made anew is never taken for the old one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, OffsetOutOfRangeError

from infra.errors import Unavailable
from infra.kafka.client import hush, knock
from infra.log.segments import Damage
from infra.log.tail import Place, Read
from infra.settings import KafkaSettings

_BOOTSTRAP_MS: Final = 3000
_AT_ONCE: Final = 500  # entries of all partitions together
_WAIT_MS: Final = 200
_PATIENCE: Final = 50  # such waits without an entry that is there, before the broker is given up

# A source and the number of a partition of its topic, as `web/0`.
Part = str


class EntriesPassed(Unavailable):
    """Entries that Kafka deleted before they were served at once, or a topic that was made anew."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"topic {topic} no longer has the entries that are to be served next: its retention ran first, or it was "
            "made anew. The next `kindred run` serves what the lake has of them, and the online path goes on there"
        )


class BrokersAway(Unavailable):
    """Brokers that do not answer the reader of what happens now."""

    def __init__(self, settings: KafkaSettings, error: BaseException) -> None:
        super().__init__(
            f"the Kafka brokers at {settings.bootstrap} do not answer the online path ({type(error).__name__}); start "
            "them: it knows where to go on"
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """Entries of a partition that were fetched and are not asked for yet, and where they begin."""

    begin: int
    read: Read


class TopicTail:
    """The tail of some sources' topics; one thread uses it."""

    def __init__(self, settings: KafkaSettings, sources: Sequence[str]) -> None:
        self._settings = settings
        self._topics = {settings.topic(source): source for source in sources}
        self._looked = False
        self._ids: dict[str, str] = {}
        self._parts: dict[Part, TopicPartition] = {}
        self._assigned: set[TopicPartition] = set()
        self._begins: dict[TopicPartition, int] = {}
        self._at: dict[TopicPartition, int] = {}
        self._held: dict[TopicPartition, _Held] = {}
        self._consumer: Any = None

    def parts(self) -> tuple[Part, ...]:
        """Return the partitions of all topics that are there by now; a source's topic comes with its first entry."""
        if not self._looked:
            self.look()
        return tuple(sorted(self._parts))

    def look(self) -> None:
        """Look for topics that were not there before."""
        if len(self._ids) == len(self._topics):
            return
        with self._asking():
            knock(self._settings)
            servers = [address.strip() for address in self._settings.bootstrap.split(",")]
            with KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=_BOOTSTRAP_MS) as admin:
                described = admin.describe_topics(list(self._topics))
        self._looked = True
        for topic in described:
            if topic["error_code"] or not topic["partitions"]:
                continue
            self._ids[topic["name"]] = str(topic["topic_id"])
            for partition in topic["partitions"]:
                number = int(partition["partition_index"])
                self._parts[f"{self._topics[topic['name']]}/{number}"] = TopicPartition(topic["name"], number)

    def follow(self, places: Mapping[Part, Place | None]) -> None:
        """Read these partitions and no others from now on, each from its place; without one, from its beginning."""
        with self._asking():
            named = {part: self._named(part) for part in places}
            wanted = {named[part]: self._offset(named[part], place) for part, place in places.items()}
            if set(wanted) != self._assigned:
                self._client().assign(list(wanted))
                self._assigned, self._at, self._held = set(wanted), {}, {}
            for at, offset in wanted.items():
                if self._at.get(at) != offset:
                    self._seek(at, offset)

    def _named(self, part: Part) -> TopicPartition:
        """Return a partition as Kafka's client calls it; raise where its topic is gone."""
        if not self._looked:
            self.look()
        if part not in self._parts:
            raise EntriesPassed(self._settings.topic(part.partition("/")[0]))
        return self._parts[part]

    def _offset(self, at: TopicPartition, place: Place | None) -> int:
        if place is None:
            if at not in self._begins:
                self._begins[at] = int(self._client().beginning_offsets([at])[at])
            return self._begins[at]
        if place.segment != self._ids[at.topic]:
            raise EntriesPassed(at.topic)
        return place.at

    def _seek(self, at: TopicPartition, offset: int) -> None:
        self._client().seek(at, offset)
        self._at[at] = offset
        self._held.pop(at, None)

    def wait(self, seconds: float) -> None:
        """Return when there is something to read, or nothing came for so long."""
        if self._held or not self._assigned:
            return
        with self._asking():
            self._fetch(round(seconds * 1000))

    def _fetch(self, milliseconds: int) -> None:
        found = self._client().poll(timeout_ms=milliseconds, max_records=_AT_ONCE)
        for at, records in found.items():
            entries = tuple((record.offset + 1, _entry(record.value)) for record in records)
            place = Place(self._ids[at.topic], entries[-1][0])
            self._held[at] = _Held(self._at[at], Read(entries, place))

    def read(self, part: Part, place: Place | None) -> Iterator[Read]:
        """Yield what was fetched of a partition that is followed, if it stands behind the place."""
        at = self._parts.get(part)
        held = None if at is None else self._held.pop(at, None)
        if at is None or held is None:
            return
        if place is not None and held.begin != place.at:  # what was fetched before was not done with
            with self._asking():
                self._seek(at, place.at)
            return
        self._at[at] = held.read.place.at
        yield held.read

    def between(self, part: Part, place: Place | None, until: Place) -> Read:
        """Return what stands between two places of a partition, whoever follows it: what was read once, once more."""
        with self._asking():
            at = self._named(part)
            self._client().assign([at])
            self._assigned, self._at, self._held = {at}, {}, {}
            self._seek(at, self._offset(at, place))
            entries: list[tuple[int, bytes | Damage]] = []
            waits = 0
            while self._at[at] < until.at:
                self._fetch(_WAIT_MS)
                held = self._held.pop(at, None)
                waits = waits + 1 if held is None else 0
                if held is not None:
                    entries += held.read.entries
                    self._at[at] = held.read.place.at
                elif waits > _PATIENCE:
                    raise BrokersAway(self._settings, TimeoutError())
        self._assigned = set()  # whoever follows some says so anew
        return Read(tuple(one for one in entries if one[0] <= until.at), until)

    def ends(self) -> dict[Part, int]:
        """Return up to where each partition that holds anything has to be read to have all that is there now."""
        asked = {part: self._parts[part] for part in self.parts()}
        if not asked:
            return {}
        with self._asking():
            begins = self._client().beginning_offsets(list(asked.values()))
            found = self._client().end_offsets(list(asked.values()))
        return {part: int(found[at]) for part, at in asked.items() if found[at] > begins[at]}

    def behind(self, places: Mapping[Part, Place | None]) -> dict[Part, int]:
        """Return how many entries are to be read of each partition that is followed, as the brokers told last."""
        newest = {part: self._newest(part) for part in places}
        return {part: max(0, newest[part] - (place.at if place else 0)) for part, place in places.items()}

    def _newest(self, part: Part) -> int:
        at = self._parts.get(part)
        return int(self._consumer.highwater(at) or 0) if at in self._assigned and self._consumer is not None else 0

    def _client(self) -> Any:
        if self._consumer is None:
            knock(self._settings)
            hush()
            self._consumer = KafkaConsumer(
                bootstrap_servers=[address.strip() for address in self._settings.bootstrap.split(",")],
                client_id="kindred", enable_auto_commit=False, auto_offset_reset="none", metrics_enabled=False,
                allow_auto_create_topics=False, reconnect_backoff_max_ms=1000, bootstrap_timeout_ms=_BOOTSTRAP_MS,
            )  # fmt: skip
        return self._consumer

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Have failures of the brokers raised as ours, and the next question asked by a new client."""
        try:
            yield
        except OffsetOutOfRangeError as error:
            self.close()
            topics = sorted({at.topic for at in error.args[0]}) if isinstance(error.args[0], dict) else ["?"]
            raise EntriesPassed(", ".join(topics)) from None
        except (KafkaError, OSError, ValueError) as error:
            self.close()
            raise BrokersAway(self._settings, error) from None

    def close(self) -> None:
        """Let go of the connections; what is asked next makes new ones."""
        leaving, self._consumer = self._consumer, None
        self._assigned, self._at, self._held, self._ids, self._parts = set(), {}, {}, {}, {}
        self._looked, self._begins = False, {}
        if leaving is not None:
            with suppress(KafkaError):
                leaving.close(autocommit=False, timeout_ms=_BOOTSTRAP_MS)


def _entry(value: bytes | None) -> bytes | Damage:
    """Return an entry as the collector wrote it; what is nothing of its making is damage, as in a segment."""
    if value is not None and value.startswith(b"{") and value.endswith(b"}"):
        return value
    return Damage(0, len(value or b""))
