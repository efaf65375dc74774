"""Past views: as of any moment a purpose gets what it saw then, if it may use all of that now, and else nothing."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from feed_world import KEEPER, PURPOSES
from past_world import EVERY, PastWorld, Record, begun, said
from sqlalchemy import func, select

from api.http.errors import ProfileHidden
from api.http.reading import Found, Split
from consent.residue.needles import Needles
from consent.residue.scan import scan
from infra.database import scrub
from infra.ids import ProfileId
from profiles.history import store
from profiles.history.copying import spelled_out
from profiles.history.errors import MomentAhead, MomentNotKept, PastWithheld
from profiles.history.keeping import Keeper
from profiles.history.rule import Kept, Looked, Shown, State, news, packed, unpacked

ANN, BOB, CAT, DAN = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
SERVICE, ANALYTICS = "service", "analytics"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PastWorld]:
    made = PastWorld(tmp_path)
    yield made
    made.close()


def shown(world: PastWorld, one: str, moment: datetime, purpose: str = SERVICE) -> dict[str, Any]:
    found = world.as_of(one, purpose, moment)
    assert isinstance(found, Found)
    body = orjson.loads(found.body)
    assert datetime.fromisoformat(body["as_of"]) == moment
    return said(found)


def count(world: PastWorld) -> tuple[int, int]:
    with world.database.connect() as connection:
        tables = (store.PROFILE_HISTORY, store.PROFILE_BODY)
        rows, bodies = (connection.execute(select(func.count()).select_from(one)).scalar_one() for one in tables)
        return rows, bodies


def test_each_moment_shows_what_was_seen_then(world: PastWorld) -> None:
    begun(world, ANN)
    first = world.now
    world.held[ANN]["a1"].says = 7
    world.changed(ANN)
    second = world.now
    world.held[ANN]["a1"].says = 8
    world.served()
    world.told()
    assert [shown(world, ANN, at)["number"] for at in (first, second, world.now)] == [10, 7, 8]
    assert shown(world, ANN, world.now, ANALYTICS)["number"] == 8


def test_what_does_not_change_is_kept_once(world: PastWorld) -> None:
    begun(world, ANN, BOB)
    assert count(world) == (2, 2)
    world.served()
    world.told()
    world.teller.tell_all()
    assert count(world) == (2, 2)
    world.refuse(ANN, SERVICE)
    world.watch.look(world.teller)
    world.forget()
    world.watch.look(world.teller)
    world.changed(ANN)
    assert count(world) == (4, 2), "the answer that came back is where it was"
    assert shown(world, ANN, world.now)["number"] == 10


def test_whoever_is_closed_now_is_unknown_as_of_any_moment(world: PastWorld) -> None:
    begun(world, ANN)
    before = world.now
    world.refuse(ANN, SERVICE)
    with pytest.raises(ProfileHidden):  # at once, before anybody has told
        world.as_of(ANN, SERVICE, before)
    assert shown(world, ANN, before, ANALYTICS)
    world.watch.look(world.teller)
    closed = world.now
    world.held[ANN]["a1"].says = 11
    world.forget()
    world.changed(ANN)
    assert shown(world, ANN, before)["number"] == 10
    with pytest.raises(ProfileHidden):  # nobody was seen then
        world.as_of(ANN, SERVICE, closed)


def test_what_rests_on_a_record_that_may_not_be_used_now_is_withheld_whole(world: PastWorld) -> None:
    begun(world, ANN)
    alone = world.now
    world.held[ANN]["a2"] = Record(5, EVERY)
    world.changed(ANN)
    both = world.now
    world.held[ANN]["a2"].purposes = frozenset({ANALYTICS})
    world.served()
    world.told()
    assert shown(world, ANN, alone)["number"] == 10
    with pytest.raises(PastWithheld):
        world.as_of(ANN, SERVICE, both)
    assert shown(world, ANN, both, ANALYTICS)["number"] == 15
    world.held[ANN]["a2"].purposes = EVERY
    world.served()
    world.told()
    assert shown(world, ANN, both)["number"] == 15
    assert world.maintained() == 0
    world.held[ANN]["a2"].purposes = frozenset({ANALYTICS})
    world.served()
    world.told()
    assert world.maintained() > 0
    world.held[ANN]["a2"].purposes = EVERY
    world.served()
    world.told()
    with pytest.raises(PastWithheld):  # what a maintenance let go of does not come back
        world.as_of(ANN, SERVICE, both)
    assert shown(world, ANN, both, ANALYTICS)["number"] == 15


def test_a_record_that_changes_nothing_is_withheld_no_less(world: PastWorld) -> None:
    """Else the answer would tell whether the record that is refused now had said anything."""
    for silent in (0, 4):
        begun(world, ANN)
        world.held[ANN]["a2"] = Record(silent, EVERY)
        world.changed(ANN)
        both = world.now
        del world.held[ANN]["a2"]
        world.served()
        world.told()
        with pytest.raises(PastWithheld):
            world.as_of(ANN, SERVICE, both)


def test_an_id_that_was_given_up_tells_what_was_seen_under_it(world: PastWorld) -> None:
    begun(world, ANN, BOB)
    apart = world.now
    world.merged(BOB, ANN)
    joined = world.now
    told = world.as_of(BOB, SERVICE, apart)
    assert isinstance(told, Found)
    assert (told.profile_id, told.moved, said(told)["number"]) == (BOB, False, 1000)
    told = world.as_of(BOB, SERVICE, joined)
    assert isinstance(told, Found)
    assert (told.profile_id, told.moved, said(told)["number"]) == (ANN, True, 1010)
    world.held[CAT] = {"a1": world.held[ANN].pop("a1")}
    world.held[DAN] = {"b1": world.held[ANN].pop("b1")}
    del world.held[ANN]
    world.aliases = {ANN: (CAT, DAN), BOB: (DAN,)}
    world.served()
    world.told()
    assert isinstance(world.as_of(ANN, SERVICE, joined), Split)
    assert shown(world, BOB, apart)["number"] == 1000
    with pytest.raises(PastWithheld):  # made from two people's records
        world.as_of(BOB, SERVICE, joined)
    with pytest.raises(ProfileHidden):
        world.as_of(CAT, SERVICE, joined)


def test_an_id_leads_on_where_who_it_led_to_was_given_up_in_turn(world: PastWorld) -> None:
    begun(world, ANN, BOB, CAT)
    apart = world.now
    world.merged(BOB, ANN)
    joined = world.now
    world.later(seconds=1)
    world.merged(ANN, CAT)
    for moment, (profile_id, number) in ((apart, (BOB, 1000)), (joined, (ANN, 1010)), (world.now, (CAT, 101_010))):
        told = world.as_of(BOB, SERVICE, moment)
        assert isinstance(told, Found)
        assert (told.profile_id, said(told)["number"]) == (profile_id, number), moment
    world.maintained()
    assert shown(world, BOB, apart)["number"] == 1000


def test_an_id_whose_parts_are_one_again_leads_to_that_one(world: PastWorld) -> None:
    begun(world, ANN)
    world.held[BOB], world.held[CAT] = {"b1": world.held.pop(ANN)["a1"]}, {"c1": Record(100, EVERY)}
    world.aliases = {ANN: (BOB, CAT)}
    world.served()
    world.told()
    assert isinstance(world.as_of(ANN, SERVICE, world.now), Split)
    world.later(seconds=1)
    world.merged(BOB, CAT)
    for told in (world.as_of(ANN, SERVICE, world.now), world.now_read(ANN, SERVICE)):
        assert isinstance(told, Found)
        assert told.profile_id == CAT


def test_a_publication_is_seen_whole_or_not_at_all(world: PastWorld) -> None:
    begun(world, ANN, BOB)
    before = world.now
    for one in (ANN, BOB):
        next(iter(world.held[one].values())).says += 1
    world.served()
    since = world.teller.served_since(world.generations.name() or "")
    world.teller.tell([ANN], since)  # and the publisher is killed
    world.later(seconds=30)
    moment = since + timedelta(seconds=5)
    assert [shown(world, one, moment)["number"] for one in (ANN, BOB)] == [11, 1001]
    assert [shown(world, one, before)["number"] for one in (ANN, BOB)] == [10, 1000]
    rows = count(world)
    world.told()
    assert count(world) == rows
    assert [shown(world, one, moment)["number"] for one in (ANN, BOB)] == [11, 1001]


def test_a_moment_that_cannot_be_told_of_is_said_to_be_so(world: PastWorld) -> None:
    world.held[ANN] = {"a1": Record(1, EVERY)}
    world.served()
    with pytest.raises(MomentNotKept, match="nothing is kept"):
        world.as_of(ANN, SERVICE, world.now)
    world.told()
    with world.database.connect() as connection:
        begins = store.begins(connection)
    assert begins is not None
    with pytest.raises(MomentNotKept, match=begins.strftime("kept from %Y-%m-%dT%H:%M:%SZ on")):
        world.as_of(ANN, SERVICE, begins - timedelta(seconds=1))
    with pytest.raises(MomentAhead):
        world.as_of(ANN, SERVICE, world.now + timedelta(seconds=1))
    assert shown(world, ANN, begins)
    world.later(days=91)
    with pytest.raises(MomentNotKept):
        world.as_of(ANN, SERVICE, begins)
    assert shown(world, ANN, world.now - timedelta(days=90))


def test_what_is_older_than_the_period_goes_and_what_held_at_its_begin_stays(world: PastWorld) -> None:
    begun(world, ANN, BOB)
    world.held[ANN]["a1"].says = 3
    world.changed(ANN)
    world.later(days=100)
    held = world.now - timedelta(days=90) + timedelta(minutes=1)
    world.held[ANN]["a1"].says = 4
    world.changed(ANN)
    assert count(world) == (4, 4)
    assert KEEPER.shorten(world.database, world.now) == 1
    assert KEEPER.shorten(world.database, world.now) == 0, "once a day"
    assert count(world) == (3, 3)
    assert shown(world, ANN, held)["number"] == 3
    assert shown(world, BOB, held)["number"] == 1000
    nothing = Keeper(timedelta(0))
    assert nothing.shorten(world.database, world.now) == 3
    assert count(world) == (0, 0)
    with pytest.raises(MomentNotKept):
        world.as_of(ANN, SERVICE, world.now)
    assert world.teller.behind(), "whoever keeps again keeps everybody first"
    world.told()
    assert shown(world, ANN, world.now)["number"] == 4


def test_whoever_is_erased_leaves_nothing_behind(world: PastWorld) -> None:
    begun(world, ANN, BOB, CAT)
    world.held[ANN]["b1"] = world.held[BOB].pop("b1")  # a record of Bob's was taken for one of Ann's
    world.held[BOB]["b2"] = Record(77, EVERY)
    world.served()
    world.told()
    mixed = world.now
    world.held[BOB]["b1"] = world.held[ANN].pop("b1")
    world.served()
    world.told()
    world.merged(BOB, CAT)
    world.held[BOB] = {key: world.held[CAT].pop(key) for key in ("b1", "b2")}
    world.aliases.pop(BOB)
    world.served()
    world.told()
    assert world.erasable.plan(_subject(BOB, "b1", "b2")).rows["profile_history"] >= 3
    world.erased(BOB)
    scrub(world.database)
    raw = (world.root / "kindred.db").read_bytes()
    with world.database.connect() as connection:
        rows = store.everybody(connection, 0, 100)
        bodies = [body for _, some in store.every_body(connection, 0, 100) for body in some.values()]
    for needle in (b'"b1"', b'"b2"'):
        assert needle not in raw
    for row in rows:
        rest = {key for kept in row.state.views.values() if kept is not None for key in kept.records}
        assert BOB not in (row.profile_id, *row.state.heirs)
        assert rest.isdisjoint({"b1", "b2"})
    assert all(BOB.encode() not in body for body in bodies)
    assert {orjson.loads(body)["number"] for body in bodies}.isdisjoint({1010, 1077, 77, 100_077})
    with pytest.raises(PastWithheld):
        world.as_of(ANN, SERVICE, mixed)
    assert shown(world, ANN, world.now)["number"] == 10


def test_a_search_sees_what_is_packed_in_the_database(world: PastWorld) -> None:
    world.held[ANN] = {"a1": Record(987_654_321_012, EVERY)}
    world.held[BOB] = {"b1": Record(123_456_789_098, EVERY)}
    world.served()
    world.told()
    workspace: Any = type("W", (), {"state_path": world.root / "state"})
    (place,) = world.erasable.places().scanned

    def found(value: int) -> bool:
        with spelled_out(workspace, world.database):
            report = scan([place], Needles.of([str(value)]))
        assert not place.root.exists()
        return bool(report.hits)

    assert found(987_654_321_012)
    world.erased(ANN)
    assert not found(987_654_321_012)
    assert found(123_456_789_098)


def _subject(one: str, *keys: str) -> Any:
    from consent.erasure.ports import Subject
    from infra.ids import ProfileId, RecordKey

    return Subject(tokens=(), record_keys=tuple(map(RecordKey, keys)), profile_ids=(ProfileId(one),))


def test_every_read_of_the_past_counts_and_is_in_the_audit(world: PastWorld) -> None:
    begun(world, ANN)
    api = world.api
    from api.http.routes.profiles import seen_at
    from infra.ids import ProfileId, Purpose

    seen_at(api, world.caller, ProfileId(ANN), Purpose(SERVICE), world.now)
    with pytest.raises(ProfileHidden):
        seen_at(api, world.caller, ProfileId(BOB), Purpose(SERVICE), world.now)
    with pytest.raises(ProfileHidden):
        seen_at(api, world.caller, ProfileId("no id"), Purpose(SERVICE), world.now)
    assert api.people.today("k") == 1
    api.audit.flush()
    from api.http.store import READ_AUDIT

    with world.database.connect() as connection:
        rows = connection.execute(select(READ_AUDIT.c.decision, READ_AUDIT.c.profile_ids)).all()
    told = {decision: set(ids.split()) for decision, ids in rows}
    assert told == {"allowed": {ANN}, "hidden": {BOB, "-"}}


def test_states_are_read_as_they_were_written() -> None:
    told = State({"service": Kept("v1", frozenset({"x", "y"}), 3), "analytics": None}, ("h",))
    assert unpacked(packed(told)) == told
    assert unpacked(packed(State())) == State()
    assert not news(None, Looked())
    one = Looked({"service": Shown("v1", b"{}", frozenset({"x", "y"}))})
    assert news(None, one)
    assert news(told, one)
    assert not news(State({"service": Kept("v1", frozenset({"y", "x"}), 9)}), one)
    assert news(State({"service": Kept("v1", frozenset({"x"}), 9)}), one), "on what it rests counts"


Told = dict[tuple[str, str], tuple[str, dict[str, Any], frozenset[str]] | None]


def recorded(world: PastWorld, ids: set[str]) -> Told:
    """Return what a normal read returns of everybody now: under which id, what, and resting on what."""
    found: Told = {}
    for one in ids:
        for purpose in PURPOSES:
            read = world.now_read(one, purpose)
            rests = world.usable(read.profile_id, purpose) if isinstance(read, Found) else None
            found[one, purpose] = (read.profile_id, said(read), rests) if isinstance(read, Found) and rests else None
    return found


def happen(world: PastWorld, dice: random.Random, ids: set[str]) -> None:  # noqa: C901, PLR0912 - one kind of change a branch
    """Have something become of somebody; each of it may be live, or published."""
    kind, people = dice.randrange(12), sorted(world.held)
    some = frozenset(p for p in PURPOSES if dice.random() < 0.7)
    one = dice.choice(people) if people else ""
    if kind in (0, 1) or len(people) < 2:
        fresh = f"{len(ids):032x}"
        ids.add(fresh)
        world.held[fresh] = {f"r{len(ids)}": Record(dice.randrange(1, 99), some or EVERY)}
    elif kind in (2, 3):
        dice.choice(sorted(world.held[one].items()))[1].says = dice.randrange(99)
        if dice.random() < 0.6:
            world.changed(one)
    elif kind == 4:
        dice.choice(sorted(world.held[one].items()))[1].purposes = some
    elif kind == 5:
        world.held[one][f"s{dice.randrange(10**9)}"] = Record(dice.randrange(3), some)
        if dice.random() < 0.6:
            world.changed(one)
    elif kind == 6:
        other = dice.choice([p for p in people if p != one])
        if one in world.people and other in world.people:
            world.merged(one, other)
    elif kind == 7 and len(world.held[one]) > 1:
        parts = [f"{len(ids):032x}", f"{len(ids) + 1:032x}"]
        ids.update(parts)
        records = world.held.pop(one)
        for number, (key, record) in enumerate(sorted(records.items())):
            world.held.setdefault(parts[number % 2], {})[key] = record
        world.aliases = {given: heirs for given, heirs in world.aliases.items() if one not in heirs}
        world.aliases[one] = tuple(parts)
    elif kind == 8:
        purpose = dice.choice(PURPOSES)
        world.refuse(one, purpose)
        world.refused.add((one, purpose))
    elif kind == 9 and world.refused:
        world.refused.discard(dice.choice(sorted(world.refused)))
    elif kind == 10 and len(world.held[one]) > 1:
        del world.held[one][dice.choice(sorted(world.held[one]))]
    elif kind == 11 and dice.random() < 0.4:
        world.erased(one)


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(6, 120))])
def test_any_history_is_read_back_as_it_was_or_not_at_all(world: PastWorld, seed: int) -> None:
    dice, ids = random.Random(seed), set[str]()  # noqa: S311 - a sample
    begun(world, ANN, BOB)
    ids |= {ANN, BOB}
    past: list[tuple[datetime, Told]] = []
    lost: set[tuple[datetime, str, str]] = set()
    outcomes = {"shown": 0, "withheld": 0, "hidden": 0}
    for _ in range(40):
        happen(world, dice, ids)
        if dice.random() < 0.5:
            world.served()
            if dice.random() < 0.3:  # its publisher was killed, and somebody asks meanwhile
                world.later(seconds=2)
                for one in dice.sample(sorted(ids), 2):
                    _try(world, one, dice.choice(PURPOSES), world.now)
        world.told()
        past.append((world.now, recorded(world, ids)))
        world.later(hours=dice.randrange(1, 24 * 4))
        if dice.random() < 0.1:
            now = {(one, p): world.usable(_led(world, one), p) or frozenset() for one in ids for p in PURPOSES}
            lost |= {
                (at, *key) for at, told in past for key, was in told.items()
                if was is not None and not was[2] <= now[was[0], key[1]]
            }  # fmt: skip
            world.maintained()
        if dice.random() < 0.2:
            KEEPER.shorten(world.database, world.now)
        for at, told in dice.sample(past, min(len(past), 4)):
            if at < world.now - KEEPER.keep:
                continue
            for (one, purpose), was in told.items():
                outcome = _try(world, one, purpose, at)
                expected = _expected(world, one, purpose, was, gone=(at, one, purpose) in lost)
                assert outcome == expected, (seed, at, one, purpose)
                outcomes[outcome if isinstance(outcome, str) else "shown"] += 1
    assert outcomes["shown"] > 50
    assert outcomes["hidden"]


def _led(world: PastWorld, one: str) -> str:
    """Return who answers for an id alone, as is served: what has become of it may wait for a publication."""
    heirs = world.reader.successors(ProfileId(one))
    return heirs[0] if len(heirs) == 1 else one


def _try(world: PastWorld, one: str, purpose: str, at: datetime) -> Any:
    try:
        found = world.as_of(one, purpose, at)
    except ProfileHidden:
        return "hidden"
    except PastWithheld:
        return "withheld"
    return "hidden" if isinstance(found, Split) else (found.profile_id, said(found))


def _expected(world: PastWorld, one: str, purpose: str, was: Any, *, gone: bool) -> Any:
    """Return what the rule says, from what a read returned then and what one returns now."""
    now = world.now_read(one, purpose)
    if not isinstance(now, Found) or was is None:
        return "hidden"
    profile_id, body, rests = was
    usable = world.usable(now.profile_id, purpose) or frozenset()
    return "withheld" if gone or not rests <= usable else (profile_id, body)
