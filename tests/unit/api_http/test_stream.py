"""The stream worker as a process: killed at any moment it goes on where it was, and there is only one."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from online_world import OnlineWorld, content, random_days, whose

from api.http.following import status_name
from infra.keyvalue import LmdbStore
from infra.serving.embedded import Generations
from profiles.changefeed import store
from profiles.online.opened import state_folder
from profiles.online.places import FOLDER as STATE
from profiles.serving import FOLDER
from profiles.stored import unpacked

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OnlineWorld]:
    made = OnlineWorld.of(tmp_path / "shop")
    yield made
    made.close()


def published(world: OnlineWorld, name: str = "g1") -> Generations:
    generations = Generations(world.workspace.serving_path / FOLDER)
    with generations.building(name):
        pass
    generations.publish(name)
    world.state(state_folder(world.workspace, name))
    return generations


def worker(world: OnlineWorld) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "api.stream.main", str(world.workspace.root)]
    with (world.workspace.root / "worker.log").open("ab") as said:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=said, cwd="/")


def until(wanted: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_sent_is_served_within_moments(world: OnlineWorld) -> None:
    generations = published(world)
    process = worker(world)
    try:
        until((world.workspace.state_path / STATE / status_name(0)).is_file)
        world.send({"type": "page", "name": "Home", "anonymousId": "c-1"})
        until(lambda: bool(whose(world, generations.current(), "cookie", "c-1")))
        second = worker(world)
        assert second.wait(60) != 0
        assert "end it first" in (world.workspace.root / "worker.log").read_text()
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 12))])
def test_killed_at_random_it_serves_what_the_log_says(world: OnlineWorld, tmp_path: Path, seed: int) -> None:
    """kill -9 in the middle of its work; then what is served is what the whole log makes of the publication.

    And the feed has told all of it, though nothing comes any more.
    """
    generations, chance = published(world), random.Random(seed)  # noqa: S311 - a sample
    process = worker(world)
    try:
        for request in [one for day in range(4) for one in random_days(seed * 10 + day)]:
            world.send(*request)
            if chance.random() < 0.15:
                time.sleep(chance.random() * 0.05)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                process = worker(world)
        whole = expected(world, tmp_path)
        until(lambda: content(generations.current()) == whole)
        until(lambda: told(world) == shown(generations))
    finally:
        process.terminate()
        process.wait(30)


def told(world: OnlineWorld) -> dict[str, dict[str, str]]:
    """Return of whom the feed told last that somebody may see them: for each purpose, which version."""
    ids = list(store.people(world.database))
    with world.database.connect() as connection:
        return {one: dict(last.state) for one, last in store.last(connection, ids).items() if last.state}


def shown(generations: Generations) -> dict[str, dict[str, str]]:
    """Return whose views are served, and in which version."""
    found: dict[str, dict[str, str]] = {}
    for key, value in generations.current().items(b"v|"):
        _, purpose, profile_id = key.decode().split("|")
        found.setdefault(profile_id, {})[purpose] = unpacked(value)[0][1:-1].decode()
    return found


def expected(world: OnlineWorld, folder: Path) -> dict[bytes, bytes]:
    """Return what the whole log makes of a publication of nobody."""
    whole = LmdbStore(folder / "whole", durable=False)
    try:
        world.opened(world.state(folder / "state"), "whole").catch_up(whole)
        return content(whole)
    finally:
        world.shut()
        whole.close()
