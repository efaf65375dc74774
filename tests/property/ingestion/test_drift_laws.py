"""What holds of kinds, profiles and comparisons whatever the values: a lattice, no text told, no cry at rest."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ingestion.check import SHAPES
from ingestion.config import Source
from ingestion.drift.compare import Drawn, moved
from ingestion.drift.evolution import Recorded, grown, kinds_of, steps
from ingestion.drift.kinds import HELD, kind_of, kind_over, step, widest
from ingestion.drift.loads import freshness, volume
from ingestion.drift.look import written as written_name
from ingestion.drift.profile import of_plain, profiled
from ingestion.drift.proposal import lines_for
from ingestion.expected import Bounds, Freshness, Volume

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KINDS = st.sampled_from([None, "boolean", "integer", "number", "date", "timestamp", "text"])
WORDS = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.sampled_from(
        ["true", "NO", "007", "+15550100", "1e400", "-", ".", "-.", "2026-02-30", "9999-12-31T23:59:59-14:00"]
    ),
)
COLUMNS = st.lists(WORDS, max_size=60)


@given(KINDS, KINDS, KINDS)
def test_kinds_are_a_lattice(one: str, two: str, three: str) -> None:
    assert widest(one, one) == one
    assert widest(one, two) == widest(two, one)
    assert widest(widest(one, two), three) == widest(one, widest(two, three))
    assert widest(one, None) == one
    assert widest(one, "text") == "text"


@given(st.lists(KINDS, min_size=1))
def test_a_column_that_takes_in_what_it_sees_never_has_to_change_twice(kinds: list[str]) -> None:
    recorded = [kind_over(kinds[: n + 1]) for n in range(len(kinds))]
    for before, after in pairwise(recorded):
        assert step(after, before) in ("same", "narrower")
    assert all(step(recorded[-1], kind) in ("same", "narrower") for kind in kinds)


@given(st.lists(WORDS, max_size=40), st.lists(WORDS, max_size=40))
def test_what_is_held_to_a_kind_lets_its_own_values_pass(before: list[str], after: list[str]) -> None:
    kind = kind_over(map(kind_of, before))
    if kind not in HELD:
        return
    shape = re.compile(SHAPES[HELD[kind]])
    for value in (*before, *after):
        own = kind_of(value)
        if own is not None and step(kind, own) != "changed" and len(value.strip()) <= 40:
            assert shape.fullmatch(value.strip(" \t\n\r\x0b\x0c"))


@given(values=COLUMNS, tells=st.booleans())
def test_a_profile_counts_all_and_tells_no_text(values: list[str], *, tells: bool) -> None:
    found = profiled(values, tells=tells)
    assert found.sampled == len(values)
    assert sum(found.kinds.values()) == found.filled <= found.sampled
    assert found.distinct <= found.filled
    assert 0 <= found.empty <= 1
    kept = json.dumps(found.plain())
    assert of_plain(json.loads(kept)) == found
    assert set(found.kinds) <= {"boolean", "integer", "number", "date", "timestamp", "text"}
    if not tells or found.kinds.get("text", 0) * 2 >= found.filled:
        assert found.low is None
    if found.low is not None:
        assert found.low <= found.high


@given(st.dictionaries(st.text(min_size=1, max_size=5), COLUMNS, max_size=4), st.integers(1, 5))
def test_what_comes_as_it_came_has_not_moved(columns: dict[str, list[str]], loads: int) -> None:
    rows = max(map(len, columns.values()), default=0)
    whole = {name: profiled([*values, *[None] * (rows - len(values))], tells=True) for name, values in columns.items()}
    load = Drawn(rows, NOW, whole)
    assert moved(load, [load] * loads, Bounds()) == ()
    for one in moved(Drawn(rows, NOW, {}), [load] * loads, Bounds()):
        assert one.measure == "empty"


@given(st.dictionaries(st.sampled_from("abcdef"), COLUMNS), st.dictionaries(st.sampled_from("abcdef"), COLUMNS))
def test_columns_that_were_taken_in_are_never_new_again(one: dict[str, list[str]], two: dict[str, list[str]]) -> None:
    first, second = ({n: profiled(v, tells=False) for n, v in c.items()} for c in (one, two))
    books: tuple[Recorded, ...] = ()
    for number, seen in enumerate((first, second, first, second), 1):
        books = written(books, grown(books, seen, number))
    again = list(steps(books, {**first, **second}, named=(), declared=lambda _: False))
    assert [s for s in again if s.happened in ("new", "changed", "widened")] == []
    assert kinds_of(books).keys() <= {r.name for r in books}


@given(st.dictionaries(st.sampled_from("abcdef"), COLUMNS), st.dictionaries(st.sampled_from("abcdef"), COLUMNS))
def test_what_was_refused_stays_new_until_it_is_taken_in(one: dict[str, list[str]], two: dict[str, list[str]]) -> None:
    first, second = ({n: profiled(v, tells=False) for n, v in c.items()} for c in (one, two))
    books = grown((), first, 1)
    new = {s.column for s in steps(books, second, named=(), declared=lambda _: False) if s.happened == "new"}
    books = written(books, grown(books, second, 2, refused=new))
    later = {s.column for s in steps(books, second, named=(), declared=lambda _: False) if s.happened == "new"}
    assert later == new
    books = written(books, grown(books, second, 3))
    assert not [s for s in steps(books, second, named=(), declared=lambda _: False) if s.happened == "new"]


def written(books: tuple[Recorded, ...], more: tuple[Recorded, ...]) -> tuple[Recorded, ...]:
    """Return the books as the store keeps them: the newest of each column and kind, all known once one is."""
    kept = {(r.name, r.kind): r for r in (*books, *more)}
    known = {r.name for r in more if r.known}
    return tuple(replace(r, known=True) if r.name in known else r for r in kept.values())


@given(
    st.integers(0, 10**6), st.lists(st.integers(0, 10**6), max_size=12), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_a_volume_is_breached_on_one_side_only(rows: int, before: list[int], least: int, more: int) -> None:
    rule = Volume(min=least, max=least + more, min_ratio=0.5, max_ratio=2.0)
    found = volume(rule, rows, before)
    if found is None:
        assert least <= rows <= least + more
    else:
        assert ("at least" in found.sentence) != ("at most" in found.sentence)


@given(st.integers(-100, 1000), st.integers(1, 500), st.integers(0, 500))
def test_the_older_the_worse(hours: int, warn: int, more: int) -> None:
    rule = Freshness(warn_after=f"{warn}h", error_after=f"{warn + more}h")
    found = freshness(rule, NOW - timedelta(hours=hours), NOW)
    severity = found.severity if found else None
    assert severity == ("error" if hours > warn + more else "warn" if hours > warn else None)


WORDY = st.sampled_from(["a: b", "#x", "[y]", "- z", "'", '"', "{}", "no", "~", "1e5", "=x"])
NAMES = WORDY | st.text(st.characters(), min_size=1, max_size=30)
CSV = {"type": "files", "path": "*.csv", "format": "csv"}


@given(NAMES, KINDS, st.sampled_from(["event", "person", "catalogue"]))
def test_proposed_lines_are_yaml_that_takes_the_column_in(name: str, kind: str | None, record: str) -> None:
    base = {"source": "s", "connector": CSV, "record": record, "key": "id"}
    event = {"occurred_at": "at", "event": {"type": "=x"}} if record == "event" else {"fields": {"other": "other"}}
    column = written_name(name)
    lines = lines_for(Source.model_validate({**base, **event}), column, kind or "")
    found: dict[str, Any] = {}
    for line in lines:
        found.update(YAML(typ="safe").load(line))
    assert column in Source.model_validate({**base, **event, **found}).columns() or column.startswith("=")


@given(st.text(st.characters(codec=None), max_size=400))
def test_names_of_columns_can_be_written_down(name: str) -> None:
    told = written_name(name)
    assert len(told) <= 201
    assert bool(told.encode()) == bool(name)
    assert told.isprintable() or any(sign in told for sign in name if not sign.isprintable())
    assert not set(told) & set("\n\r\x00\x1b\u202e")
