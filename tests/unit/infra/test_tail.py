"""The spool read while it is written: what moves in between is found at the next look, and in its place."""

from pathlib import Path

from infra.log.segments import line
from infra.log.tail import Place, read_on


def segment(folder: Path, moment: int, *bodies: bytes) -> Path:
    path = folder / f"{moment:013d}-0000000a.ndjson"
    path.write_bytes(b"".join(map(line, bodies)))
    return path


def test_a_segment_that_is_put_aside_meanwhile_is_not_passed_over(tmp_path: Path) -> None:
    waiting, kept = tmp_path / "waiting", tmp_path / "kept"
    waiting.mkdir()
    kept.mkdir()
    segment(waiting, 1, b'{"a":1}')
    second = segment(waiting, 2, b'{"a":2}')
    segment(waiting, 3, b'{"a":3}')
    reading = read_on((waiting, kept), None)
    first = next(reading)
    second.rename(kept / second.name)
    assert list(reading) == []
    rest = [found for read in read_on((waiting, kept), first.place) for _, found in read.entries]
    assert rest == [b'{"a":2}', b'{"a":3}']


def test_half_a_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    path, whole = tmp_path / f"{1:013d}-0000000a.open", line(b'{"a":1}')
    path.write_bytes(whole + whole[:9])
    (read,) = read_on((tmp_path,), None)
    assert read.place == Place(path.stem, len(whole))
    assert list(read_on((tmp_path,), read.place)) == []
    path.write_bytes(whole + whole)
    (more,) = read_on((tmp_path,), read.place)
    assert [found for _, found in more.entries] == [b'{"a":1}']
