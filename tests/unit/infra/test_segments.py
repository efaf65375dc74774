"""A segment's lines: what was written is read, and what was hurt costs itself alone (fault F3)."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.log.segments import Damage, body_of, is_source, line, moment_of, read_lines, recovered, segment_name

BODIES = [
    b'{"m":"one","e":{"type":"track"}}',
    '{"m":"two","e":{"name":"Zoë","n":9007199254740993}}'.encode(),
    b'{"m":"three"}',
]
LINES = [line(body) for body in BODIES]


def read(data: bytes) -> list[bytes | Damage]:
    return list(read_lines(io.BytesIO(data)))


def test_a_line_is_json_and_says_its_digest() -> None:
    assert line(b"{}") == b'{"c":"a3a6bf43","e":{}}\n'
    assert [json.loads(one)["e"] for one in LINES] == [json.loads(body) for body in BODIES]
    assert read(b"".join(LINES)) == BODIES
    assert read(b"") == []


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("hurt", range(3))
def test_a_flipped_bit_costs_its_own_line(bit: int, hurt: int) -> None:
    begin = sum(len(one) for one in LINES[:hurt])
    for at in range(len(LINES[hurt])):
        data = bytearray(b"".join(LINES))
        data[begin + at] ^= 1 << bit
        found = read(bytes(data))
        wanted: list[object] = list(BODIES)
        wanted[hurt] = Damage(begin, len(LINES[hurt]))
        assert found == wanted, at


@pytest.mark.parametrize("cut", range(len(b"".join(LINES)) + 1))
def test_a_torn_tail_is_cut_off_and_nothing_else(cut: int) -> None:
    data = b"".join(LINES)[:cut]
    ends = [sum(len(one) for one in LINES[:n]) for n in range(4)]
    keep = max(end for end in ends if end <= cut)
    found = recovered(io.BytesIO(data))
    assert (found.keep, found.lines, found.damaged) == (keep, ends.index(keep), 0)
    assert read(data[:keep]) == BODIES[: found.lines]
    # a sealed file that lost its end says so
    assert read(data) == BODIES[: found.lines] + ([Damage(keep, cut - keep)] if cut > keep else [])


def test_damage_that_lines_follow_is_kept_for_the_reader() -> None:
    for at in range(len(LINES[1])):
        data = bytearray(b"".join(LINES))
        data[len(LINES[0]) + at] ^= 0x10
        found = recovered(io.BytesIO(bytes(data) + b'{"c":"0'))
        assert (found.keep, found.lines, found.damaged) == (len(data), 2, 1)


def test_two_hurt_neighbours_are_two_damages() -> None:
    data = bytearray(b"".join(LINES))
    data[30] ^= 1
    data[len(LINES[0]) + 30] ^= 1
    assert read(bytes(data)) == [Damage(0, len(LINES[0])), Damage(len(LINES[0]), len(LINES[1])), BODIES[2]]


def test_an_event_cannot_pass_for_another() -> None:
    """An event that holds what looks like a line, its digest included, gives no second event when it is hurt."""
    beyond = b'"x"}}'  # what a reader who begins at the inner head takes for a body: it has the outer braces' ends
    event = b'{"p":{"c":"' + line(beyond)[6:14] + b'","e":"x"}}'
    hurt = bytearray(line(event) + LINES[0])
    hurt[2] ^= 1
    inner = bytes(hurt[hurt.index(b'{"c":', 5) : hurt.index(b"\n") + 1])
    assert body_of(inner) == beyond
    assert read(bytes(hurt)) == [Damage(0, len(line(event))), BODIES[0]]


def test_a_hurt_event_full_of_heads_is_given_up_soon() -> None:
    event = b'{"p":[' + b",".join([b'{"c":"00000000","e":1}'] * 100_000) + b"]}"
    hurt = bytearray(line(event) + LINES[0])
    hurt[2] ^= 1
    assert read(bytes(hurt)) == [Damage(0, len(line(event))), BODIES[0]]


@given(st.binary(max_size=200))
def test_noise_is_never_an_event(noise: bytes) -> None:
    assert all(isinstance(one, Damage) for one in read(noise))
    assert recovered(io.BytesIO(noise)).keep == 0
    found = read(LINES[0] + noise + b"\n" + LINES[2])
    assert (found[0], found[-1]) == (BODIES[0], BODIES[2])
    assert sum(one.length for one in found if isinstance(one, Damage)) == len(noise) + 1


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), max_size=20))
def test_what_is_written_is_read(events: list[dict[str, object]]) -> None:
    bodies = [json.dumps(event).encode() for event in events]
    data = b"".join(line(body) for body in bodies)
    assert read(data) == bodies
    assert recovered(io.BytesIO(data)).keep == len(data)


def test_names_go_up_whatever_the_clock_says() -> None:
    first = segment_name(1_790_000_000_000, "0a0b0c0d", 0)
    assert first == "1790000000000-0a0b0c0d"
    assert moment_of(first + ".open") == moment_of(first + ".ndjson") == 1_790_000_000_000
    assert segment_name(5, "00000000", 1_790_000_000_000) > first
    assert [moment_of(name) for name in (first, ".probe", "x.ndjson", first + ".ndjson.bak", "../" + first)] == [
        None
    ] * 5


def test_a_source_has_a_plain_name() -> None:
    assert all(is_source(name) for name in ("web", "a", "shop_2", "a" * 63))
    assert not any(is_source(name) for name in ("", "Web", "..", "a/b", "a.b", "2a", "_a", "a" * 64, "a\n", "ä"))
