"""Past views under attack: searches side by side, rows in any order, people who come while others are let go of."""

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feed_world import PURPOSES, token_of
from past_world import EVERY, PastWorld, Record, begun, said
from pydantic import ValidationError
from sqlalchemy import Engine, event

from api.http.errors import ProfileHidden
from api.http.reading import Found
from consent.erasure.ports import Subject
from consent.residue.needles import Needles
from consent.residue.scan import scan
from infra.changes_settings import ChangesSettings, HistorySettings
from infra.database import connect
from infra.ids import ProfileId, Purpose, RecordKey
from profiles.changefeed import store as feed
from profiles.history import pruning, store
from profiles.history.copying import forget_copies, spelled_out
from profiles.history.erasure import PastViews
from profiles.history.errors import MomentNotKept, PastWithheld
from profiles.history.keeping import Keeper
from profiles.history.pruning import as_built, prune

ANN, BOB, CAT = ("a" * 32, "b" * 32, "c" * 32)
SERVICE = "service"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PastWorld]:
    made = PastWorld(tmp_path)
    yield made
    made.close()


def workspace(world: PastWorld) -> Any:
    return type("W", (), {"state_path": world.root / "state"})


def beside(world: PastWorld, happens: Callable[..., None]) -> Engine:
    """Return another process's engine, between whose transactions something happens."""
    engine = connect(f"sqlite:///{world.root}/kindred.db")
    event.listen(engine, "checkin", happens)
    return engine


def test_a_search_beside_another_reads_what_is_packed_no_less(world: PastWorld) -> None:
    """One that ended took the other's file away, and a file that has gone is passed over: it said clean of all."""
    world.held[ANN] = {"a1": Record(987_654_321_012, EVERY)}
    world.served()
    world.told()
    (place,) = world.erasable.places().scanned
    first, over, found = threading.Event(), threading.Event(), list[bool]()

    def other() -> None:
        with spelled_out(workspace(world), world.database):
            first.set()
            over.wait(60)

    def mine() -> None:
        with spelled_out(workspace(world), world.database):
            over.set()
            threads[0].join(60)
            found.append(bool(scan([place], Needles.of(["987654321012"])).hits))

    threads = [threading.Thread(target=other), threading.Thread(target=mine)]
    threads[0].start()
    assert first.wait(60)
    threads[1].start()
    threads[1].join(0.5)
    over.set()
    threads[1].join(60)
    assert found == [True]


@pytest.mark.parametrize("by", ["another search", "a purge"])
def test_what_a_killed_search_laid_out_goes(world: PastWorld, by: str) -> None:
    begun(world, ANN)
    child = textwrap.dedent(f"""
        import os, pathlib, signal
        from infra.database import connect
        from profiles.history.copying import spelled_out
        workspace = type("W", (), {{"state_path": pathlib.Path({str(world.root / "state")!r})}})
        with spelled_out(workspace, connect("sqlite:///{world.root}/kindred.db")):
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", child], check=False, cwd="/", timeout=120)
    folder = world.root / "state" / "history"
    assert list(folder.iterdir())
    if by == "a purge":
        forget_copies(workspace(world))
    else:
        with spelled_out(workspace(world), world.database):
            pass
    assert not folder.exists()


def test_what_was_overtaken_goes_in_its_order(world: PastWorld) -> None:
    """Where the end of somebody went before what it ended, they were seen as of moments after it."""
    begun(world, ANN, BOB)
    del world.held[ANN]
    world.served()
    world.told()
    world.later(days=100)
    # Databases promise no order; SQLite turns its own around where it is asked to.
    event.listen(world.database, "connect", lambda c, _: c.execute("PRAGMA reverse_unordered_selects=ON"))
    world.database.dispose()
    with world.database.begin() as connection:
        before = world.now - timedelta(days=90)
        ((sequence, one),) = store.overtaken(connection, before, 1)
        store.remove(connection, [sequence])
        row = store.at(connection, one, before)
    assert (one, sequence) == (ANN, 1)
    assert row is not None
    assert not row.state.views


def test_whoever_comes_while_others_are_let_go_of_keeps_their_past(
    world: PastWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visitor of a moment ago is in no look that was taken before."""
    begun(world, ANN, BOB)
    monkeypatch.setattr(pruning, "_ROWS", 1)
    came: list[str] = []

    def comes(*_: object) -> None:
        if not came:
            came.append(CAT)
            world.held[CAT] = {"c1": Record(7, EVERY)}
            world.changed(CAT)

    another = beside(world, comes)
    prune(another, lambda: as_built(world.generations.current().snapshot()))
    assert came
    found = world.as_of(CAT, SERVICE, world.now)
    assert isinstance(found, Found)
    assert said(found)["number"] == 7


def test_what_another_took_out_meanwhile_does_not_come_back_with_an_erasure(world: PastWorld) -> None:
    """Two that take out at once: neither puts down what it read before the other was done."""
    begun(world, ANN, BOB, CAT)
    for key, purpose in (("b1", PURPOSES[0]), ("c1", PURPOSES[1])):
        world.held[ANN][key] = Record(3, frozenset({purpose}))
    world.changed(ANN)
    done: list[str] = []

    def meanwhile(*_: object) -> None:
        if not done:
            done.append(CAT)
            world.erasable.delete(Subject(tokens=(), record_keys=(RecordKey("c1"),), profile_ids=(ProfileId(CAT),)))

    another = PastViews(beside(world, meanwhile), workspace(world))
    another.delete(Subject(tokens=(), record_keys=(RecordKey("b1"),), profile_ids=(ProfileId(BOB),)))
    with world.database.connect() as connection:
        rows = store.everybody(connection, 0, 100)
    rest = {key for row in rows for kept in row.state.views.values() if kept is not None for key in kept.records}
    assert rest == {"a1"}


def test_where_an_id_leads_is_known_after_the_feed_has_let_go_of_it(world: PastWorld) -> None:
    """The feed forgets within thirty days what was given up; the past reaches back farther."""
    begun(world, ANN, BOB, CAT)
    world.merged(BOB, ANN)
    joined = world.now
    world.later(days=31)
    feed.shorten(world.database, world.now)
    world.held[CAT] |= world.held.pop(ANN)
    world.aliases = {ANN: (CAT,), BOB: (CAT,)}
    world.served()
    world.told()  # as a whole publication: nobody knows what it changed
    found = world.as_of(BOB, SERVICE, world.now)
    assert isinstance(found, Found)
    assert (found.profile_id, said(found)["number"]) == (CAT, 1010 + 100_000)
    before = world.as_of(BOB, SERVICE, joined)
    assert isinstance(before, Found)
    assert (before.profile_id, said(before)["number"]) == (ANN, 1010)


def test_the_moment_that_a_refusal_names_is_answered(world: PastWorld) -> None:
    world.now += timedelta(microseconds=250_000)
    begun(world, ANN)
    with world.database.connect() as connection:
        begins = store.begins(connection)
    assert begins is not None
    assert begins.microsecond
    with pytest.raises(MomentNotKept) as refused:
        world.as_of(ANN, SERVICE, begins - timedelta(microseconds=1))
    named = str(refused.value).partition("from ")[2].partition("Z")[0]
    world.later(seconds=2)
    assert isinstance(world.as_of(ANN, SERVICE, datetime.fromisoformat(named + "+00:00")), Found)


def test_a_moment_counts_from_the_very_one_of_a_change(world: PastWorld) -> None:
    begun(world, ANN)
    world.held[ANN]["a1"].says = 11
    world.changed(ANN)
    with world.database.connect() as connection:
        row = store.last(connection, [ANN])[ANN]
    then, before = (world.as_of(ANN, SERVICE, at) for at in (row.since, row.since - timedelta(microseconds=1)))
    assert isinstance(then, Found)
    assert isinstance(before, Found)
    assert (said(then)["number"], said(before)["number"]) == (11, 10)


def test_a_clock_that_goes_back_turns_no_row_around(world: PastWorld) -> None:
    begun(world, ANN)
    for number, hours in enumerate((1, -3, 1, 3)):
        world.later(hours=hours)
        world.held[ANN]["a1"].says = number
        world.changed(ANN)
    with world.database.connect() as connection:
        sinces = [row.since for row in store.of_people(connection, [ANN])]
    assert sinces == sorted(sinces)
    found = world.as_of(ANN, SERVICE, world.now)
    assert isinstance(found, Found)
    assert said(found)["number"] == 3


def test_a_person_who_is_frozen_shows_nothing_and_others_no_record_of_theirs(world: PastWorld) -> None:
    """From the moment an erasure is accepted on, long before it is done."""
    begun(world, ANN, BOB)
    world.held[ANN]["b9"] = Record(3, EVERY)  # one of Bob's, for a while
    world.changed(ANN)
    mixed = world.now
    world.held[BOB]["b9"] = world.held[ANN].pop("b9")
    world.served()
    world.told()
    alone = world.now
    world.overlay.restrict([token_of(BOB)], [Purpose("all")], at=world.clock(), sequence=1)
    for at in (mixed, alone):
        with pytest.raises(ProfileHidden):
            world.as_of(BOB, SERVICE, at)
    with pytest.raises(PastWithheld):
        world.as_of(ANN, SERVICE, mixed)
    assert isinstance(world.as_of(ANN, SERVICE, alone), Found)


@pytest.mark.parametrize("settings", [HistorySettings, ChangesSettings])
def test_nothing_is_kept_from_before_the_calendar_begins(settings: Any) -> None:
    assert settings(keep_days=36_525).keep_days == 36_525
    with pytest.raises(ValidationError):
        settings(keep_days=800_000)


def test_the_period_goes_to_nothing_and_back(world: PastWorld) -> None:
    begun(world, ANN)
    first = world.now
    world.later(days=1)
    kept = world.teller
    world.teller = replace(kept, keeper=Keeper(timedelta(0)))
    world.held[ANN]["a1"].says = 77
    world.changed(ANN)
    unkept = world.now
    world.later(days=1)
    world.teller = kept
    world.told()
    for at in (first, unkept):  # between the two nobody looked
        with pytest.raises(MomentNotKept):
            world.as_of(ANN, SERVICE, at)
    found = world.as_of(ANN, SERVICE, world.now)
    assert isinstance(found, Found)
    assert said(found)["number"] == 77
