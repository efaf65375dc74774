"""A CSV file that is cut gives the rows of the whole one, wherever it is cut and whatever its quotes do."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.cuts import csv_stretches
from ingestion.read import csv_batches

COLUMNS = ("a", "b")
fields = st.sampled_from(
    ["", "1", "x y", '"1"', '"x,y"', '"x""y"', '""', '"x\ny"', 'x"y', '"x"y', '"', '"" ""', "é", "\r"]
)
plain = st.sampled_from(["1", "x y", '"1"', '"x,y"', '"x""y"', '""', '""""', '"é"', "\ufeff", '"\x85"', "\u2028"])
ends = st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", " \n", "\r"])


def rows(batches: Any) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


@st.composite
def files(draw: Any) -> bytes:
    """Draw a file: mostly of whole records, at times with one that is none."""
    cells = draw(st.sampled_from([plain, plain, st.one_of(plain, fields)]))
    records = draw(st.lists(st.lists(cells, min_size=1, max_size=3).map(",".join), min_size=1, max_size=12))
    text = "".join(record + draw(ends) for record in records)
    head = draw(
        st.sampled_from(["a,b\n", "\ufeffa,b\n", '"a","b"\r\n', "\nb,a\n", "\n\n \n\ufeffa,b\n", '\ufeff"a",b\n'])
    )
    broken = draw(st.sampled_from([b"", b"", b"\xff,1\n", b"\xc3\n", b'"\xe2\x80",\n']))
    return head.encode() + text.encode() + broken + draw(st.sampled_from([b"", b"1,2", b'1,"2"']))


@given(files(), st.integers(1, 30), st.sampled_from([None, "utf-8", "cp1252"]))
@example(b'a,b\n1,"x\n2,3\n4",5\n6,7\n', 1, None)
@example(b'a,b\n1,x"\n2,"3\n4,5\n', 1, None)
@example(b'a,b\n1,2\n"x"\n,"3"\n4,5\n', 8, None)
def test_the_parts_are_the_whole(data: bytes, size: int, encoding: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "f.csv"
        file.write_bytes(data)
        try:
            whole = rows(csv_batches(file, "f.csv", COLUMNS, encoding, None))
        except UnicodeError:
            return
        cut = csv_stretches(file, "f.csv", encoding, ",", size)
        if cut:
            parts = [row for one in cut for row in rows(csv_batches(file, "f.csv", COLUMNS, encoding, None, one))]
            assert parts == whole
            assert [one.end for one in cut[:-1]] == [one.start for one in cut[1:]]


def test_most_files_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    for record in (b'1,"x,y"\n', b"1,2\r\n", b'"""x""",""\n'):
        file.write_bytes(b'"a",b\n' + record * 50)
        assert len(csv_stretches(file, "f.csv", None, ",", 40)) > 5
    file.write_bytes(b"a,b\n" + b"1,2\n" * 50 + b'1,"x\ny"\n' + b"3,4\n" * 50)
    cut = csv_stretches(file, "f.csv", None, ",", 40)
    assert 3 < len(cut) < 7
    assert cut[-1].end == file.stat().st_size
