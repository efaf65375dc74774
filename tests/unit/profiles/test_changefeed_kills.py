"""Killed anywhere, the feed loses no change and tells none twice: each step is ended before and after its act."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from feed_world import PURPOSES, FeedWorld, Follower

from infra.ids import ProfileId
from infra.keyvalue import Torn, environment
from profiles import serving
from profiles.changefeed import store, teller
from profiles.history import store as past

ALL = dict.fromkeys(PURPOSES, 1)
ROOT = Path(__file__).parents[3]
CHILD = """
import sys
sys.path[:0] = [{root!r}, {support!r}]
import os
from pathlib import Path
from feed_world import FeedWorld, PURPOSES
from profiles.changefeed import store, teller
world = FeedWorld(Path({folder!r}), number=1)
end, calls = {end!r}, 0
def killed(inner, before):
    def act(*args, **kwargs):
        global calls
        calls += 1
        if calls == {at} and before:
            os._exit(9)
        done = inner(*args, **kwargs)
        if calls == {at}:
            os._exit(9)
        return done
    return act
if end.startswith("append"):
    store.append = killed(store.append, end.endswith("before"))
elif end.startswith("told"):
    real = teller.Teller.tell
    def tell(self, ids, since=None):
        done = real(self, ids, since)
        os._exit(9)
    teller.Teller.tell = tell
world.people = {{f"p{{n}}": dict.fromkeys(PURPOSES, n % 3) for n in range(450)}}
if end.startswith("told"):
    world.put("p7", dict.fromkeys(PURPOSES, 8))
    world.flush()
else:
    world.publish()
    world.teller.tell_generation()
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FeedWorld]:
    made = FeedWorld(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("end", "at"),
    [("append before", 1), ("append before", 2), ("append after", 1), ("append after", 2), ("append after", 3),
     ("told", 1), ("never", 0)],
)  # fmt: skip
def test_a_teller_that_is_killed_is_followed_by_one_that_tells_the_rest(
    world: FeedWorld, tmp_path: Path, end: str, at: int
) -> None:
    world.people = {f"p{n}": dict(ALL) for n in range(450)}
    world.publish()
    world.teller.tell_generation()
    service = Follower(world, "service")
    service.follow()
    before = len(service.heard)
    program = CHILD.format(
        root=str(ROOT), support=str(ROOT / "tests" / "support"), folder=str(tmp_path), end=end, at=at
    )
    world.close()
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
    assert child.returncode == (0 if end == "never" else 9), child.stderr
    world.__post_init__()
    world.flush()
    world.teller.tell_generation()
    service.follow()
    assert service.kept == world.shown("service")
    told = [one.profile_id for one in service.heard[before:]]
    assert len(told) == len(set(told)), "nobody twice"
    changed = 1 if end == "told" else 300  # p0, p3, … begin at 0, and p2, p5, … at 2: others are as they were
    assert len(told) == changed
    assert world.flush() == world.teller.tell_all() == 0
    with world.database.connect() as connection:
        kept = past.last(connection, sorted(world.shown("service")))
        answers = {one: past.bodies(connection, one, row.state.views["service"].number) for one, row in kept.items()}
    assert {one: row.state.views["service"].version for one, row in kept.items()} == world.shown("service")
    for one, body in answers.items():
        assert world.seen().view(ProfileId(one), PURPOSES[0]) == body["service"]


def test_what_was_published_and_never_told_is_told_whole(world: FeedWorld) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_generation()
    world.put("bob", dict(ALL))  # noted, and not told before the next publication
    world.people["cat"] = dict(ALL)
    world.publish()
    follower = Follower(world, "service")
    assert world.teller.behind()
    world.teller.tell_generation()
    follower.follow()
    assert follower.kept.keys() == {"ann", "bob", "cat"}
    world.generations.rollback()
    assert world.teller.behind(), "another generation is served"
    world.teller.tell_generation()
    follower.follow()
    assert follower.kept == world.shown("service")


class Interrupted(teller.Teller):
    """A teller during whose telling something more happens."""

    meanwhile: Callable[[], None]

    def tell(self, ids: Iterable[str], since: datetime | None = None) -> int:
        done = super().tell(ids, since)
        self.meanwhile()
        return done


def test_what_changed_again_while_it_was_told_is_noted_still(world: FeedWorld) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_generation()
    world.put("ann", {"service": 2})
    calm = world.teller
    world.teller = Interrupted(calm.database, calm.generations, calm.purposes, calm.seen, calm.clock, calm.keeper)
    Interrupted.meanwhile = lambda _: world.put("ann", {"service": 3})  # type: ignore[method-assign,assignment,misc]
    assert world.flush() == 1
    world.teller = calm
    assert world.flush() == 1
    follower = Follower(world, "service")
    follower.follow()
    assert follower.kept == world.shown("service")
    with world.database.connect() as connection:
        assert len(store.after(connection, 0, 100)) == 3


def test_whose_view_is_damaged_holds_nobody_else_up(world: FeedWorld) -> None:
    world.people = {one: dict(ALL) for one in ("ann", "bob", "cyd")}
    name = world.publish()
    world.teller.tell_generation()
    key = serving.view_key("service", "bob")
    with environment(world.generations.root / name, writable=True).env.begin(write=True) as transaction:
        stored = transaction.get(key)
        transaction.put(key, stored[:-8] + b"?" + stored[-7:])
    for one in ("ann", "bob", "cyd"):
        world.refuse(one, "analytics")
    with pytest.raises(Torn):
        world.watch.look(world.teller)
    with world.database.connect() as connection:
        last = store.last(connection, ["ann", "bob", "cyd"])
    assert {one: "analytics" in told.state for one, told in last.items()} == {"ann": False, "bob": True, "cyd": False}
    world.publish()
    world.watch.look(world.teller)
    with world.database.connect() as connection:
        assert "analytics" not in store.last(connection, ["bob"])["bob"].state
