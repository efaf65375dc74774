"""Writers and readers that are killed, files that are full, short or damaged, switches under load (F22 to F24)."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from serving_child import KEYS, filled

from infra.errors import Unavailable
from infra.keyvalue import KeyValue, Torn
from infra.serving.embedded import Generations
from infra.serving.store import UNDO, ServingStore, StoreFull
from infra.serving.wire import StoreAway

CHILD = Path(__file__).parents[3] / "support" / "serving_child.py"
DAY, NIGHT = 4, 40


def published(root: Path, number: int = 0, map_size: int | None = None) -> Generations:
    store = Generations(root) if map_size is None else Generations(root, map_size=map_size)
    with store.building(f"g{number}") as writer:
        for key in KEYS:
            writer.put(key, b"%d|" % number + b"x" * 500)
    store.publish(f"g{number}")
    return store


@contextmanager
def child(what: str, root: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, CHILD, what, root], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def blocks(root: Path) -> int:
    return sum(file.stat().st_blocks for file in root.rglob("data.mdb"))


@pytest.mark.parametrize("times", [DAY, pytest.param(NIGHT, marks=pytest.mark.nightly)])
def test_a_live_writer_that_is_killed_leaves_each_change_whole_or_not_at_all(tmp_path: Path, times: int) -> None:
    dice = random.Random(22)  # noqa: S311 - seeded moments, no secret
    store, seen = published(tmp_path), 0
    for _ in range(times):
        with child("change", tmp_path) as writer:
            time.sleep(dice.random() * 0.3)
            writer.send_signal(signal.SIGKILL)
            writer.wait(30)
        numbers = {value.split(b"|")[0] for _, value in store.current().items(b"v|")}
        assert len(numbers) == 1, "no change is half there"
        assert int(max(numbers)) >= seen
        seen = int(max(numbers))
    assert seen > 0
    with store.building("g1", "g0"):
        pass
    store.publish("g1")
    assert {value.split(b"|")[0] for _, value in store.current().items(b"v|")} == {b"0"}
    assert blocks(tmp_path / "g0") < 4 * blocks(tmp_path / "g1"), "values, what is undone, and one change to spare"


def test_a_reader_that_is_killed_with_a_moment_in_its_hand_holds_nothing_back(tmp_path: Path) -> None:
    store = published(tmp_path)
    live = store.live()

    def change(number: int) -> None:
        with live.change() as made:
            for key in KEYS:
                made.put(key, b"%d|" % number + b"x" * 500)

    change(1)
    change(2)
    with child("hold", tmp_path) as reader:
        reader.send_signal(signal.SIGKILL)
        reader.wait(30)
    before = blocks(tmp_path)
    for number in range(3, 200):
        change(number)
    assert blocks(tmp_path) < 2 * before
    live.close()


def test_a_full_map_is_said_and_what_was_served_is_served(tmp_path: Path) -> None:
    store = published(tmp_path, map_size=2**19)
    live = store.live()

    def overflow() -> None:
        with live.change() as made:
            for number in range(2_000):
                made.put(b"v|new%d" % number, b"x" * 500)

    with pytest.raises(StoreFull, match="served still"):
        overflow()
    assert len(list(store.current().items(b"v|"))) == len(KEYS)
    live.close()

    def build() -> None:
        with store.building("g1") as writer:
            for number in range(2_000):
                writer.put(b"v|new%d" % number, b"x" * 500)

    with pytest.raises(StoreFull):
        build()
    assert store.name() == "g0"
    assert len(list(store.current().items(b"v|"))) == len(KEYS)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.98])
def test_a_file_that_was_cut_is_refused_when_it_is_opened(tmp_path: Path, share: float) -> None:
    published(tmp_path)
    file = tmp_path / "g0" / "data.mdb"
    with file.open("r+b") as cut:
        cut.truncate(int(file.stat().st_size * share))
    with pytest.raises(Torn, match="kindred publish"):
        Generations(tmp_path).current()
    with pytest.raises(Torn):
        Generations(tmp_path).live()
    published(tmp_path, 1)
    assert Generations(tmp_path).current().get(KEYS[0])


def test_a_file_that_a_live_writer_made_longer_is_not_taken_for_a_cut_one(tmp_path: Path) -> None:
    store = published(tmp_path)
    live = store.live()
    for number in range(30):
        with live.change() as made:
            for key in KEYS:
                made.put(key, b"%d" % number * 900)
        if number % 2:
            with live.change() as made:
                for key in KEYS:
                    made.delete(key)
    live.close()
    del store
    assert Generations(tmp_path).current().snapshot().get(UNDO + KEYS[0])


def test_something_else_in_its_place_is_no_store(tmp_path: Path) -> None:
    published(tmp_path)
    (tmp_path / "g0" / "data.mdb").write_bytes(b"not a store " * 10_000)
    with pytest.raises(Torn):
        Generations(tmp_path).current()
    (tmp_path / "g0" / "data.mdb").unlink()
    with pytest.raises(Torn):
        Generations(tmp_path).current()


@pytest.mark.parametrize("within", [64, 4096], ids=["where a page says what it holds", "anywhere"])
@pytest.mark.parametrize("times", [DAY, pytest.param(NIGHT, marks=pytest.mark.nightly)])
def test_a_damaged_page_gives_no_key_another_value(tmp_path: Path, times: int, within: int) -> None:
    """A process of its own reads: what LMDB makes of such a page may end it, and that answers nobody wrongly."""
    dice = random.Random(23)  # noqa: S311 - seeded damage, no secret
    store = Generations(tmp_path)
    with store.building("g0") as writer:
        for key in KEYS:
            writer.put(key, filled(key))
    store.publish("g0")
    file = tmp_path / "g0" / "data.mdb"
    sound = file.read_bytes()
    for _ in range(times):
        page = dice.randrange(2, len(sound) // 4096)
        start = page * 4096 + dice.randrange(within)
        harm = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 9)))
        file.write_bytes(sound[:start] + harm + sound[start + len(harm) :])
        told = subprocess.run(
            [sys.executable, CHILD, "read", tmp_path], capture_output=True, text=True, check=False, timeout=120
        )
        for line in told.stdout.splitlines():
            key, _, said = line.partition(" ")
            assert key == "refused" or said == "-" or said == key[2:], line


def publish(store: ServingStore, number: int) -> None:
    with store.building(f"{number:03d}") as writer:
        for key in KEYS:
            writer.put(key, b"%d" % number)
    store.publish(f"{number:03d}")


def answer(moment: KeyValue) -> set[bytes | None]:
    return {*moment.values(*KEYS[:20]), moment.get(KEYS[-1]), *(v for _, v in moment.items(b"v|00"))}


def test_readers_never_see_two_generations_in_one_answer(store: ServingStore) -> None:
    """A publication ends when no reader is left behind, as `profiles.jobs` has it: each is overtaken once at most."""
    publish(store, 0)
    ended, wrong, looks = threading.Event(), list[str](), [0] * 8

    def look(reader: int) -> None:
        while not ended.is_set():
            try:
                seen = answer(store.current().snapshot())
            except StoreAway:  # where the machine is busy a server answers too late, and 503 is what is promised
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
                wrong.append(repr(error))
                return
            if len(seen) != 1:
                wrong.append(f"{len(seen)} generations in one answer")
            looks[reader] += 1

    readers = [threading.Thread(target=look, args=(number,)) for number in range(len(looks))]
    for reader in readers:
        reader.start()
    for number in range(1, 12):
        publish(store, number)
        before = list(looks)
        while not wrong and any(now == then for now, then in zip(looks, before, strict=True)):
            time.sleep(0.01)
    ended.set()
    for reader in readers:
        reader.join(30)
    assert wrong == []


def test_who_is_overtaken_by_two_publications_hears_so_or_goes_on_and_is_told_nothing_else(store: ServingStore) -> None:
    publish(store, 0)
    moment = store.current().snapshot()
    publish(store, 1)
    assert answer(moment) == {b"0"}
    publish(store, 2)
    with suppress(Unavailable):
        assert answer(moment) == {b"0"}
    assert answer(store.current().snapshot()) == {b"2"}
