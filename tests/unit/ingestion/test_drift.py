"""What is expected of loads, what moved between them, how new columns are proposed: rules, without an engine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

import ingestion.store
from infra.database import open_database, writing
from infra.errors import ConfigurationError
from infra.runtime import RunInfo
from ingestion.check import breaks
from ingestion.config import Source, load_sources
from ingestion.drift.compare import Drawn, moved
from ingestion.drift.evolution import MOST, Recorded, grown, steps
from ingestion.drift.gate import Gate
from ingestion.drift.look import Look, checks_of, drawn_of, look, telling
from ingestion.drift.profile import Profile, profiled
from ingestion.drift.proposal import lines_for
from ingestion.drift.store import History, Load, history, write
from ingestion.expected import Bounds
from ingestion.model import Account
from ingestion.sampling import Sample, thinned

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SOURCE: dict[str, Any] = {
    "source": "tills",
    "connector": {"type": "files", "path": "data/*.csv", "format": "csv"},
    "record": "event",
    "key": "id",
    "occurred_at": "at",
    "event": {"type": "=purchase"},
    "identifiers": {"loyalty": "card"},
    "properties": ["amount", "store", "sold_on", "birth_date"],
}
END = "nothing of the source is taken in"
LABELS = frozenset({"birth_date"})


def tills(**more: Any) -> Source:
    return Source.model_validate({**SOURCE, **more})


def drawn(columns: dict[str, list[str | None]], at: datetime = NOW, source: Source | None = None) -> Drawn:
    rows = max(map(len, columns.values()))
    return drawn_of(Sample(rows, columns), telling(source or tills(), LABELS, ()), at)


@pytest.mark.parametrize(
    ("more", "line", "says"),
    [
        ("expect: {freshness: {warn_after: 26}}", 7, "not an age; write a whole number with m, h or d"),
        ("expect: {freshness: {warn_after: a day}}", 7, "not an age; write a whole number with m, h or d"),
        ("expect: {freshness: {of: arrival}}", 7, "say how old: warn_after: 26h (told), error_after: 3d"),
        ("expect: {freshness: {warn_after: 2d, error_after: 1d}}", 7, "an error is later than a warning"),
        ("expect: {freshness: {warn_after: 1d}}", 7, "or write of: arrival"),
        ("expect: {volume: {min: 9, max: 3}}", 7, "no load could be right"),
        ("expect: {volume: {severity: error}}", 7, "say how many rows"),
        ("expect: {volume: {max_ratio: 0.5}}", 7, "greater than or equal to 1"),
        ("expect: {reference: {shop: {to: shops}}}", 7, "'shops' is not one; sources whose keys are kept: crm, lines"),
        ("expect: {reference: {line: {to: lines}}}", 7, "lines has a key of 2 columns"),
        ("expect: {reference: {shop: {to: crm, on_violation: drop_field}}}", 7, "'quarantine' or 'accept_and_flag'"),
        ("schema: {new_columns: evolve}", 7, "'record', 'quarantine' or 'stop'"),
        ("evolution: {new_columns: stop}", 7, "unknown key"),
    ],
)
def test_expectations_that_cannot_be_are_told_with_their_place(declare: Any, more: str, line: int, says: str) -> None:
    own = "source: {}\nconnector: {{type: files, path: 'data/{}/*.csv', format: csv}}\nrecord: person\nkey: {}\n"
    declare(own.format("lines", "lines", "[order, line]") + "identifiers: {customer: who}\n", "lines")
    place = declare(own.format("crm", "crm", "id") + "identifiers: {email: email}\n# told by its owner\n" + more + "\n")
    with pytest.raises(ConfigurationError) as error:
        load_sources(place)
    assert says in str(error.value)
    assert error.value.line == line


def test_a_collector_is_never_stopped(declare: Any) -> None:
    web = "source: web\nconnector: {type: collector}\nidentifiers: {cookie: anonymousId}\n"
    for more in (
        "expect: {volume: {min: 3, severity: error}}",
        "expect: {freshness: {error_after: 1d}}",
        "schema: {new_columns: stop}",
    ):
        with pytest.raises(ConfigurationError, match="would wait in the log until this is full"):
            load_sources(declare(web + more + "\n", "web"))
    assert load_sources(declare(web + "expect: {freshness: {warn_after: 1h}}\n", "web"))


def test_what_is_expected_of_loads_makes_no_row_another() -> None:
    """An engineer who asks for freshness must not have every file read again."""
    from ingestion.intake import Terms, _declaration

    terms = Terms({}, {}, frozenset())
    plain = _declaration(tills(), terms, "UTC", "US")
    asks = {"expect": {"freshness": {"warn_after": "26h"}, "volume": {"min": 3}}}
    assert _declaration(tills(**asks), terms, "UTC", "US") == plain
    assert _declaration(tills(expect={"reference": {"store": {"to": "crm"}}}), terms, "UTC", "US") != plain
    assert _declaration(tills(schema={"changed_types": "quarantine"}), terms, "UTC", "US") != plain


def test_ends_are_told_only_of_quantities_that_are_nobodys() -> None:
    numbers = [str(4_000_000_000 + 7 * n) for n in range(50)]
    found = drawn(
        {
            "id": [str(n) for n in range(50)],
            "card": [str(n) for n in range(50)],
            "amount": [f"{n}.5" for n in range(50)],
            "store": numbers,  # long numbers that hardly come twice
            "sold_on": [f"2026-10-{1 + n % 30:02d}" for n in range(50)],
            "birth_date": ["1980-02-03"] * 50,
            "undeclared": [str(n) for n in range(50)],
        }
    ).columns
    assert {name for name, one in found.items() if one.low is not None} == {"amount", "sold_on"}
    assert (found["amount"].low, found["amount"].high) == (0.5, 49.5)


def test_a_load_like_the_others_moves_nothing_and_one_that_is_not_is_told() -> None:
    def load(day: int, empty: int = 2, times: int = 1, words: int = 3) -> Drawn:
        at = NOW + timedelta(days=day)
        return drawn(
            {
                "amount": [str(n * times) for n in range(100)],
                "store": [None if n < empty else f"s{n % words}" for n in range(100)],
                "sold_on": [f"{at - timedelta(hours=n % 24):%Y-%m-%dT%H:%M:%S}" for n in range(100)],
            },
            at,
        )

    past = [load(n, empty=n) for n in range(7, 0, -1)]
    assert moved(load(8), past, Bounds()) == ()  # moments go with the load: a new day is no news
    told = {one.told for one in moved(load(8, empty=60, times=5, words=4), past, Bounds())}
    assert told == {"empty 60%, before 1% to 7%", "high 495, before 99", "different values 4, before at most 3"}
    late = Drawn(100, NOW + timedelta(days=40), load(8).columns)
    assert {one.column for one in moved(late, past, Bounds())} == {"sold_on"}
    kinds = drawn(
        {"amount": ["x" if n % 2 else str(n) for n in range(100)], "store": ["s1"] * 100, "sold_on": [None] * 100}
    )
    assert {(m.column, m.measure) for m in moved(kinds, past, Bounds())} >= {("amount", "kind"), ("sold_on", "empty")}
    assert moved(drawn({"amount": ["x"] * 5}), past, Bounds()) == ()  # five rows show nothing


def test_samples_that_differ_by_chance_have_not_moved() -> None:
    few = drawn({"store": [None] * 5 + ["s1"] * 20})
    assert moved(few, [drawn({"store": [None] * 2 + ["s1"] * 20})], Bounds(distinct=1.0)) == ()


def test_a_column_that_is_missing_is_told_with_the_one_that_came_for_it() -> None:
    source = tills(connector={"type": "files", "path": "data/*.ndjson", "format": "ndjson"})
    seen = drawn({name: ["3"] * 20 for name in ("id", "at", "card", "amout", "store", "sold_on")})
    found = look(source, seen, (), LABELS, History((), ()), loads=True, anyway=False)
    assert [(n.item, n.note) for n in found.notes()] == [
        ("field amount", "declared, and in no row; did it become amout? (by a sample)"),
        ("field birth_date", "declared, and in no row (by a sample)"),
    ]
    known = History((), grown((), {name: one for name, one in seen.columns.items() if name != "amout"}, 1))
    assert look(source, replace(seen, sampled=19), (), LABELS, History((), ()), loads=True, anyway=False).notes() == ()
    later = look(source, seen, (), LABELS, known, loads=True, anyway=False)
    assert [note.item for note in later.notes()] == ["field amout", "field amount"]  # what is optional is no news
    books = History((), (*known.columns, *grown(known.columns, seen.columns, 2)))
    assert look(source, seen, (), LABELS, books, loads=True, anyway=False).notes() == ()
    assert look(tills(), seen, (), LABELS, History((), ()), loads=True, anyway=False).notes() == ()  # a table has them


def test_objects_that_are_kept_by_ids_do_not_fill_the_books() -> None:
    one = profiled(["x"], tells=False)
    books = grown((), {f"c{n}": one for n in range(MOST)}, 1)
    assert len(books) == MOST
    assert grown(books, {"more": one, "c1": one}, 2) == (Recorded("c1", "text", 1, 2, 2),)


def test_recorded_kinds_hold_only_where_asked_and_where_enough_was_seen() -> None:
    recorded = (
        Recorded("amount", "integer", 1, 1, 50),
        Recorded("store", "text", 1, 1, 50),
        Recorded("sold_on", "date", 1, 1, 5),
        Recorded("gift", "boolean", 2, 2, 50, known=False),
    )
    known, columns = History((), recorded), ("id", "amount", "store", "sold_on", "gift", "size")
    assert checks_of(tills(), columns, known, frozenset({"size"})) == ()
    strict = tills(schema={"new_columns": "quarantine", "changed_types": "quarantine"})
    found = checks_of(strict, columns, known, frozenset({"size"}))
    assert [(c.column, c.rule) for c in found] == [("amount", "type"), ("gift", "new_column"), ("size", "new_column")]
    assert [breaks(c, "2.5", "UTC") for c in found] == [False, True, True]  # an integer may widen
    assert [breaks(c, "ten", "UTC") for c in found] == [True, True, True]
    assert [breaks(c, None, "UTC") for c in found] == [False, False, False]
    typed = tills(schema={"changed_types": "quarantine"}, contract={"amount": {"type": "number"}})
    assert checks_of(typed, columns, known, frozenset()) == ()


def test_proposals_fit_their_source() -> None:
    assert lines_for(tills(), "properties.total price", "number") == (
        'properties: ["properties.total price"]',
        'contract: {"properties.total price": {type: number}}',
    )
    person = Source.model_validate({**{k: SOURCE[k] for k in ("source", "connector", "key")}, "record": "person"})
    assert lines_for(person, "tier", "text") == ("fields: {tier: tier}",)
    whole = Source.model_validate({**{k: SOURCE[k] for k in ("source", "connector", "key")}, "record": "catalogue"})
    assert lines_for(whole, "colour", "text") == ()


def test_books_keep_a_bounded_number_of_loads_and_each_kind_of_a_column(tmp_path: Any) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'books.db'}", ingestion.store.METADATA)
    profile = {"amount": Profile(1, 1, {"integer": 1}, 1, 1, 3.0, 3.0)}
    for number in range(1, 101):
        at = NOW + timedelta(hours=number)
        kind = "integer" if number < 50 else "number"
        load = Load("tills", f"run{number}", number, at, number, number % 10 == 0, Drawn(1, at, profile))
        with writing(database) as connection:
            write(connection, load, [Recorded("amount", kind, 1 if number < 50 else 50, number, number)])
            told = {"source": "tills", "surveyed": 1, "read": 1, "written": {}, "arrived_at": at, "told_at": NOW}
            connection.execute(ingestion.store.FLOW.insert().values(run_id=f"run{number}", **told))
    found = history(database, "tills")
    assert len(found.taken) == 60
    assert len(found.loads) == 70
    assert (found.newest, found.arrived) == (NOW, NOW + timedelta(hours=100))
    assert [(c.kind, c.first_run, c.last_run) for c in found.columns] == [("integer", 1, 49), ("number", 50, 100)]
    assert found.loads[0].drawn.columns == profile
    assert history(database, "crm") == History((), ())
    database.dispose()


def test_a_gate_stops_one_source_and_tells_of_all(tmp_path: Any) -> None:
    run = RunInfo("r", 7, NOW, "salt", {})
    small = tills(expect={"volume": {"min": 3, "severity": "error"}, "freshness": {"warn_after": "1d"}})
    at = NOW - timedelta(days=9)
    known = History((Load("old", "r1", 1, at, 5, False, Drawn(0, NOW, {})),), (), NOW - timedelta(days=8), at)
    old = Source.model_validate({**SOURCE, "source": "old", "expect": {"freshness": {"error_after": "3d"}}})
    nothing = Drawn(0, NOW, {})
    looks = [Look(small, History((), ()), True, nothing), Look(old, known, False, nothing)]
    gate = Gate(run, looks)
    assert gate.stopped == frozenset()  # of the old one nothing came that could be stopped
    assert gate.judge([Account("tills", "a", 2, 2)], {"tills": NOW - timedelta(hours=30)}) == {"tills"}
    assert [(n.source, n.note) for n in gate.notes()] == [
        ("tills", "volume error: 2 rows came; at least 3 rows are expected; " + END),
        (
            "tills",
            "freshness warn: the newest row is of 2026-10-30 18:00Z, 30 h old; at most 24 h is expected; " + END,
        ),
        ("old", "freshness error: the newest row is of 2026-10-24 00:00Z, 8 days old; at most 3 days is expected"),
    ]
    database = open_database(f"sqlite:///{tmp_path / 'books.db'}", ingestion.store.METADATA)
    with writing(database) as connection:
        gate.write(connection)
    found = history(database, "tills")
    assert ([(one.stopped, one.rows) for one in found.loads], found.newest) == ([(True, 2)], None)
    with database.connect() as connection:
        assert connection.execute(sa.select(ingestion.store.COLUMN)).all() == []
    database.dispose()
    assert (
        Gate(run, [Look(small, History((), ()), True, nothing, anyway=True)]).judge([Account("tills", "a", 2)], {})
        == set()
    )


def test_a_thinned_sample_is_from_all_over() -> None:
    sample = Sample(10, {"a": [str(n) for n in range(10)], "b": [None] * 9 + ["x"]})
    assert thinned(sample, 10) is sample
    assert thinned(sample, 5) == Sample(5, {"a": ["0", "2", "4", "6", "8"]})


def test_nothing_new_is_told_of_a_first_load() -> None:
    seen = {"a": profiled(["1"] * 30, tells=False)}
    assert list(steps((), seen, named=("a",), declared=lambda _: False)) == []


@pytest.mark.parametrize(
    "word", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "1e308", "-1e308", "9" * 40]
)
def test_ends_beyond_the_calendar_and_all_numbers_break_nothing(word: str) -> None:
    column: list[str | None] = [word] * 30
    plain: list[str | None] = ["2026-10-01" if "T" in word else "1"] * 30
    past = [drawn({"sold_on": plain, "amount": plain})] * 3
    for one in moved(drawn({"sold_on": column, "amount": column}), past, Bounds()):
        assert one.told
