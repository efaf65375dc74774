"""Several workers over one log: what they leave is what one would have left, whoever was killed in the middle."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from online_world import LOGIN, PAGE, OnlineWorld, content, random_days, view, whose
from parts_tail import PartsTail

from infra.errors import Held
from infra.keyvalue import LmdbStore
from infra.serving.store import Overtaken
from profiles.errors import OthersPart, ServedElsewhere
from profiles.online.apply import places
from profiles.online.shares import Shares

PARTS = 3


class Killed(Exception):
    """A worker that dies."""


class Dying:
    """A store whose writer dies before its change is there."""

    def __init__(self, store: LmdbStore) -> None:
        self._store = store

    def change(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def dying() -> Iterator[Any]:
            with self._store.change() as change:
                read = places(change.get)
                yield change
                if places(change.get) != read:
                    raise Killed

        return dying()


def worker(world: OnlineWorld, state: Path, tail: PartsTail) -> Any:
    """Return the path opened by a worker that has just begun; there is no other in this process."""
    world.shut()
    return world.opened(state, tail=tail)


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(5, 20))])
def test_workers_that_share_a_log_leave_what_one_leaves_in_the_order_of_their_turns(seed: int, tmp_path: Path) -> None:
    """Two workers, each with parts of its own; one is killed after its answers, the other finishes them first."""
    world, chance = OnlineWorld.of(tmp_path / "shop"), random.Random(seed)  # noqa: S311 - a sample
    shared, alone = (LmdbStore(tmp_path / name, durable=False) for name in ("shared", "alone"))
    tail, state = PartsTail.of("web", PARTS), world.state(tmp_path / "state")
    try:
        for request in random_days(seed):
            tail.append("web", world.keyed(*request))
            for _ in range(chance.randint(0, 3)):
                mine = chance.choice([("web/0", "web/2"), ("web/1",)])
                tail.next = (chance.choice(mine), chance.randint(1, 4))
                with suppress(Killed):
                    store = Dying(shared) if chance.random() < 0.4 else shared
                    worker(world, state, tail).catch_up(store, mine.__contains__)
        for part in [*tail.parts(), *tail.parts()]:
            tail.next = (part, 1_000)
            worker(world, state, tail).catch_up(shared, {part}.__contains__)
        order = list(tail.handed)
        one = worker(world, world.state(tmp_path / "again"), tail)
        for piece in order:
            tail.next = piece
            one.catch_up(alone)
        assert sum(count for _, count in order) == sum(map(len, tail.held.values()))
        assert content(shared) == content(alone)
    finally:
        shared.close()
        alone.close()
        world.close()


def test_a_log_in_is_served_after_the_past_that_was_answered_before_it(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path
) -> None:
    """The visit lies in another part than the log-in, and its worker dies between the answer and the profile."""
    tail, state = PartsTail.of("web", PARTS), world.state(tmp_path / "state")
    tail.append("web", world.keyed(PAGE, PAGE))
    (visit,) = [part for part, bodies in tail.held.items() if bodies]
    tail.append("web", world.keyed(LOGIN))
    (login,) = [part for part, bodies in tail.held.items() if bodies and part != visit]
    tail.next = (visit, 2)
    with suppress(Killed):
        worker(world, state, tail).catch_up(Dying(served), {visit}.__contains__)
    assert not content(served)
    tail.next = (login, 1)
    worker(world, state, tail).catch_up(served, {login}.__contains__)
    (person,) = whose(world, served, "email", "ann@example.org")
    assert whose(world, served, "cookie", "c-1") == (person,)
    found = view(served, "analytics", person)
    assert found is not None
    assert found["traits"]["events"] == 3


def test_who_was_overtaken_makes_the_change_again(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    tail, state = PartsTail.of("web", 1), world.state(tmp_path / "state")
    tail.append("web", world.keyed(PAGE))
    opened = worker(world, state, tail)
    opened.catch_up(served)

    class Overtaking:
        left = 3

        def change(self) -> Any:
            self.left -= 1
            if self.left >= 0:
                raise Overtaken
            return served.change()

    tail.append("web", world.keyed(PAGE))
    tail.next = ("web/0", 1)
    assert opened.catch_up(Overtaking()) == 1


def test_whose_part_was_gone_on_with_writes_nothing(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    """The place is looked at within the change: who does not know that it lost its part cannot do anything twice."""
    tail, state = PartsTail.of("web", 1), world.state(tmp_path / "state")
    for _ in range(2):
        tail.append("web", world.keyed(PAGE))
    opened = worker(world, state, tail)
    tail.next = ("web/0", 1)
    opened.catch_up(served)
    from infra.log.tail import Place
    from profiles.online.apply import put_place

    with served.change() as change:
        put_place(change, "web/0", Place("topic", 2))
    before = content(served)
    tail.next = ("web/0", 1)
    with pytest.raises(OthersPart, match="nothing was done twice"):
        opened.catch_up(served)
    assert content(served) == before
    tail.next = ("web/0", 1)
    assert opened.catch_up(served) == 0


def test_the_same_message_in_another_part_is_no_news(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    tail, state = PartsTail.of("web", 2), world.state(tmp_path / "state")
    (entry,) = world.keyed({**PAGE, "messageId": "same"})
    for bodies in tail.held.values():
        bodies.append(entry.body)
    opened = worker(world, state, tail)
    for part in ("web/1", "web/0"):
        tail.next = (part, 1)
        opened.catch_up(served)
    (visitor,) = whose(world, served, "cookie", "c-1")
    found = view(served, "analytics", visitor)
    assert found is not None
    assert found["traits"]["events"] == 1


PARTED = [f"web/{number}" for number in range(4)]
HOLDER = (
    "import sys, time; from pathlib import Path; from profiles.online.shares import Shares\n"
    "with Shares(Path(sys.argv[1]), int(sys.argv[2]), 2) as shares:\n"
    "    shares.look([f'web/{n}' for n in range(4)])\n"
    "    print('there', flush=True); sys.stdin.readline()\n"
    "    shares.look([f'web/{n}' for n in range(4)])\n"
    "    print([n for n in range(4) if shares.owns(f'web/{n}')], flush=True); sys.stdin.readline()\n"
)


def other(folder: Path, number: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLDER, str(folder), str(number)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def owned(shares: Shares) -> list[str]:
    return [part for part in PARTED if shares.owns(part)]


def test_a_worker_reads_for_one_who_is_away_and_gives_it_back(tmp_path: Path) -> None:
    with Shares(tmp_path, 0, 2) as mine:
        mine.look(PARTED)
        assert owned(mine) == PARTED
        process = other(tmp_path, 1)
        try:
            mine.look(PARTED)
            assert owned(mine) == ["web/0", "web/2"]
            assert told(process) == "[1, 3]"
        finally:
            process.kill()
            process.communicate()
        mine.look(PARTED)
        assert owned(mine) == PARTED


def test_there_is_one_worker_of_a_number(tmp_path: Path) -> None:
    process = other(tmp_path, 1)
    try:
        with pytest.raises(Held, match="end it first"), Shares(tmp_path, 1, 2):
            pass
    finally:
        process.kill()
        process.communicate()


def test_workers_of_another_machine_are_refused(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    """Two machines that serve from one store have a resolver each; one alone may say who somebody is."""
    tail, state = PartsTail.of("web", 1), world.state(tmp_path / "state")
    worker(world, state, tail).catch_up(served)
    (world.workspace.state_path / "online" / "home").write_text("another")
    with pytest.raises(ServedElsewhere, match=r"serving\.online: false here"):
        worker(world, state, tail).catch_up(served)
