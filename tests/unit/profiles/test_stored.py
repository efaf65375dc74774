"""A view as one value: what goes in comes out, and a list that is not known is not an empty one."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from profiles import start, stored
from profiles.online.person import Person, removed
from profiles.online.person import stored as write
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


class Store(dict[bytes, bytes]):
    """What is served, as a live change sees it."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value

    def delete(self, key: bytes) -> None:
        self.pop(key, None)


def served(name: str, *purposes: str) -> tuple[Store, Person]:
    """Return somebody served live for some purposes, and the store that they lie in."""
    store, person = Store(), Person.unknown(name, known=False)
    person.header["tokens"] = {"1:old": "own"}
    person.header["records"] = {"r": {"tokens": ["1:old"], "purposes": sorted(purposes)}}
    person.views = {purpose: {"profile_id": name} for purpose in purposes}
    write(store, person, purposes)
    return store, person


def test_no_view_stays_under_the_tokens_of_before() -> None:
    """A purpose that the policy does not name today may be named again: what was refused meanwhile holds for it."""
    store, person = served("a" * 32, "service", "email")
    person.header["tokens"]["1:new"] = "own"
    write(store, person, ("service",))
    lists = [unpacked(value)[1] for key, value in store.items() if key.startswith(b"v|")]
    assert lists == [b"1:new\n1:old"] * 2


def test_an_id_that_was_given_up_keeps_no_view() -> None:
    store, person = served("a" * 32, "service", "email")
    removed(store, person, "b" * 32, ("service",))
    assert {key[:2] for key in store} == {b"a|", b"o|"}


def test_a_generation_that_was_packed_by_another_rule_is_not_begun_from() -> None:
    assert Path(stored.__file__).read_bytes() in start._SOURCES
