"""Looking a source over: what is wrong with its files is told before anything is read, without repeating data."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.errors import SourceFileMalformed, SourceFilesMissing
from ingestion.lines import ndjson_batches
from ingestion.read import csv_batches
from ingestion.survey import survey

SMALL = """
source: crm
connector: {type: files, path: data/*, format: FORMAT}
record: person
key: id
fields: {given_name: name}
"""


def looked_over(folder: Any, declared: Any) -> Any:
    return survey(folder, declared, declared.connector)


@pytest.fixture
def surveyed(folder: Any, source: Any) -> Any:
    """Survey one file of the given content."""
    (folder / "data").mkdir()

    def look(content: bytes, kind: str = "csv") -> Any:
        (folder / "data" / "f").write_bytes(content)
        return looked_over(folder, source(SMALL.replace("FORMAT", kind)))

    return look


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"", 1, "the file is empty"),
        (b"id,nam\n1,x\n", 1, "column 'name' is missing; it has 'nam': rename it there"),
        (b"id\n1\n", 1, "column 'name' is missing; bring the column back"),
        (b"id,name,name\n", 1, "column 'name' is there twice"),
        (b"id;name\n1;x\n", 1, "declare connector.delimiter: ';'"),
        (b"id,nam\xe9\n", 1, "the header is not a line of UTF-8 text"),
        ("id,name\n".encode("utf-16"), 1, "the header is not a line of UTF-8 text"),
        (b'id,"name\n1,2\n', 1, "the header is not"),
    ],
)
def test_a_csv_file_that_is_not_what_was_declared(surveyed: Any, content: Any, line: Any, says: Any) -> None:
    with pytest.raises(SourceFileMalformed) as caught:
        surveyed(content)
    assert (caught.value.file, caught.value.line) == ("data/f", line)
    assert says in str(caught.value)


def test_a_person_in_the_place_of_the_header_is_not_repeated(surveyed: Any) -> None:
    with pytest.raises(SourceFileMalformed) as caught:
        surveyed(b"17,jane.doe@example.org\n")
    assert "jane" not in str(caught.value)


def test_a_json_array_is_told_from_json_lines(surveyed: Any) -> None:
    with pytest.raises(SourceFileMalformed, match="a JSON array instead of one object a line"):
        surveyed(b'\n[\n{"id": 1}]', "ndjson")


def test_a_file_that_is_no_parquet_or_holds_what_spark_cannot_read(surveyed: Any, folder: Any) -> None:
    with pytest.raises(SourceFileMalformed, match="not a whole Parquet file"):
        surveyed(b"PAR1 not really PAR1", "parquet")
    for column, says in (
        (pa.array([["x"]]), "holds lists or structures"),
        (pa.array([datetime(2020, 1, 1, tzinfo=UTC)], pa.timestamp("ns", "UTC")), "counts nanoseconds"),
    ):
        pq.write_table(pa.table({"id": ["1"], "name": column}), folder / "f")
        with pytest.raises(SourceFileMalformed, match=says):
            surveyed((folder / "f").read_bytes(), "parquet")


def test_parquet_columns_are_told_with_what_their_types_vouch_for(surveyed: Any, folder: Any) -> None:
    at = pa.array([datetime(2020, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    columns = {"id": [1], "name": ["x"], "price": [1.5], "at": at, "local": at.cast(pa.timestamp("us")), "list": [[1]]}
    pq.write_table(pa.table(columns), folder / "f")
    (file,) = surveyed((folder / "f").read_bytes(), "parquet")
    assert file.columns == ("id", "name", "price", "at", "local")
    assert file.natives == {"id": "integer", "price": "number", "at": "timestamp"}
    assert file.units == 1


def test_a_path_without_files_and_a_folder_among_files(folder: Any, source: Any) -> None:
    with pytest.raises(SourceFilesMissing, match="no file matches data/"):
        looked_over(folder, source(SMALL.replace("FORMAT", "csv")))
    (folder / "data" / "f").mkdir(parents=True)
    with pytest.raises(SourceFileMalformed, match="is a directory"):
        looked_over(folder, source(SMALL.replace("FORMAT", "csv")))


def test_units_count_what_the_readers_must_account_for(surveyed: Any, folder: Any) -> None:
    (csv,) = surveyed(b'id,name\n\n1,"x\ny"\n2,3,4\n')
    rows = [r for b in csv_batches(folder / "data/f", "f", csv.columns, None, None) for r in b.to_pylist()]
    assert csv.units == sum(row["lines"] for row in rows) == 3


def test_a_long_file_is_read_in_stretches_that_meet(surveyed: Any, folder: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("ingestion.survey.STRETCH", 20)
    lines = [b'{"id": %d}' % n for n in range(20)]
    (file,) = surveyed(b"\n".join(lines), "ndjson")
    assert len(file.stretches) > 1
    rows = [
        row
        for stretch in file.stretches
        for batch in ndjson_batches(folder / "data/f", stretch, ("id",))
        for row in batch.to_pylist()
    ]
    assert [(row["position"], row["r0"]) for row in rows] == [(n + 1, str(n)) for n in range(20)]
    assert file.units == 20


def test_a_long_csv_file_is_read_in_stretches_that_meet(surveyed: Any, folder: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("ingestion.survey.STRETCH", 40)
    records = [f'{n},"name, of {n}"' for n in range(20)]
    (file,) = surveyed("\n".join(["id,name", *records, '20,"two', 'lines"', '21,"stray', "22,x"]).encode())
    assert len(file.stretches) > 5
    rows = [
        row
        for stretch in file.stretches
        for batch in csv_batches(folder / "data/f", "f", ("id", "name"), None, None, stretch)
        for row in batch.to_pylist()
    ]
    assert [(r["position"], r["r0"]) for r in rows[:21]] == [(n + 2, str(n)) for n in range(21)]
    assert [(r["position"], r["fault"]) for r in rows[21:]] == [(24, "csv"), (25, None)]
    assert file.units == sum(row["lines"] for row in rows)


def test_equal_files_have_equal_digests(surveyed: Any) -> None:
    (one,) = surveyed(b"id,name\n1,x\n")
    (two,) = surveyed(b"id,name\n1,x\n")
    (three,) = surveyed(b"id,name\n1,y\n")
    assert one == two
    assert one.sha256 != three.sha256
