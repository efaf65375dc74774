"""What past views cost: `.venv/bin/python tests/bench/history_bench.py [PEOPLE]`; views as large as real ones."""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import orjson
from feed_world import FeedWorld, token_of

from infra.database import empty_log
from infra.ids import ProfileId, Purpose
from profiles import render, serving
from profiles.changefeed.teller import Teller
from profiles.history.keeping import Keeper
from profiles.history.reading import Past
from profiles.stored import packed

PURPOSES = tuple(
    map(Purpose, ("service", "analytics", "email_marketing", "personalization", "advertising", "profiling", "identity"))
)
AT = datetime(2026, 11, 22, tzinfo=UTC)
NAMES = ("given_name", "family_name", "email", "phone", "street", "city", "postcode", "birth_date")
SHARE = 100


def person(one: str, edition: int) -> dict[bytes, bytes]:
    """Return what is served of somebody of three records and seven purposes, of which two may use fewer of them."""
    drawn = random.Random(f"{one}/{edition}")  # noqa: S311 - a sample
    keys = [f"{drawn.getrandbits(128):032x}" for _ in range(3)]
    attributes = [
        {"name": n, "value": f"{n} {drawn.randrange(10**6)}", "source": "crm", "record_key": keys[0],
         "observed_at": AT - timedelta(days=drawn.randrange(900)), "rule": "most_recent", "confidence": 0.9}
        for n in NAMES
    ]  # fmt: skip
    found: dict[bytes, bytes] = {}
    for number, purpose in enumerate(PURPOSES):
        row: dict[str, Any] = {
            "profile_id": one, "purpose": purpose, "as_of": AT, "confidence": 0.97, "reason": "contract",
            "policy_line": "policy.yaml:12", "withheld": [], "attributes": attributes[: 8 - number // 3],
            "traits": [(f"trait_{n}", str((edition + 1) * n * (17 + number // 4))) for n in range(20)],
            "identifiers": [{"type": "email", "value": f"{one[:9]}@example.org"}],
        }  # fmt: skip
        tag, body = render.view(row, {}, [])
        found[serving.view_key(purpose, one)] = packed(tag, body, token_of(one).encode())
    records = {key: {"tokens": [token_of(one)], "purposes": list(PURPOSES[: 7 - 2 * n])} for n, key in enumerate(keys)}
    header = {
        "profile_id": one, "anchor": keys[0], "known": True, "size": 3, "confidence": 1.0,
        "tokens": {token_of(one): "own"}, "records": records,
    }  # fmt: skip
    found[serving.header_key(one)] = orjson.dumps(header)
    found[serving.holders_key(one)] = token_of(one).encode()
    return found


class Town(FeedWorld):
    """People whose views are as large as real ones; a view's number is its edition."""

    def lies(self, one: str, views: Any) -> dict[bytes, bytes]:
        """Return what lies in the store of a person."""
        return person(one, views["edition"])


def timed(what: str, act: Callable[[], object]) -> float:
    """Print what an act took, and return its CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = act()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{what:48} {cpu:7.2f} CPU s {wall:7.2f} s   {done}", flush=True)
    return cpu


def size(world: FeedWorld) -> int:
    """Return how large the database is, with all that its log holds."""
    assert empty_log(world.database, 10_000)
    return (world.root / "kindred.db").stat().st_size


def asked(past: Past, ids: Sequence[str], moment: datetime) -> int:
    """Ask for people as of a moment, and return how many were seen."""
    return sum(past.then((ProfileId(one),), PURPOSES[0], moment) is not None for one in ids)


def main(people: int) -> None:
    """Keep many people, nobody, and few of them again; with and without past views; and read of the past."""
    for keep in (0, 90):
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            world = Town(folder)
            keeper = Keeper(timedelta(days=keep))
            world.teller = Teller(world.database, world.generations, lambda: PURPOSES, world.seen, world.clock, keeper)
            print(f"-- kept for {keep} days, {people:,} people, {len(PURPOSES)} purposes")
            ids = [f"{n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}" for n in range(people)]
            world.people = {one: {"edition": 0} for one in ids}
            world.publish()
            timed("everybody, for the first time", world.teller.tell_generation)
            first = size(world)
            timed("everybody, nobody changed", world.teller.tell_all)
            changed = ids[::SHARE]
            for one in changed:
                world.people[one] = {"edition": 1}
            world.publish()
            timed("those whom a publication changed (1 %)", partial(world.teller.tell, changed))
            print(f"{first / people:.0f} bytes a person, {(size(world) - first) / len(changed):.0f} a person changed")
            if keep:
                read = partial(asked, Past(world.database, keeper, world.clock), ids[:1_000], world.clock())
                timed("1,000 reads of the past", read)
                old = world.now + timedelta(days=100)
                timed("shortened by all that is overtaken", partial(keeper.shorten, world.database, old))
            world.close()
    print(f"load average {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
