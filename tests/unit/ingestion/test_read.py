"""Readers: every row has its line, and no row is lost to its neighbour's faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.lines import ndjson_batches
from ingestion.model import Stretch
from ingestion.read import csv_batches, csv_records


def rows_of(batches: Any) -> Any:
    return [row for batch in batches for row in batch.to_pylist()]


def csv_rows(path: Path, content: bytes, columns: Any = ("a", "b"), encoding: Any = None, delimiter: Any = None) -> Any:
    path.write_bytes(content)
    return rows_of(csv_batches(path, "f.csv", columns, encoding, delimiter))


def told(rows: Any) -> Any:
    return [(row["position"], row["fault"], row["r0"]) for row in rows]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n3,4\n", [(2, None, "1"), (3, None, "3")]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [(2, None, "1")]),
        (b"a,b\n\n1,2\n   \n3,4", [(3, None, "1"), (5, None, "3")]),
        (b"a,b\n1,2,3\n4\n5,6\n", [(2, "csv", None), (3, "csv", None), (4, None, "5")]),
        (b'a,b\n"x\ny",2\n3,4\n', [(2, None, "x\ny"), (4, None, "3")]),
        (b'a,b\n"x,2\n3,4\n5,6\n', [(2, "csv", None), (3, None, "3"), (4, None, "5")]),
        (b'a,b\n1,"x"y\n3,4\n', [(2, "csv", None), (3, None, "3")]),
        (b'a,b\n"x\ny",2,3\n3,4\n', [(2, "csv", None), (4, None, "3")]),
        (b"a,b\n1,\xff\n3,4\n", [(2, "encoding", None), (3, None, "3")]),
        (b"b,x,a\n1,2,3\n", [(2, None, "3")]),
        (b"b , x,\ta \n1,2,3\n", [(2, None, "3")]),
    ],
)
def test_csv_rows_keep_their_lines(tmp_path: Any, content: Any, expected: Any) -> None:
    assert told(csv_rows(tmp_path / "f.csv", content)) == expected


def test_a_csv_row_that_cannot_be_read_is_kept_as_it_was(tmp_path: Any) -> None:
    ragged, odd = csv_rows(tmp_path / "f.csv", b"a,b\n1,2,3\n1,\xff\n")
    assert json.loads(ragged["payload"]) == {"line": "1,2,3"}
    assert json.loads(odd["payload"]) == {"line": "1,\\xff"}


def test_declared_encodings_and_delimiters_are_obeyed(tmp_path: Any) -> None:
    rows = csv_rows(tmp_path / "f.csv", "a;b\nZoë;2\n".encode("utf-16"), encoding="utf-16", delimiter=";")
    assert told(rows) == [(2, None, "Zoë")]
    assert told(csv_rows(tmp_path / "f.csv", b"a,b\nZo\xeb,2\n", encoding="cp1252")) == [(2, None, "Zoë")]


def test_a_column_that_one_file_lacks_is_empty(tmp_path: Any) -> None:
    assert csv_rows(tmp_path / "f.csv", b"a\n1\n")[0]["r1"] is None


def test_every_filled_line_belongs_to_one_record() -> None:
    text = 'a,b\n"x\n\ny",2\n\n1,2,3\n"oops,1\n4,5\n'
    filled = sum(1 for line in text.splitlines() if line.strip())
    assert sum(record.filled for record in csv_records(text.splitlines(keepends=True), ",")) == filled


def ndjson_rows(path: Path, content: bytes, columns: Any = ("a", "b.c"), start: Any = 0, line: Any = 1) -> Any:
    path.write_bytes(content)
    return rows_of(ndjson_batches(path, Stretch("f.ndjson", start, len(content), line), columns))


@pytest.mark.parametrize(
    ("line", "fault", "values"),
    [
        (b'{"a": "x", "b": {"c": "y"}}', None, ("x", "y")),
        (b'{"a": 1.50, "b": {"c": true}}', None, ("1.50", "true")),
        (b'{"a": [1, {"d": 2}], "b": null}', None, ('["1",{"d":"2"}]', None)),
        (b'{"a": 12345678901234567890, "b": "flat"}', None, ("12345678901234567890", None)),
        (b'{"a": 1', "json", (None, None)),
        (b'{"a": 1} {"a": 2}', "json", (None, None)),
        (b'{"a": NaN}', "json", (None, None)),
        (b"[1]", "json", (None, None)),
        (b"nothing", "json", (None, None)),
        (b'{"a": "\xff"}', "encoding", (None, None)),
        (b'{"a": "\\ud800"}', "encoding", (None, None)),
        (b'{"a": "\\ud83d\\ude00"}', None, ("\U0001f600", None)),
        (b"[" * 100_000, "json", (None, None)),
    ],
)
def test_json_is_read_strictly_and_numbers_keep_their_digits(tmp_path: Any, line: Any, fault: Any, values: Any) -> None:
    (row,) = ndjson_rows(tmp_path / "f", b"\n" + line + b"\n\n")
    assert (row["position"], row["fault"]) == (2, fault)
    assert (row["r0"], row["r1"]) == values


def test_an_object_at_the_edge_of_what_can_be_read_costs_its_line_only(tmp_path: Any) -> None:
    edge = range(900, 1000)
    lines = [b'{"a": 1}', *(b'{"a":' + b"[" * depth + b"]" * depth + b"}" for depth in edge), b'{"a": 2}']
    rows = ndjson_rows(tmp_path / "f", b"\n".join(lines))
    assert [row["position"] for row in rows] == list(range(1, len(lines) + 1))
    assert (rows[0]["r0"], rows[-1]["r0"]) == ("1", "2")
    assert {row["fault"] for row in rows} <= {None, "json"}


def test_a_stretch_begins_where_it_is_told_with_its_line_number(tmp_path: Any) -> None:
    content = b'{"a": 1}\n{"a": 2}\n{"a": 3}\n'
    assert told(ndjson_rows(tmp_path / "f", content, start=9, line=2)) == [(2, None, "2"), (3, None, "3")]
