"""Files that are packed, and JSON files that are one array: the same rows as from plain files, or none."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.arrays import NoArray, array_batches, entries
from ingestion.errors import SourceFileMalformed, SourceFilesMissing
from ingestion.lines import ndjson_batches
from ingestion.model import Stretch
from ingestion.read import csv_batches
from ingestion.survey import survey

SMALL = """
source: crm
connector: {type: files, path: PATH, format: FORMAT}
record: person
key: id
fields: {given_name: name}
"""


def zst(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zst,
}
LINES = b"".join(b'{"id": %d, "name": "N%d"}\n' % (n, n * n) for n in range(3000))


def rows_of(batches: Any) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_has_the_rows_of_the_plain_one(folder: Any, source: Any, suffix: str) -> None:
    (folder / f"a.ndjson{suffix}").write_bytes(PACKERS[suffix](LINES))
    (folder / f"a.csv{suffix}").write_bytes(PACKERS[suffix]("id,name\n1,Zo\u00eb\n".encode()))
    declared = source(SMALL.replace("PATH", f"a.ndjson{suffix}").replace("FORMAT", "ndjson"))
    (file,) = survey(folder, declared, declared.connector)
    assert (file.units, len(file.stretches)) == (3000, 1)
    rows = rows_of(ndjson_batches(folder / file.path, file.stretches[0], ("id", "name")))
    assert [(r["position"], r["r0"]) for r in rows] == [(n + 1, str(n)) for n in range(3000)]
    declared = source(SMALL.replace("PATH", f"a.csv{suffix}").replace("FORMAT", "csv"))
    (file,) = survey(folder, declared, declared.connector)
    assert file.columns == ("id", "name")
    assert [r["r1"] for r in rows_of(csv_batches(folder / file.path, "f", file.columns, None, None))] == ["Zo\u00eb"]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("kind", ["ndjson", "csv", "json"])
def test_a_packed_file_that_is_cut_off_or_damaged_is_named_and_not_read(
    folder: Any, source: Any, suffix: str, kind: str
) -> None:
    whole = PACKERS[suffix](LINES.replace(b'{"id": 0', b'id,name\n{"id": 0', 1) if kind == "csv" else LINES)
    declared = source(SMALL.replace("PATH", f"a{suffix}").replace("FORMAT", kind))
    damaged = whole[:100] + bytes(50) + whole[150:]  # which zst can only know if it was packed with a checksum
    for broken in (whole[:-7], whole[: len(whole) // 2], b"no such thing", *([damaged] if suffix != ".zst" else [])):
        (folder / f"a{suffix}").write_bytes(broken)
        with pytest.raises(SourceFileMalformed, match=f"a{suffix}: cannot be unpacked to its end; pack it again"):
            survey(folder, declared, declared.connector)


def test_several_patterns_are_one_source_and_each_has_to_name_a_file(folder: Any, source: Any) -> None:
    for name in ("b/1.csv", "a/2.csv", "a/3.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("id,name\n1,x\n")
    declared = source(SMALL.replace("PATH", "['b/*.csv', 'a/*', 'a/2.csv']").replace("FORMAT", "csv"))
    assert [file.path for file in survey(folder, declared, declared.connector)] == ["b/1.csv", "a/2.csv", "a/3.csv"]
    declared = source(SMALL.replace("PATH", "['b/*.csv', 'c/*.csv']").replace("FORMAT", "csv"))
    with pytest.raises(SourceFilesMissing, match=r"no file matches c/\*.csv"):
        survey(folder, declared, declared.connector)


def test_the_entries_of_an_array_are_rows_with_their_numbers_as_written(folder: Any) -> None:
    file = folder / "a.json"
    file.write_bytes(b'\xef\xbb\xbf {"data": {"items": [{"id": 1.50, "x": {"y": [1]}}, 7, {"id": "\xff"}, null]}}')
    rows = rows_of(array_batches(file, "a.json", ("data", "items"), ("id", "x.y")))
    assert [(r["position"], r["fault"], r["r0"], r["r1"]) for r in rows] == [
        (1, None, "1.50", '["1"]'),
        (2, "json", None, None),
        (3, "encoding", None, None),
        (4, "json", None, None),
    ]


@pytest.mark.parametrize(
    ("content", "records", "says"),
    [
        (b"", (), "not whole JSON"),
        (b'[{"id": 1},', (), "not whole JSON"),
        (b'[{"id": 1}] 2', (), "not whole JSON"),
        (b"[" * 100_000, (), "nested deeper"),
        (b'{"id": 1}', (), "no JSON array"),
        (b'{"data": [1]}', ("data", "items"), "no object that has 'items'"),
        (b'{"data": 1}', ("data",), "no array at 'data'"),
        (b'{"\xff": []}', ("data",), "no"),
    ],
)
def test_a_file_without_the_array_is_told_without_its_values(
    folder: Any, content: bytes, records: Any, says: str
) -> None:
    (folder / "a.json").write_bytes(content)
    with pytest.raises(NoArray, match=says):
        entries(folder / "a.json", records)


def test_the_survey_says_what_would_be_right(folder: Any, source: Any) -> None:
    (folder / "a.json").write_text('{"people": []}')
    declared = source(SMALL.replace("PATH", "a.json").replace("FORMAT", "json"))
    with pytest.raises(SourceFileMalformed, match=r"no JSON array; .* or name the array inside with connector.records"):
        survey(folder, declared, declared.connector)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.dictionaries(st.text(max_size=3), st.text() | st.integers() | st.none() | st.lists(st.text()))))
def test_an_array_and_its_lines_have_the_same_rows(tmp_path: Any, objects: list[dict[str, Any]]) -> None:
    (tmp_path / "a").write_text(json.dumps(objects))
    lines = "".join(json.dumps(one) + "\n" for one in objects).encode()
    (tmp_path / "b").write_bytes(lines)

    columns = ("", "a", "b")
    whole = rows_of(array_batches(tmp_path / "a", "f", (), columns))
    by_line = rows_of(ndjson_batches(tmp_path / "b", Stretch("f", 0, len(lines), 1), columns)) if lines else []
    assert whole == by_line
