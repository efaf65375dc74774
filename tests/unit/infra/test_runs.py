"""The queue takes what is urgent first, goes on after a death, and forgets salts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra import runs
from infra.database import open_database
from infra.errors import Missing
from infra.runs import URGENT, Runs, Step

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def book(tmp_path: Path) -> Runs:
    return Runs(open_database(f"sqlite:///{tmp_path / 'k.db'}", runs.METADATA), lambda: NOW)


def test_an_erasure_goes_before_what_waits(book: Runs) -> None:
    book.submit("run", {})
    urgent = book.submit("freeze", {}, URGENT)
    first = book.begin_next({}, None)
    assert first is not None
    assert first.id == urgent
    assert first.number == 1


def test_an_erasure_goes_before_what_was_interrupted_too(book: Runs) -> None:
    book.submit("run", {})
    begun = book.begin_next({}, None)
    assert begun is not None
    urgent = book.submit("freeze", {}, URGENT)
    assert book.requeue_interrupted() == 1
    order = [row.id for row in (book.begin_next({}, None), book.begin_next({}, None)) if row]
    assert order == [urgent, begun.id]


def test_who_joins_more_urgently_makes_it_urgent(book: Runs) -> None:
    book.submit("run", {})
    waiting = book.submit("apply", {})
    assert book.submit("apply", {}, URGENT) == waiting
    assert book.submit("apply", {}) == waiting
    first = book.begin_next({}, None)
    assert first is not None
    assert first.id == waiting


def test_a_word_spoken_since_does_not_join_a_run_that_passed_over_it(book: Runs) -> None:
    interrupted = book.submit("apply", {})
    book.begin_next({}, None)
    book.record_step(interrupted, Step("resolve", 1.0, {}))
    book.requeue_interrupted()
    assert book.submit("apply", {}) == interrupted
    spoken = book.submit("apply", {}, anew=True)
    assert spoken != interrupted
    assert book.submit("apply", {}, anew=True) == spoken
    order = [row.id for row in (book.begin_next({}, None), book.begin_next({}, None)) if row]
    assert order == [interrupted, spoken]


def test_an_interrupted_run_goes_on_with_its_number_salt_and_base(book: Runs) -> None:
    run_id = book.submit("run", {})
    begun = book.begin_next({"records": 3}, None)
    assert begun is not None
    book.record_step(run_id, Step("ingest", 1.0, {"read": 5}))
    other = book.submit("resolve", {})
    assert book.requeue_interrupted() == 1
    again = book.begin_next({"records": 9}, None)
    assert again is not None
    assert (again.id, again.number, again.salt, again.base) == (run_id, begun.number, begun.salt, {"records": 3})
    assert [step["name"] for step in again.steps] == ["ingest"]
    book.finish(run_id)
    assert book.get(run_id).salt is None
    following = book.begin_next({}, None)
    assert following is not None
    assert following.id == other


def test_an_equal_run_that_waits_is_joined(book: Runs) -> None:
    assert book.submit("run", {"a": "1"}) == book.submit("run", {"a": "1"})
    assert book.submit("run", {"a": "1"}) != book.submit("run", {"a": "2"})


def test_a_run_that_is_not_there_is_missing(book: Runs) -> None:
    with pytest.raises(Missing):
        book.get("nobody")


def test_the_newest_manifest_is_of_a_run_that_succeeded(book: Runs) -> None:
    for fails in (False, True):
        run_id = book.submit("run", {"fails": str(fails)})
        book.begin_next({}, None)
        book.record_manifest(run_id, {"tables": {}}, "f" if fails else "s")
        book.finish(run_id, error="no" if fails else None, exit_code=int(fails))
    newest = book.newest_manifest()
    assert newest is not None
    assert newest.fingerprint == "s"


def test_a_run_whose_runner_died_is_joined_before_anybody_put_it_back(book: Runs) -> None:
    cut_off = book.submit("run", {"at": "2026-11-01T12:00:00+00:00"})
    book.begin_next({}, None)
    assert book.submit("run", {"at": "2026-11-01T12:00:00+00:00"}, orphaned=True) == cut_off
    assert book.submit("run", {"at": "2026-11-01T12:00:00+00:00"}, orphaned=True, anew=True) != cut_off
    assert book.submit("run", {"at": "2026-11-01T13:00:00+00:00"}, orphaned=True) != cut_off
