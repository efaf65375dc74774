"""The feed told in a thread: nothing is lost where generations switch, and nothing is hidden where it fails."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from feed_world import FeedWorld, Follower
from online_world import PAGE, OnlineWorld, whose
from sqlalchemy.exc import OperationalError

from infra.database import writing
from infra.errors import Held
from infra.serving.embedded import Generations
from infra.serving.store import Live
from profiles.online import telling as module
from profiles.online.apply import places
from profiles.online.opened import Log, state_folder
from profiles.online.places import FOLDER as STATE
from profiles.online.shares import Shares
from profiles.online.telling import Telling
from profiles.online.worker import Worker
from profiles.serving import FOLDER

ALL = {"service": 1, "analytics": 1, "email_marketing": 1}


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[FeedWorld]:
    made = FeedWorld(tmp_path)
    made.people = {"ann": dict(ALL)}
    made.publish()
    made.teller.tell_generation()
    yield made
    made.close()


@contextmanager
def running(telling: Telling) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=telling.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def until(wanted: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_noted_is_told_though_others_write_and_generations_switch(feed: FeedWorld) -> None:
    telling, follower = Telling(feed.teller.tell_outbox), Follower(feed, "service")

    def heard() -> bool:
        follower.follow()
        return follower.kept == feed.shown("service")

    with running(telling):
        live = feed.generations.live()
        telling.over(live)
        with writing(feed.database):  # nobody who tells of a change waits for the database
            feed.put("bob", dict(ALL))
            telling.due()
        until(heard)
        assert "bob" in follower.kept
        feed.put("cat", dict(ALL))
        telling.due()
        feed.publish()
        telling.over(None)
        live.close()
        following = feed.generations.live()
        feed.put("dan", dict(ALL))  # noted before anybody has said so
        telling.over(following)
        feed.teller.tell_generation()
        until(heard)
        telling.over(None)
        following.close()
    assert follower.kept.keys() == {"ann", "bob", "cat", "dan"}
    assert telling.trouble == ""


def test_whoever_leaves_a_generation_waits_for_what_is_told_of_it(feed: FeedWorld) -> None:
    begun, goes_on, told = threading.Event(), threading.Event(), list[str]()

    def tell(live: Live) -> int:
        begun.set()
        assert goes_on.wait(60)
        told.append(live.name)
        return 0

    telling, live = Telling(tell), feed.generations.live()
    with running(telling):
        telling.over(live)
        assert begun.wait(60)
        leaving = threading.Thread(target=telling.over, args=(None,))
        leaving.start()
        leaving.join(0.2)
        assert leaving.is_alive()
        goes_on.set()
        leaving.join(60)
        assert told == ["00000001"]
        begun.clear()
        telling.due()
        assert not begun.wait(0.5), "nothing is told of what was left"
    live.close()


def test_what_fails_is_said_once_and_tried_again(
    feed: FeedWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_AILING", 0.01)
    left: list[Exception] = [OperationalError("", {}, Exception("locked"))] * 3 + [Held("another one writes")]
    seen: list[str] = []

    def tell(_: Live) -> int:
        seen.append(telling.trouble)
        if left:
            raise left.pop(0)
        return 0

    telling, live = Telling(tell), feed.generations.live()
    with caplog.at_level(logging.WARNING, "kindred.stream"), running(telling):
        telling.over(live)
        until(lambda: len(seen) == 5 and not telling.trouble)
    assert seen == ["", *["OperationalError"] * 3, "Held"]
    assert [one.getMessage() for one in caplog.records] == [
        "changes are not told: OperationalError", "changes are not told: another one writes"
    ]  # fmt: skip
    live.close()


def test_what_nobody_foresaw_ends_the_process_that_would_go_on_without_it(feed: FeedWorld) -> None:
    def tell(_: Live) -> int:
        raise KeyError("service")

    telling, stop, live = Telling(tell), threading.Event(), feed.generations.live()
    telling.over(live)
    with pytest.raises(KeyError):
        telling.run(stop)
    assert stop.is_set()
    assert telling.trouble == "KeyError"
    live.close()


class Prompt(Telling):
    """Whose thread has looked before the one who went over to a generation could do anything in it."""

    def over(self, live: Live | None) -> None:
        super().over(live)
        self._due.clear()


class Killed(Exception):
    """A worker that dies."""


class Dying:
    """A generation whose writer dies before its change is there."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @contextmanager
    def change(self) -> Iterator[Any]:
        with self._live.change() as change:
            before = places(change.get)
            yield change
            if places(change.get) != before:
                raise Killed


def test_what_a_killed_worker_left_half_done_is_told_when_it_is_finished(world: OnlineWorld) -> None:
    """No event comes after it; whoever followed the feed would else hear of it with the next one."""
    generations = Generations(world.workspace.serving_path / FOLDER)
    with generations.building("g1"):
        pass
    generations.publish("g1")
    state = world.state(state_folder(world.workspace, "g1"))
    world.send(PAGE)
    live = generations.live()
    with suppress(Killed):
        world.opened(state).catch_up(Dying(live))  # type: ignore[arg-type]
    live.close()
    world.shut()
    assert not whose(world, generations.current(), "cookie", "c-1")  # type: ignore[arg-type]
    telling, log = Prompt(lambda _: 0), Log.of(world.workspace, world.database, world.clock)
    with Shares(world.workspace.state_path / STATE) as shares:
        worker = Worker(generations, log, lambda name: world.opened(state, name), world.clock, shares, telling)
        assert worker.step() == 1
        assert whose(world, generations.current(), "cookie", "c-1")  # type: ignore[arg-type]
        assert telling._due.is_set()
        worker.leave()
    log.tail.close()
