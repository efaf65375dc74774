"""An erasure as it is followed: stage by stage, store by store, and when another run is worth while."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import consent.store
from consent.erasure.book import STEPS, Book
from consent.erasure.followed import AGAIN, IN_STORES, Tried, followed, goes_on
from consent.erasure.workflow import RETENTION
from infra.database import open_database
from infra.ids import Token

AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
ASKED = ((1, Token("1:ann")),)
HELD = {"facts": {"records": 3, "events": 41}, "profiles": {"profile_views": 5}}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    engine = open_database(f"sqlite:///{tmp_path}/kindred.db", consent.store.METADATA)
    yield Book(engine, lambda: AT)
    engine.dispose()


def through(book: Book, erasure: str, last: str) -> None:
    """Bring an erasure through a step and everything before it."""
    for step in STEPS[: STEPS.index(last) + 1]:  # type: ignore[arg-type]
        book.begin(erasure, step)
        for store in HELD if step in IN_STORES else ():
            book.begin(erasure, step, store)
            book.finish(erasure, step, store, {})
        book.finish(erasure, step, "", {"rows": HELD} if step == "planned" else {})


def test_an_erasure_is_followed_store_by_store(book: Book) -> None:
    erasure = book.open(ASKED)
    before = followed(book.get(erasure), book.steps(erasure))
    assert (before.stores, before.expires_at) == ((), None)
    assert [one.begun_at for one in before.stages] == [None] * len(STEPS)
    through(book, erasure, "deleting")
    book.begin(erasure, "purging")
    book.begin(erasure, "purging", "facts")
    told = followed(book.get(erasure), book.steps(erasure))
    assert [(one.store, one.rows) for one in told.stores] == [("facts", 44), ("profiles", 5)]
    deleting, purging, expiring = told.stores[0].stages
    assert (deleting.done_at, purging.begun_at, purging.done_at, expiring.begun_at) == (AT, AT, None, None)
    assert told.stores[1].stages[1].begun_at is None
    assert [one.step for one in told.stages if one.done_at] == ["frozen", "planned", "deleting"]


def test_a_certified_erasure_has_every_stage_behind_it(book: Book) -> None:
    erasure = book.open(ASKED)
    through(book, erasure, STEPS[-2])
    book.begin(erasure, STEPS[-1])
    book.certify(erasure, {"kind": "x"}, "00", exceptions=True)
    book.finish(erasure, STEPS[-1], "done", {})
    told = followed(book.get(erasure), book.steps(erasure))
    assert told.status == "certified_with_exceptions"
    assert all(one.done_at == AT for one in told.stages)


def test_another_run_is_worth_while_when_nothing_is_waited_for(book: Book) -> None:
    erasure = book.open(ASKED)
    through(book, erasure, "frozen")
    fresh = followed(book.get(erasure), book.steps(erasure))
    assert goes_on(fresh, None, AT)
    assert not goes_on(fresh, Tried("queued", None, None), AT)
    assert not goes_on(fresh, Tried("running", None, None), AT)
    failed = Tried("failed", AT, "something is left")
    assert not goes_on(fresh, failed, AT + AGAIN - timedelta(seconds=1))
    assert goes_on(fresh, failed, AT + AGAIN)
    through(book, erasure, "purging")
    waits = followed(book.get(erasure), book.steps(erasure))
    assert waits.expires_at == AT + RETENTION
    ended = Tried("succeeded", AT, None)
    assert not goes_on(waits, ended, AT + RETENTION - timedelta(seconds=1))
    assert goes_on(waits, ended, AT + RETENTION)
    book.begin(erasure, "expiring")
    assert followed(book.get(erasure), book.steps(erasure)).expires_at is None
