"""A view as one value: what goes in comes out, and a list that is not known is not an empty one."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from profiles import start, stored
from profiles.stored import ETAG_BYTES, answered, held_anew, packed, unpacked

TAGS = st.binary(min_size=ETAG_BYTES, max_size=ETAG_BYTES)
LISTS = st.none() | st.binary(max_size=400)


@given(tag=TAGS, body=st.binary(max_size=400), held=LISTS, later=LISTS)
def test_what_is_packed_is_unpacked(tag: bytes, body: bytes, held: bytes | None, later: bytes | None) -> None:
    value = packed(tag, body, held)
    assert unpacked(value) == (tag, held, body)
    assert answered(value) == body
    assert held_anew(value, later) == packed(tag, body, later)


def test_a_long_list_is_kept_whole() -> None:
    held = b"1:" + b"f" * 1_000_000
    assert unpacked(packed(b"t" * ETAG_BYTES, b"{}", held)) == (b"t" * ETAG_BYTES, held, b"{}")


def test_a_generation_that_was_packed_by_another_rule_is_not_begun_from() -> None:
    assert Path(stored.__file__).read_bytes() in start._SOURCES
