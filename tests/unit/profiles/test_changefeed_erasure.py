"""An erasure in the change feed: who follows hears of it and says that it is done, and the database names nobody."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feed_world import PURPOSES, FeedWorld, Follower, token_of
from sqlalchemy import delete

from consent.erasure.ports import Subject
from infra.database import scrub
from infra.ids import ProfileId, Purpose
from profiles.changefeed import followers, store
from profiles.changefeed.erasure import ChangesTold
from profiles.changefeed.followers import acknowledge, note
from profiles.history.erasure import PastViews

ANN, BOB, OLD, ABE = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
ALL = dict.fromkeys(PURPOSES, 1)
SERVICE = Purpose("service")


class _Workspace:
    def __init__(self, root: Path) -> None:
        self.serving_path = root

    def token_key(self) -> bytes:
        return b"a key of tests"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FeedWorld]:
    made = FeedWorld(tmp_path)
    yield made
    made.close()


def erasable(world: FeedWorld) -> ChangesTold:
    workspace: Any = _Workspace(world.root / "another")  # a process has the overlay open once
    return ChangesTold(world.database, workspace, lambda _: world.teller)


def past_views(world: FeedWorld) -> PastViews:
    workspace: Any = _Workspace(world.root / "another")
    return PastViews(world.database, workspace)


def subject(*ids: str) -> Subject:
    return Subject(tokens=(token_of(ids[0]),), profile_ids=tuple(map(ProfileId, ids)))


def hears(world: FeedWorld, follower: Follower, name: str) -> datetime:
    """Have a follower hear what there is, as a key does that asks for a page."""
    told = follower.follow()
    at = world.clock()
    note(world.database, name, Purpose(follower.purpose), world.feed.place(follower.cursor), told, at)
    return at


def test_who_is_erased_is_told_acknowledged_certified_and_named_nowhere(world: FeedWorld) -> None:
    shop, crm, late = Follower(world, "service"), Follower(world, "service"), Follower(world, "email_marketing")
    world.people = {ANN: dict(ALL), BOB: dict(ALL), OLD: dict(ALL)}
    world.publish()
    world.teller.tell_all()
    for one, name in ((shop, "shop (1)"), (crm, "crm (2)"), (late, "late (3)")):
        hears(world, one, name)
    world.join(OLD, ANN)
    world.flush()
    store_ = erasable(world)
    assert store_.plan(subject(ANN, OLD)).rows == {"profile_change": 3}
    assert store_.plan(subject(ANN, OLD)).stays
    world.erase(ANN)
    world.watch.look(world.teller)
    at_shop, at_crm = hears(world, shop, "shop (1)"), hears(world, crm, "crm (2)")
    assert shop.kept == crm.kept == {BOB: shop.kept[BOB]}
    world.publish()
    store_.delete(subject(ANN, OLD))
    store_.delete(subject(ANN, OLD))
    past_views(world).delete(subject(ANN, OLD))
    scrub(world.database)
    raw = (world.root / "kindred.db").read_bytes()
    assert ANN.encode() not in raw
    assert OLD.encode() not in raw
    assert BOB.encode() in raw
    done = world.clock()
    assert acknowledge(world.database, "crm (2)", SERVICE, world.feed.place(crm.cursor), done) == 1
    assert acknowledge(world.database, "crm (2)", SERVICE, world.feed.place(crm.cursor), world.clock()) == 0
    notices = {one.recipient: one for one in store_.notify(subject(ANN, OLD))}
    assert notices.keys() == {"shop (1)", "crm (2)", "late (3)"}
    assert (notices["shop (1)"].notified_at, notices["shop (1)"].acknowledged_at) == (at_shop, None)
    assert (notices["crm (2)"].notified_at, notices["crm (2)"].acknowledged_at) == (at_crm, done)
    assert (notices["late (3)"].outcome, notices["late (3)"].acknowledged_at) == ("has not asked yet", None)
    # Whoever comes late is told by the same id, though nobody reads it in the database.
    told = [(one.profile_id, one.kind) for one in late.follow()]
    assert told == [(OLD, "consent"), (ANN, "erased")]
    assert late.kept == {BOB: late.kept[BOB]}
    assert store_.notify(subject(BOB)) == ()


def test_who_was_named_as_an_heir_is_named_no_more(world: FeedWorld) -> None:
    early = Follower(world, "service")
    world.people = {ANN: dict(ALL)}
    world.publish()
    world.teller.tell_all()
    early.follow()
    world.people = {ABE: dict(ALL), BOB: dict(ALL)}
    world.aliases = {ANN: (ABE, BOB)}
    world.publish()
    world.teller.tell_all()
    world.erase(ABE)
    world.aliases = {ANN: (BOB,)}
    world.publish()
    erasable(world).delete(subject(ABE))
    with world.database.connect() as connection:
        rows = store.after(connection, 0, 100)
    assert all(ABE not in (row.profile_id, *news.others) for row in rows for news in row.news.values())
    told = {one.profile_id: one for one in early.follow()}
    assert told[ANN].others == (BOB,)
    assert early.kept == world.shown("service")


def test_a_follower_who_never_knew_the_person_is_no_recipient(world: FeedWorld) -> None:
    world.people = {ANN: {"service": 1}}
    world.publish()
    world.teller.tell_all()
    analyst = Follower(world, "analytics")
    hears(world, analyst, "analyst (4)")
    world.erase(ANN)
    world.watch.look(world.teller)
    assert erasable(world).notify(subject(ANN)) == ()
    assert followers.reached(world.database, "analyst (4)", Purpose("analytics")) is not None


def test_who_follows_no_more_is_named_as_long_as_the_feed_reaches_back_to_them_and_not_longer(world: FeedWorld) -> None:
    gone, here, sender = Follower(world, "service"), Follower(world, "service"), Follower(world, "analytics")
    world.people = {one: dict(ALL) for one in (ANN, BOB, OLD, ABE)}
    world.publish()
    world.teller.tell_all()
    for one, name in ((gone, "gone (1)"), (here, "here (2)"), (sender, "webhook crm")):
        hears(world, one, name)
    store_ = erasable(world)

    def erased(one: str) -> dict[str, str]:
        world.erase(one)
        world.watch.look(world.teller)
        for follower, name in ((here, "here (2)"), (sender, "webhook crm")):
            hears(world, follower, name)
            acknowledge(world.database, name, Purpose(follower.purpose), world.feed.place(follower.cursor), world.now)
        world.publish()
        store_.delete(subject(one))
        return {notice.recipient: notice.outcome for notice in store_.notify(subject(one))}

    everybody = {"gone (1)": "has not asked yet", "here (2)": "deleted", "webhook crm": "deleted"}
    assert erased(ANN) == everybody
    store.shorten(world.database, world.clock())
    assert erased(BOB) == {"here (2)": "deleted", "webhook crm": "deleted"}
    assert followers.reached(world.database, "gone (1)", SERVICE) is None
    # In a feed to which nothing came everybody is where it ends, and stays.
    store.shorten(world.database, world.clock())
    assert followers.reached(world.database, "here (2)", SERVICE) is not None
    assert followers.reached(world.database, "webhook crm", Purpose("analytics")) is not None
    # An acknowledgement stays named although its follower is forgotten.
    mine = store.CHANGE_FOLLOWER.c.recipient == "here (2)"
    assert erased(OLD)["here (2)"] == "deleted"
    with world.database.begin() as connection:
        connection.execute(delete(store.CHANGE_FOLLOWER).where(mine))
    assert {one.recipient: one.outcome for one in store_.notify(subject(OLD))}["here (2)"] == "deleted"


def test_who_listens_and_hears_nothing_is_noted_once_an_hour(world: FeedWorld) -> None:
    world.people = {ANN: dict(ALL)}
    world.publish()
    world.teller.tell_all()
    follower = Follower(world, "service")

    def listens() -> int | None:
        follower.follow()
        place = world.feed.place(follower.cursor)
        followers.listened(world.database, "shop (1)", SERVICE, place, world.now)
        found = followers.reached(world.database, "shop (1)", SERVICE)
        return None if found is None else found[0]

    assert listens() is None, "who never heard anything is no follower"
    hears(world, follower, "shop (1)")
    begun = listens()
    seen = []
    for minutes in (10, 40, 30, 30, 30):
        world.now += timedelta(minutes=minutes)
        world.put(BOB, {"analytics": minutes + len(seen)})
        world.flush()
        seen.append(listens())
    assert seen[:2] == [begun, begun]
    assert seen[2] == seen[3] == (begun or 0) + 3
    assert seen[4] == (begun or 0) + 5
