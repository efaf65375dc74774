"""A server that is down, slow, empty, of another mind or full: a clear refusal in time, and never an empty answer."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import redis
from valkeys import Valkey, valkey

from infra.errors import Held, Unavailable
from infra.serving.breaker import Breaker
from infra.serving.remote import RemoteGenerations
from infra.serving.remote_writes import RemoteWriter
from infra.serving.store import UNDO, Overtaken, StoreFull
from infra.serving.wire import StoreAway, StoreEmptied


@pytest.fixture
def alone() -> Iterator[Valkey]:
    """Return a server that nobody else uses."""
    with valkey("--repl-ping-replica-period", "1") as running:
        yield running


def published(server: Valkey, stopwatch: object = time.monotonic) -> RemoteGenerations:
    store = RemoteGenerations(server.url, "faults", stopwatch)  # type: ignore[arg-type]
    with store.building("1") as writer:
        writer.put(b"v|ads|1", b"Ann")
    store.publish("1")
    return store


def test_an_emptied_server_knows_nobody_and_says_so(alone: Valkey) -> None:
    store = published(alone)
    reader = store.current()
    assert reader.get(b"v|ads|2") is None
    with redis.Redis.from_url(alone.url) as client:
        client.flushall()
    for look in (lambda: reader.get(b"v|ads|1"), lambda: list(reader.items(b"v|")), lambda: reader.values(b"a", b"b")):
        with pytest.raises(StoreEmptied, match="kindred publish"):
            look()
    assert isinstance(StoreEmptied("1"), Unavailable)
    again = published(alone)
    assert again.current().get(b"v|ads|1") == b"Ann"


@pytest.mark.parametrize("lost", [0, 1])
def test_a_generation_that_lost_a_part_is_not_served(alone: Valkey, lost: int) -> None:
    store = published(alone)
    with redis.Redis.from_url(alone.url) as client:
        client.delete(store.keys("1")[lost])
    with pytest.raises(StoreEmptied):
        list(store.current().items(b""))


def test_a_server_that_stands_still_costs_its_timeout_and_soon_nothing(alone: Valkey) -> None:
    store = published(alone)
    reader = store.current()
    assert alone.process is not None
    os.kill(alone.process.pid, signal.SIGSTOP)
    waits = []
    for _ in range(8):
        begun = time.monotonic()
        with pytest.raises(StoreAway):
            reader.get(b"v|ads|1")
        waits.append(time.monotonic() - begun)
    # 50 ms each for three, then none: the time of a busy machine is given to spare.
    assert max(waits) < 1.0
    assert sorted(waits)[3] < 0.04
    os.kill(alone.process.pid, signal.SIGCONT)
    assert _again(reader, within=5.0)


def test_a_server_that_went_and_came_back_is_read_again(alone: Valkey) -> None:
    reader = published(alone).current()
    alone.stop()
    for _ in range(5):
        with pytest.raises(StoreAway):
            reader.get(b"v|ads|1")
    alone.start()
    published(alone)
    assert _again(reader, within=5.0)


def _again(reader: object, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            return bool(reader.get(b"v|ads|1") == b"Ann")  # type: ignore[attr-defined]
        except Unavailable:
            time.sleep(0.05)
    return False


def test_a_server_that_loads_is_away_and_not_empty() -> None:
    """F20: while it reads its keys from its disk, each read is refused in time; then it is answered."""
    slow = ("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
    with valkey("--enable-debug-command", "yes", *slow) as server:
        store = published(server)
        reader = store.current()
        with redis.Redis.from_url(server.url) as client:
            client.mset({f"other{number}": "x" * 2_000 for number in range(60)})
            loading = threading.Thread(target=client.execute_command, args=("DEBUG", "RELOAD"))
            loading.start()
            refused = 0
            while loading.is_alive():
                begun = time.monotonic()
                try:
                    assert reader.get(b"v|ads|1") == b"Ann"
                except StoreAway:
                    refused += 1
                assert time.monotonic() - begun < 2
                time.sleep(0.005)
            loading.join()
        assert refused > 3
        time.sleep(1.1)  # the breaker lets one try again
        assert reader.get(b"v|ads|1") == b"Ann"


def test_a_replica_serves_reads_and_takes_no_changes(alone: Valkey) -> None:
    store = published(alone)
    live = store.live()
    with redis.Redis.from_url(alone.url) as client:
        client.replicaof("127.0.0.1", "1")
    assert store.current().get(b"v|ads|1") == b"Ann"
    with pytest.raises(StoreAway, match="ReadOnly"), live.change() as change:
        change.put(b"v|ads|1", b"Anna")
    with redis.Redis.from_url(alone.url) as client:
        client.config_set("replica-serve-stale-data", "no")
    with pytest.raises(StoreAway):
        store.current()


def test_a_full_server_refuses_and_serves_what_it_had(alone: Valkey) -> None:
    store = published(alone)
    with redis.Redis.from_url(alone.url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 4_000_000)
        client.config_set("maxmemory-policy", "noeviction")
    with pytest.raises(StoreFull, match="served still"):
        build_much(store)
    assert store.current().get(b"v|ads|1") == b"Ann"
    assert store.name() == "1"


def build_much(store: RemoteGenerations) -> None:
    with store.building("2") as writer:
        for number in range(20_000):
            writer.put(b"%d" % number, b"x" * 1_000)


@pytest.mark.parametrize("lost", ["values", "names", "everything"])
def test_a_generation_that_loses_what_was_put_is_never_whole(alone: Valkey, lost: str) -> None:
    """Evicted, or lost with a server that was started again: what is put after it would be half of everybody."""
    store = published(alone)

    def built() -> None:
        with store.building("2") as writer:
            for number in range(1_500):
                writer.put(b"%d" % number, b"x")
            if lost == "everything":
                alone.stop()
                alone.start()
            else:
                with redis.Redis.from_url(alone.url) as client:
                    client.delete(store.keys("2")[lost == "names"])
            for number in range(1_500, 2_000):
                writer.put(b"%d" % number, b"x")

    with pytest.raises(StoreEmptied):
        built()
    assert "2" not in store.kept()
    with pytest.raises(StoreEmptied):
        store.reader("2").get(b"1999")
    if lost != "everything":
        assert store.current().get(b"v|ads|1") == b"Ann"


def test_a_generation_that_is_begun_from_one_that_is_lost_meanwhile_is_never_whole(
    alone: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, put = published(alone), RemoteWriter.put

    def losing(writer: RemoteWriter, key: bytes, value: bytes) -> None:
        with redis.Redis.from_url(alone.url) as client:
            client.delete(*store.keys("1"))
        put(writer, key, value)

    monkeypatch.setattr(RemoteWriter, "put", losing)
    with pytest.raises(StoreEmptied), store.building("2", base="1"):
        pass
    assert store.kept() == ()


def test_a_change_from_what_another_writer_has_changed_is_not_made(alone: Valkey) -> None:
    store = published(alone)
    one, two = store.live(), store.live()

    def overtaken() -> None:
        with one.change() as change:
            assert change.get(b"v|ads|1") == b"Ann"
            assert change.get(b"v|ads|9") is None
            with two.change() as other:
                other.put(b"v|ads|9", b"new")
            change.put(b"v|ads|1", b"Anna")

    with pytest.raises(Overtaken) as told:
        overtaken()
    assert isinstance(told.value, Held)
    assert store.current().values(b"v|ads|1", b"v|ads|9") == [b"Ann", b"new"]
    with one.change() as change:
        assert change.get(b"v|ads|9") == b"new"
        change.put(b"v|ads|1", b"Anna")
    assert store.current().get(b"v|ads|1") == b"Anna"


def test_nothing_that_was_given_up_stays_for_ever(alone: Valkey) -> None:
    store = published(alone)
    with redis.Redis.from_url(alone.url) as client:

        def lasts(name: str) -> list[int]:
            return [client.ttl(key) for key in store.keys(name)[:2]]

        assert lasts("1") == [-1, -1]
        building = store.building("2")
        writer = building.__enter__()
        for number in range(1_500):
            writer.put(b"%d" % number, b"")
        assert all(0 < seconds <= 24 * 3600 for seconds in lasts("2"))  # as a killed publisher leaves it
        assert not building.__exit__(None, None, None)
        store.publish("2")
        assert lasts("2") == [-1, -1]
        store.rollback()
        assert all(0 < seconds <= 24 * 3600 for seconds in lasts("2"))
        for name in ("3", "4"):
            with store.building(name) as filled:
                filled.put(b"k", b"v")
            store.publish(name)
        assert lasts("1") == lasts("2") == [-2, -2]
        assert len(client.keys("*")) == 2 + 2 * 2


def test_what_was_changed_is_looked_through_however_much_it_is(alone: Valkey) -> None:
    """In pieces, for a reader has 50 ms for an answer and others wait behind it."""
    store = published(alone)
    with redis.Redis.from_url(alone.url) as client:
        for start in range(0, 100_000, 5_000):
            some = {b"v|ads|%06d" % number: b"=" + b"x" * 400 for number in range(start, start + 5_000)}
            client.hset(store.keys("1")[2], mapping=some)
        client.hset(store.keys("1")[2], mapping={b"h|[a]*": b"-", b"h|a": b"-"})
    reader = store.current()
    assert list(reader.items(UNDO + b"h|[a]*")) == [(UNDO + b"h|[a]*", b"-")]
    assert [key for key, _ in reader.items(UNDO + b"h|")] == [UNDO + b"h|[a]*", UNDO + b"h|a"]
    keys = [key for key, _ in reader.items(UNDO)]
    assert len(keys) == 100_002
    assert keys == sorted(keys)


def test_changes_to_a_generation_that_is_gone_are_refused(alone: Valkey) -> None:
    store = published(alone)
    live = store.live()
    with redis.Redis.from_url(alone.url) as client:
        client.flushall()
        with pytest.raises(StoreEmptied), live.change() as change:
            change.put(b"v|ads|1", b"Anna")
        assert client.keys("*") == []


def test_no_error_tells_the_password() -> None:
    store = RemoteGenerations("redis://user:s3cret-of-the-test@127.0.0.1:1/0", "x", time.monotonic)
    with pytest.raises(StoreAway) as told:
        store.name()
    assert "s3cret" not in str(told.value)


def test_a_breaker_opens_after_three_and_lets_one_try_each_second() -> None:
    moment = [0.0]
    breaker = Breaker(lambda: moment[0])
    for _ in range(3):
        assert not breaker.is_open()
        breaker.failed()
    assert breaker.is_open()
    moment[0] = 1.01
    assert not breaker.is_open(), "one tries"
    assert breaker.is_open(), "and the others do not wait with it"
    breaker.failed()
    assert breaker.is_open()
    moment[0] = 2.5
    assert not breaker.is_open()
    breaker.answered()
    assert not breaker.is_open()
