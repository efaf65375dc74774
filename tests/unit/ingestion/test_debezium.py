"""Change events of Debezium as rows: every shape that it sends them in, and none that is broken brings a load down."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.connectors.debezium import change_batches, is_tombstone, row_of
from ingestion.connectors.declared import Files
from ingestion.read import json_tree
from ingestion.survey import survey

SOURCE = {"ts_ms": 1630315344066}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["op", "after", "payload"]), inner),
    max_leaves=12,
)


def read(folder: Path, lines: list[Any], columns: tuple[str, ...]) -> list[dict[str, Any]]:
    text = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    (folder / "f").write_bytes(b"\n".join(text) + b"\n")
    files = Files.model_validate({"type": "files", "path": "f", "format": "debezium"})
    (file,) = survey(folder, None, files)  # type: ignore[arg-type]
    rows = [r for s in file.stretches for b in change_batches(folder / "f", s, columns) for r in b.to_pylist()]
    assert file.units == len(rows), "what the survey counts is what the reader accounts for"
    return rows


def test_each_kind_of_change_is_the_row_that_it_speaks_of(tmp_path: Path) -> None:
    one, two = {"id": 1, "name": "Ann"}, {"id": 1, "name": "Anna"}
    rows = read(
        tmp_path,
        [
            {"before": None, "after": one, "op": "r", "source": SOURCE},
            {"schema": None, "payload": {"before": one, "after": two, "op": "u", "source": SOURCE}},
            {"before": two, "after": None, "op": "d", "source": {"ts_ms": 0}, "ts_ms": 1630315345000},
            b"null",
            {"schema": None, "payload": None},
            {"before": None, "op": "d", "_kafka": {"key": {"schema": {}, "payload": {"id": 7}}}},
        ],
        ("id", "name", "__op", "__deleted", "__source_ts_ms", "_kafka.key"),
    )
    at = "2021-08-30T09:22:24.066+00:00"
    assert [(r["position"], r["fault"], *(r[f"r{i}"] for i in range(5))) for r in rows] == [
        (1, None, "1", "Ann", "r", "false", at),
        (2, None, "1", "Anna", "u", "false", at),
        (3, None, "1", "Anna", "d", "true", "2021-08-30T09:22:25.000+00:00"),
        (6, None, "7", None, "d", "true", None),
    ]


def test_what_is_no_change_of_a_row_is_kept_with_its_fault(tmp_path: Path) -> None:
    lines = [
        {"op": "t", "source": SOURCE},
        {"op": "u", "before": {"id": 1}, "after": None},
        {"op": "d", "before": None},
        {"id": 1},
        [1],
        b'{"op": "c", "after": {"id": ',
        b'{"op": "c", "after": {"id": "\xff"}}',
        b'{"op": "c", "after": {"id": "\\ud800"}}',
        b"[" * 100_000,
    ]
    rows = read(tmp_path, [{"op": "c", "after": {"id": 1}}, *lines], ("id",))
    assert [row["fault"] for row in rows] == [None, *["change"] * 5, "json", "encoding", "encoding", "json"]
    assert all(json.loads(row["payload"]) for row in rows)


def test_values_are_spelled_by_their_schema(test_data: Path) -> None:
    text = (test_data / "cdc/flink_cdc/debezium-data-schema-include.json").read_bytes()
    row = row_of(json_tree(text)["expected_snapshot"])
    assert row is not None
    found = {name: row[name] for name in ("decimal_c", "numeric_c", "date_c", "datetime3_c", "datetime6_c", "big_c")}
    assert found == {
        "decimal_c": "123.4567",
        "numeric_c": "346",
        "date_c": "2020-07-17",
        "datetime3_c": "2020-07-17T18:00:22.123000",
        "datetime6_c": "2020-07-17T18:00:22.123456",
        "big_c": "9223372036854775807",
    }
    assert row["timestamp_c"] == "2020-07-17T18:00:22Z"


@pytest.mark.parametrize("name", ["debezium-json.txt", "debezium-json-with-schema.txt"])
def test_logs_of_flinks_own_tests_end_in_the_same_rows(test_data: Path, tmp_path: Path, name: str) -> None:
    lines = [one for one in (test_data / "cdc/flink_cdc" / name).read_bytes().splitlines() if one.startswith(b"{")]
    rows = read(tmp_path, lines, ("id", "name", "address", "__deleted"))
    assert [row["fault"] for row in rows] == [None] * len(lines)
    last = {row["r0"]: row for row in rows}
    alive = {number: row["r2"] for number, row in last.items() if row["r3"] == "false"}
    assert len(last) > 5
    assert len(alive) >= 1


@given(JSON)
def test_anything_is_a_row_or_none(tree: Any) -> None:
    row = row_of(tree)
    assert row is None or row["__deleted"] in ("true", "false")
    for schema in (tree, {"fields": tree}, {"fields": [{"field": "after", "fields": tree}]}):
        row_of({"schema": schema, "payload": {"op": "c", "after": {"id": "1"}}})


@given(st.integers(), st.sampled_from(["io.debezium.time.Date", "io.debezium.time.NanoTimestamp"]))
def test_a_number_beyond_the_calendar_stays_a_number(value: int, kind: str) -> None:
    schema = {"fields": [{"field": "after", "fields": [{"field": "at", "name": kind}]}]}
    row = row_of({"schema": schema, "payload": {"op": "c", "after": {"at": str(value)}}})
    assert row is not None
    assert row["at"] == str(value) or "-" in row["at"]


def test_only_a_change_of_nothing_is_a_tombstone() -> None:
    assert [is_tombstone(line) for line in (b" null\n", b'{"payload": null}', b'{"schema":null,"payload":null}')] == [
        True
    ] * 3
    assert not any(is_tombstone(line) for line in (b"", b"{}", b'{"payload": 1}', b'{"payload"', b'["payload", null]'))
