"""What the change feed costs: `.venv/bin/python tests/bench/changes_bench.py [PEOPLE]`."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from feed_world import PURPOSES, FeedWorld, Follower

SHARE = 100


def timed(what: str, act: Callable[[], object]) -> None:
    """Print what an act took."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = act()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{what:48} {cpu:7.2f} CPU s {wall:7.2f} s   {done}")


def main(people: int) -> None:
    """Tell many people, few of them again, nobody, and read the feed."""
    with tempfile.TemporaryDirectory() as folder:
        world = FeedWorld(Path(folder))
        world.people = {f"{n:032x}": dict.fromkeys(PURPOSES, 1) for n in range(people)}
        world.publish()
        timed(f"everybody, for the first time ({people:,})", world.teller.tell_all)
        timed("everybody, nobody changed", world.teller.tell_all)
        changed = [f"{n:032x}" for n in range(0, people, SHARE)]
        for one in changed:
            world.people[one] = dict.fromkeys(PURPOSES, 2)
        world.publish()
        timed("those who may have changed (1 %)", lambda: world.teller.tell(changed))
        follower = Follower(world, "service")
        timed("a page of 200", lambda: len(follower.world.feed.page(PURPOSES[0], world.feed.begin(), 200).changes))
        place = world.feed.begin()

        def walk() -> int:
            count, at = 0, place
            while True:
                page = world.feed.page(PURPOSES[0], at, 1_000)
                count, at = count + len(page.changes), page.following
                if not page.more:
                    return count

        timed("everybody, in pages of 1,000", walk)
        timed("looking for what nobody told", lambda: sum(world.watch.look(world.teller) for _ in range(100)))
        size = sum(one.stat().st_size for one in Path(folder).glob("kindred.db*"))
        print(f"{size / people:.0f} bytes a person in the database")
        world.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
