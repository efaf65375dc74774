"""Whatever the rules and whatever the row: mending ends, comes to rest, and leaves alone what it does not name."""

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from ingestion.lines import ndjson_batches
from ingestion.model import Stretch
from ingestion.quarantine.again import Form, again
from ingestion.quarantine.patch import (
    CastMoment,
    CastNumber,
    Condition,
    Drop,
    Fix,
    Put,
    Rename,
    Replace,
    Step,
    Translate,
    Where,
    changed_fields,
    mended,
)
from ingestion.quarantine.payload import parsed, placed, text_at, without, written

FIELDS = st.sampled_from(["a", "b", "a.b", "c", "line", "b.c.d"])
VALUES = st.one_of(
    st.sampled_from(
        ["", " ", "a", "aa", "b", "1,234", "1.234,5", "1.2340", "03.02.1980", "1980-02-03", "\u0660", "-0"]
    ),
    st.text(max_size=6),
    st.from_regex(r"\A[+-]?[0-9]{1,4}([.,][0-9]{1,3}){0,2}\Z"),
    st.dates().map(lambda day: day.strftime("%d.%m.%Y")),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES,
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("abcd"), below, max_size=3),
    max_leaves=6,
)
ROWS = st.dictionaries(st.sampled_from(["a", "b", "c", "line", "d"]), JSON, max_size=5)
FLAT = st.dictionaries(FIELDS, st.none() | VALUES, max_size=5)
CONDITIONS = st.builds(Condition, FIELDS, st.lists(VALUES, max_size=2).map(tuple))
CHANGES = st.one_of(
    st.builds(Put, FIELDS, st.none() | VALUES),
    st.builds(Drop, FIELDS),
    st.builds(Rename, FIELDS, FIELDS),
    st.builds(Translate, FIELDS, st.lists(st.tuples(VALUES, st.none() | VALUES), max_size=3).map(tuple)),
    st.builds(Replace, FIELDS, st.sampled_from(["a", "^0+", "[0-9]$", "b|a", r"\s"]), VALUES),
    st.builds(CastNumber, FIELDS, st.just(","), st.sampled_from(["", ".", "'", " "])),
    st.builds(CastNumber, FIELDS, st.just("."), st.sampled_from(["", ",", " "])),
    st.builds(CastMoment, FIELDS, st.sampled_from(["%d.%m.%Y", "%m/%d/%Y %H:%M", "%d %b %Y"]), day=st.booleans()),
)
STEPS = st.builds(Step, CHANGES, st.lists(CONDITIONS, max_size=1).map(tuple))
FIXES = st.builds(
    lambda steps, when: Fix("f", Where("crm", when=tuple(when)), tuple(steps)),
    st.lists(STEPS, max_size=4),
    st.lists(CONDITIONS, max_size=1),
)


@given(FIXES, ROWS | FLAT)
def test_a_mended_row_comes_to_rest(fix: Fix, row: dict[str, Any]) -> None:
    tree = parsed(json.dumps(row))
    assert tree is not None
    once = mended(fix, tree)
    if once is None:
        assert not all(condition.holds(tree) for condition in fix.where.when)
        return
    if once.restless:
        assert once.tree == tree
    text = written(once.tree)
    assert parsed(text) == once.tree
    again_ = mended(fix, once.tree)
    assert again_ is None or again_.tree == once.tree
    if not fix.steps:
        assert once.tree == tree


@given(ROWS | FLAT, FIELDS, VALUES)
def test_a_field_that_is_put_or_dropped_changes_no_other(row: dict[str, Any], field: str, value: str) -> None:
    tree = parsed(json.dumps(row)) or {}
    put = placed(tree, field, value)
    assert put == tree or text_at(put, field) == value
    assert all(name == field or name.startswith(f"{field}.") or field.startswith(name) for name in _paths(tree, put))
    gone = without(tree, field)
    assert text_at(gone, field) is None or field in tree  # a column may hide a path of its name
    assert all(name == field or name.startswith(f"{field}.") or field.startswith(name) for name in _paths(tree, gone))


def _paths(before: Any, after: Any) -> tuple[str, ...]:
    return changed_fields(before, after)


@given(st.lists(ROWS.map(json.dumps) | st.text(max_size=8).map(lambda text: text.replace("\n", "")), max_size=8))
def test_a_rejected_object_is_read_again_as_its_reader_read_it(tmp_path_factory: Any, lines: list[str]) -> None:
    columns = ("a", "b.c", "d", "a.b.c")
    file: Path = tmp_path_factory.mktemp("lines") / "x.ndjson"
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    file.write_bytes(data)
    for batch in ndjson_batches(file, Stretch("x.ndjson", 0, len(data), 1), columns):
        for row in batch.to_pylist():
            rule = row["fault"] or "type"
            found = again(Form("ndjson"), columns, "x.ndjson", rule, row["payload"])
            assert (found.fault, found.text) == (row["fault"], row["payload"])
            assert list(found.values) == [row[f"r{index}"] for index in range(len(columns))]
