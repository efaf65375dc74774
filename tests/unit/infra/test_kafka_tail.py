"""The tail of topics of a real broker: from a place on, once more, and never past what is gone."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from infra.errors import Unavailable
from infra.kafka.tail import BrokersAway, EntriesPassed, TopicTail
from infra.log.kafka import KafkaLog
from infra.log.port import Entry
from infra.log.segments import Damage
from infra.log.tail import Place, Read
from infra.settings import KafkaSettings

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def settings(kafka_broker: Any, request: pytest.FixtureRequest) -> KafkaSettings:
    made: KafkaSettings = kafka_broker.settings(f"tail{abs(hash(request.node.name)) % 10**9}", partitions=2)
    return made


@pytest.fixture
def tail(settings: KafkaSettings) -> Iterator[TopicTail]:
    made = TopicTail(settings, ["web", "shop"])
    yield made
    made.close()


def send(settings: KafkaSettings, numbers: range, source: str = "web") -> None:
    async def whole() -> None:
        log = KafkaLog.opened(settings, [source])
        await log.append(source, [Entry(f"k{n % 7}", b'{"m":"%d"}' % n) for n in numbers])
        await log.close()

    asyncio.run(whole())


def all_of(tail: TopicTail, places: dict[str, Place | None], wanted: int) -> dict[str, list[Read]]:
    """Read until so many entries have come; return the pieces of each part."""
    found: dict[str, list[Read]] = {part: [] for part in places}
    for _ in range(300):
        tail.follow(places)
        tail.wait(0.2)
        for part, place in places.items():
            for read in tail.read(part, place):
                found[part].append(read)
                places[part] = read.place
        if sum(len(read.entries) for reads in found.values() for read in reads) >= wanted:
            return found
    raise AssertionError(found)


def bodies(reads: list[Read]) -> list[Any]:
    return [body for read in reads for _, body in read.entries]


def test_entries_come_in_the_order_of_their_partition_from_any_place(
    kafka_broker: Any, settings: KafkaSettings, tail: TopicTail
) -> None:
    send(settings, range(200))
    assert tail.parts() == ("web/0", "web/1")
    places: dict[str, Place | None] = dict.fromkeys(tail.parts())
    found = all_of(tail, places, 200)
    kept = kafka_broker.kept(settings.topic("web"))
    assert [bodies(found[part]) for part in tail.parts()] == [[body for _, body in part] for part in kept]
    assert {part: place and place.at for part, place in places.items()} == tail.ends()
    assert tail.behind(places) == {"web/0": 0, "web/1": 0}
    send(settings, range(200, 240))
    more = all_of(tail, places, 40)
    assert sum(len(bodies(reads)) for reads in more.values()) == 40
    begin, end = found["web/0"][0].place, places["web/0"]
    assert begin is not None
    assert end is not None
    again = tail.between("web/0", begin, end)
    assert again.place == end
    assert bodies([again]) == bodies([*found["web/0"][1:], *more["web/0"]])
    # what was read between did not move what is followed
    assert sum(len(bodies(reads)) for reads in all_of(tail, {**places, "web/1": None}, len(kept[1])).values()) > 0


def test_what_was_not_done_with_comes_again(settings: KafkaSettings, tail: TopicTail) -> None:
    send(settings, range(50))
    places: dict[str, Place | None] = dict.fromkeys(tail.parts())
    first = all_of(tail, dict(places), 50)
    second = all_of(tail, dict(places), 50)
    assert {p: bodies(r) for p, r in first.items()} == {p: bodies(r) for p, r in second.items()}


def test_a_topic_that_comes_later_is_found(settings: KafkaSettings, tail: TopicTail) -> None:
    send(settings, range(5))
    assert tail.parts() == ("web/0", "web/1")
    send(settings, range(5), "shop")
    tail.look()
    assert tail.parts() == ("shop/0", "shop/1", "web/0", "web/1")


def test_what_no_collector_wrote_is_damage(settings: KafkaSettings, tail: TopicTail) -> None:
    from kafka import KafkaProducer

    send(settings, range(1))
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap, metrics_enabled=False)
    producer.send(settings.topic("web"), b"nonsense", partition=0)
    producer.close()
    found = all_of(tail, {"web/0": None, "web/1": None}, 2)
    assert Damage(0, 8) in bodies(found["web/0"])


def deleted(settings: KafkaSettings) -> None:
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as admin:
        admin.delete_records({TopicPartition(settings.topic("web"), 0): -1})


def made_anew(settings: KafkaSettings) -> None:
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap) as admin:
        admin.delete_topics([settings.topic("web")])
    send(settings, range(100, 300))


@pytest.mark.parametrize("gone", [deleted, made_anew])
def test_nothing_that_is_gone_is_passed_over(
    settings: KafkaSettings, tail: TopicTail, gone: Callable[[KafkaSettings], None]
) -> None:
    send(settings, range(100))
    places: dict[str, Place | None] = dict.fromkeys(tail.parts())
    all_of(tail, places, 100)
    begun = {part: Place(place.segment, 1) for part, place in places.items() if place is not None}
    gone(settings)
    tail.close()
    tail.parts()
    with pytest.raises(EntriesPassed, match="next `kindred run`"):
        all_of(tail, dict(begun), 99)


def test_brokers_that_are_away_are_told_and_found_again(
    kafka_broker: Any, settings: KafkaSettings, tail: TopicTail
) -> None:
    send(settings, range(20))
    places: dict[str, Place | None] = dict.fromkeys(tail.parts())
    all_of(tail, places, 20)
    away = TopicTail(settings.model_copy(update={"bootstrap": "127.0.0.1:1"}), ["web"])
    with pytest.raises(BrokersAway, match="start them"):
        away.parts()
    kafka_broker.kill()
    kafka_broker.start()
    send(settings, range(20, 30))
    for _ in range(20):
        try:
            assert sum(len(bodies(r)) for r in all_of(tail, places, 10).values()) == 10
            break
        except Unavailable:
            tail.parts()
    else:
        raise AssertionError
