"""The change feed: whoever follows it, from any place, comes to know exactly those whom they may see."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import databases
import pytest
from feed_world import PURPOSES, FeedWorld, Follower, token_of
from sqlalchemy import QueuePool, create_engine

import consent.store
from infra.database import open_database, writing
from infra.ids import ProfileId, Purpose
from profiles.changefeed import store
from profiles.changefeed.errors import PlaceGone, PlaceUnknown
from profiles.changefeed.history import history
from profiles.changefeed.places import Place
from profiles.changefeed.published import holders
from profiles.changefeed.rule import Last, Now, change
from profiles.history import store as past
from profiles.serving import ProfileReader


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FeedWorld]:
    made = FeedWorld(tmp_path)
    yield made
    made.close()


ALL = dict.fromkeys(PURPOSES, 1)


def kinds(follower: Follower) -> list[tuple[str, str]]:
    return [(one.profile_id, one.kind) for one in follower.follow()]


def test_each_purpose_hears_what_became_of_people(world: FeedWorld) -> None:
    service, email = Follower(world, "service"), Follower(world, "email_marketing")
    world.people = {"ann": dict(ALL), "bob": {"service": 1}, "cat": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    assert kinds(service) == [("ann", "created"), ("bob", "created"), ("cat", "created")]
    assert kinds(email) == [("ann", "created"), ("cat", "created")]
    world.put("ann", {**ALL, "service": 2})
    world.flush()
    assert kinds(service) == [("ann", "updated")]
    assert kinds(email) == []
    world.refuse("cat", "email_marketing")
    world.watch.look(world.teller)
    assert kinds(service) == []
    assert kinds(email) == [("cat", "consent")]
    world.join("bob", "ann")
    world.flush()
    (merged,) = service.follow()
    assert (merged.kind, merged.version, merged.others) == ("merged", None, ("ann",))
    assert kinds(email) == []
    world.erase("ann")
    world.watch.look(world.teller)
    assert kinds(service) == kinds(email) == [("ann", "erased")]
    world.put("cat", dict(ALL))
    world.forget()
    world.watch.look(world.teller)
    assert sorted(kinds(email)) == [("ann", "created"), ("cat", "consent")], "nothing hides ann any more"


def test_who_was_merged_into_somebody_hidden_is_hidden_in_the_same_word() -> None:
    now = Now(heirs={"bob": {"service": "2"}}, lives=False)
    told = change("ann", Last("created", {"service": "1", "analytics": "1"}), now)
    assert told is not None
    assert (told.news["service"].kind, told.news["service"].others) == ("merged", ("bob",))
    assert (told.news["analytics"].kind, told.news["analytics"].others) == ("consent", ())


def test_what_was_told_is_not_told_again(world: FeedWorld) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    assert world.teller.tell_all() == 1
    assert world.teller.tell_all() == world.teller.tell(["ann", "ann", "nobody"]) == 0
    world.publish()
    assert world.teller.behind()
    assert world.teller.tell_generation() == 0
    assert not world.teller.behind()


def test_a_split_names_its_parts(world: FeedWorld) -> None:
    service = Follower(world, "service")
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    service.follow()
    world.people = {"abe": dict(ALL), "zoe": {"service": 1}}
    world.aliases = {"ann": ("abe", "zoe")}
    world.publish()
    world.teller.tell_all()
    told = {one.profile_id: one for one in service.follow()}
    assert (told["ann"].kind, told["ann"].others) == ("split", ("abe", "zoe"))
    assert told["abe"].kind == told["zoe"].kind == "created"


def test_a_cursor_is_read_as_it_was_given_or_not_at_all(world: FeedWorld) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    page = world.feed.page(Purpose("service"), world.feed.begin(), 1)
    cursor = page.following.cursor()
    assert world.feed.place(cursor) == page.following
    for wrong in ("", "x", cursor[:-4], cursor[:8] + "AAAA" + cursor[12:], Place(b"another!", 0).cursor(), "ä" * 8):
        with pytest.raises(PlaceUnknown):
            world.feed.place(wrong)
    with pytest.raises(PlaceGone):  # of a feed that was set back since
        world.feed.place(Place(page.following.feed, 7).cursor())


def test_a_page_holds_no_connection_while_it_tells_who_is_hidden_and_tells_of_so_many_at_most(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kindred.db"
    open_database(url, consent.store.METADATA, store.METADATA, past.METADATA).dispose()
    # A second connection, while one is held, would never come.
    alone = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=5)
    world = FeedWorld(tmp_path, database=alone)
    world.people = {f"p{number:04d}": {"service": 1} for number in range(1_200)}
    world.publish()
    world.teller.tell_all()
    for one in list(world.people):
        world.overlay.restrict([token_of(one)], [Purpose("service")], at=world.now, sequence=1)
    place, told = world.feed.begin(), []
    while len(told) < 4:
        before = world.feed.newest()
        page = world.feed.page(Purpose("service"), place, 200)
        place, behind = page.following, world.feed.newest() - before
        told.append(behind)
        assert not [one for one in page.changes if one.kind == "created"]
        if not page.more:
            break
    assert sum(told) == 1_200
    assert max(told) <= 700
    alone.dispose()


def test_what_is_too_old_is_gone_and_who_begins_anew_finds_everybody(world: FeedWorld) -> None:
    early = Follower(world, "service")
    world.people = {"ann": dict(ALL), "bob": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    early.follow(limit=1, pages=1)
    world.put("ann", {"service": 2})
    world.flush()
    world.erase("bob")
    world.watch.look(world.teller)
    late = Follower(world, "service")
    late.follow()
    gone = store.shorten(world.database, world.clock() + timedelta(days=1))
    assert gone == 3, "what was told of bob, and what was overtaken of ann"
    assert store.shorten(world.database, world.clock()) == 0
    with pytest.raises(PlaceGone):
        early.follow()
    assert late.follow() == []
    anew = Follower(world, "service")
    anew.follow()
    assert anew.kept == late.kept == world.shown("service")
    world.put("ann", {"service": 3})
    world.flush()
    assert kinds(late) == kinds(anew) == [("ann", "updated")]


def test_what_could_be_seen_when_is_read_from_the_same_rows(world: FeedWorld) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    world.put("ann", {**ALL, "service": 2})
    world.flush()
    world.refuse("ann", "service")
    world.watch.look(world.teller)
    world.people["ann"] = dict(ALL)
    world.publish()
    world.forget()
    world.teller.tell_all()
    told = history(world.database, ProfileId("ann"), Purpose("service"))
    assert [one.kind for one in told] == ["consent", "consent", "updated", "created"]
    assert [one.version is None for one in told] == [False, True, False, False]
    assert told[0].version == told[3].version == world.shown("service")["ann"]
    assert told[0].valid_to is None
    assert [one.valid_to for one in told[1:]] == [one.valid_from for one in told[:-1]]
    assert len(history(world.database, ProfileId("ann"), Purpose("analytics"))) == 1
    assert history(world.database, ProfileId("bob"), Purpose("service")) == ()


def step(world: FeedWorld, dice: random.Random, number: int) -> None:  # noqa: C901 - one kind of change a branch
    """Have something become of the people: a publication, a live change, a refusal, an erasure; told or not yet."""
    kind, ids = dice.randrange(9), sorted(world.people)
    views = {purpose: dice.randrange(3) for purpose in PURPOSES if dice.random() < 0.7}
    if kind == 0 or world.generations.name() is None:
        for _ in range(dice.randrange(4)):
            world.people[f"p{dice.randrange(12)}"] = dict(views)
        world.aliases = {given: heirs for given, heirs in world.aliases.items() if given not in world.people}
        if len(ids) > 3 and dice.random() < 0.5:
            parted = dice.choice(ids)
            del world.people[parted]
            world.aliases[parted] = tuple(dice.sample(sorted(world.people), dice.choice([1, 2])))
        name = world.publish()
        if dice.random() < 0.8:  # else its publisher was killed
            world.teller.tell_all()
            reader = ProfileReader(world.generations.current, world.denied)
            world.teller.tell(holders(reader, world.forget()))
            world.teller.settle(name)
    elif kind in (1, 2):
        world.put(f"p{dice.randrange(12)}" if dice.random() < 0.5 or not ids else dice.choice(ids), views)
    elif kind == 3 and len(ids) > 2:
        one, other = dice.sample(ids, 2)
        world.join(one, other)
    elif kind == 4 and ids:
        world.refuse(dice.choice(ids), dice.choice(PURPOSES))
    elif kind == 5 and ids and dice.random() < 0.4:
        world.erase(dice.choice(ids))
    elif kind == 6:
        world.flush()
    elif kind == 7:
        world.watch.look(world.teller)
    elif kind == 8 and number % 5 == 0:
        store.shorten(world.database, world.now - timedelta(seconds=dice.randrange(400)))


def settled(world: FeedWorld) -> None:
    """Tell all that is to be told, as the processes do that are started again."""
    world.watch.look(world.teller)
    world.flush()
    world.teller.tell_generation()


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(8, 200))])
def test_any_follower_comes_to_know_whom_they_may_see(world: FeedWorld, seed: int) -> None:
    all_come_to_know(world, seed)


def test_so_they_do_on_postgresql(tmp_path: Path) -> None:
    with databases.postgres() as url:
        world = FeedWorld(tmp_path, database=open_database(url, consent.store.METADATA, store.METADATA, past.METADATA))
        all_come_to_know(world, 4)
        world.close()


def all_come_to_know(world: FeedWorld, seed: int) -> None:
    """Have a random history happen while followers listen, and hold what they know against what is served."""
    dice = random.Random(seed)  # noqa: S311 - a sample
    followers = [Follower(world, purpose) for purpose in PURPOSES]
    for number in range(120):
        step(world, dice, number)
        if dice.random() < 0.2:
            followers.append(Follower(world, dice.choice(PURPOSES)))
        for one in dice.sample(followers, min(len(followers), 3)):
            try:
                one.follow(limit=dice.choice([1, 2, 50]), pages=dice.choice([1, 3]))
            except PlaceGone:
                one.cursor, one.kept = None, {}
    settled(world)
    for one in [*followers, *(Follower(world, purpose) for purpose in PURPOSES)]:
        try:
            one.follow(limit=3)
        except PlaceGone:
            one.cursor, one.kept = None, {}
            one.follow(limit=3)
        assert one.kept == world.shown(one.purpose), seed
    with world.database.connect() as connection:
        rows = store.after(connection, 0, 10_000)
    for row in rows:
        assert row.news, "a change that concerns nobody is none"


def test_writers_who_wait_leave_the_teller_the_connection_that_it_asks_the_ledger_with(world: FeedWorld) -> None:
    world.people = {"ann": {"service": 1}}
    world.publish()
    looking = threading.Event()

    class Asking:
        def shown(self, one: str, _purpose: str) -> None:
            looking.set()
            time.sleep(0.3)  # the others come to wait
            consent.store.sids(world.database, [token_of(one)])

        def successors(self, _one: str) -> tuple[str, ...]:
            return ()

    def write() -> None:
        looking.wait(60)
        with writing(world.database):
            pass

    writers = [threading.Thread(target=write) for _ in range(20)]
    for one in writers:
        one.start()
    begun = time.monotonic()
    replace(world.teller, seen=Asking, purposes=lambda: PURPOSES[:1]).tell(["ann"])  # type: ignore[arg-type]
    for one in writers:
        one.join()
    assert time.monotonic() - begun < 25, "a connection is waited for 30 seconds"
