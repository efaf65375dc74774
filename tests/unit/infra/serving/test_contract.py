"""What every serving store does: generations that appear whole, changes that can be undone, a way back."""

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.errors import Missing, Unavailable
from infra.serving.store import UNDO, KeyValue, NothingBefore, ServingStore

PUBLISHED = {b"t|ann": b"1", b"v|ads|1": b"Ann", b"v|ads|2": b"Bob", b"v|mail|1": b"Ann too"}


def build(store: ServingStore, name: str, content: Mapping[bytes, bytes], base: str | None = None) -> None:
    with store.building(name, base) as writer:
        for key, value in content.items():
            writer.put(key, value)


def publish(
    store: ServingStore, name: str, content: Mapping[bytes, bytes] = PUBLISHED, base: str | None = None
) -> None:
    build(store, name, content, base)
    store.publish(name)


def held(reader: KeyValue) -> dict[bytes, bytes]:
    return dict(reader.items(b""))


def test_before_the_first_publication_there_is_nothing(store: ServingStore) -> None:
    assert store.name() is None
    assert store.kept() == ()
    with pytest.raises(Missing, match="kindred run"):
        store.current()
    with pytest.raises(Missing, match="kindred run"):
        store.live()
    with pytest.raises(NothingBefore, match="kindred run"):
        store.rollback()


def test_a_generation_appears_whole(store: ServingStore) -> None:
    publish(store, "1")
    with store.building("2") as writer:
        writer.put(b"v|ads|1", b"Anna")
        writer.put(b"v|ads|3", b"Cat")
        writer.delete(b"v|ads|3")
        writer.delete(b"nobody")
        assert [writer.get(key) for key in (b"v|ads|1", b"v|ads|3", b"nobody")] == [b"Anna", None, None]
        assert store.current().get(b"v|ads|1") == b"Ann"
    assert store.name() == "1"
    store.publish("2")
    assert store.name() == "2"
    assert held(store.current()) == {b"v|ads|1": b"Anna"}


def test_what_an_error_ended_is_never_served_and_can_be_built_again(store: ServingStore) -> None:
    publish(store, "1")
    with suppress(RuntimeError), store.building("2") as writer:
        writer.put(b"v|ads|1", b"wrong")
        writer.put(b"v|ads|9", b"wrong")
        raise RuntimeError
    assert held(store.current()) == PUBLISHED
    publish(store, "2", {b"k": b"v"})
    assert held(store.current()) == {b"k": b"v"}


def test_reads_by_key_by_several_and_by_prefix_in_order(store: ServingStore) -> None:
    publish(store, "1", {**PUBLISHED, b"v|ads|10": b"", b"v|ads|\xc3\xa9": b"bytes\0\xff"})
    reader = store.current()
    assert reader.get(b"v|ads|2") == b"Bob"
    assert reader.get(b"v|ads|") is None
    assert reader.get(b"v|ads|10") == b""
    assert reader.get(b"x" * 600) is None
    assert reader.values(b"v|ads|2", b"nobody", b"t|ann") == [b"Bob", None, b"1"]
    assert reader.values() == []
    assert [key for key, _ in reader.items(b"v|ads|")] == [b"v|ads|1", b"v|ads|10", b"v|ads|2", b"v|ads|\xc3\xa9"]
    assert list(reader.items(b"w")) == []


def test_a_publication_keeps_one_generation_before_it(store: ServingStore) -> None:
    for name in ("1", "2", "3"):
        publish(store, name, {b"k": name.encode()})
    assert store.kept() == ("2", "3")
    assert store.reader("2").get(b"k") == b"2"
    assert store.remove_older() == 1
    assert store.kept() == ("3",)
    assert store.remove_older() == 0
    with pytest.raises(NothingBefore):
        store.rollback()


def test_a_generation_that_is_published_twice_keeps_the_one_before_it(store: ServingStore) -> None:
    publish(store, "1")
    publish(store, "2")
    store.publish("2")
    assert store.kept() == ("1", "2")


def test_a_rollback_serves_the_generation_before_and_only_that(store: ServingStore) -> None:
    publish(store, "1", {b"k": b"one"})
    publish(store, "2", {b"k": b"two"})
    assert store.rollback() == "1"
    assert store.name() == "1"
    assert held(store.current()) == {b"k": b"one"}
    with pytest.raises(NothingBefore):
        store.rollback()
    assert "2" in store.kept()
    publish(store, "3", {b"k": b"three"}, base="1")
    assert store.kept() == ("1", "3")
    assert store.rollback() == "1"


def test_a_generation_that_was_rolled_back_can_be_made_again(store: ServingStore) -> None:
    publish(store, "1", {b"k": b"one"})
    publish(store, "2", {b"k": b"two"})
    assert held(store.current()) == {b"k": b"two"}
    store.rollback()
    publish(store, "2", {b"k": b"too"})  # nobody has looked meanwhile, and the name is the one that was looked at
    assert held(store.current()) == {b"k": b"too"}
    assert store.rollback() == "1"


def test_a_live_change_is_seen_whole_by_readers_that_are_open(store: ServingStore) -> None:
    publish(store, "1")
    reader = store.current()
    live = store.live()
    with live.change() as change:
        change.put(b"v|ads|1", b"Anna")
        change.put(b"v|ads|3", b"Cat")
        change.delete(b"v|ads|2")
        assert change.get(b"v|ads|1") == b"Anna"
        assert change.get(b"v|ads|2") is None
        assert change.get(b"v|ads|3") == b"Cat"
        assert change.get(b"t|ann") == b"1"
        assert held(reader) == PUBLISHED
    assert reader.values(b"v|ads|1", b"v|ads|2", b"v|ads|3") == [b"Anna", None, b"Cat"]
    live.close()


def test_a_change_that_fails_changes_nothing(store: ServingStore) -> None:
    publish(store, "1")
    live = store.live()
    with suppress(RuntimeError), live.change() as change:
        change.put(b"v|ads|1", b"wrong")
        change.delete(b"t|ann")
        raise RuntimeError
    assert held(store.current()) == PUBLISHED
    with live.change() as change:
        change.put(b"v|ads|1", b"Anna")
    assert store.current().get(b"v|ads|1") == b"Anna"
    live.close()


def test_a_live_writer_notices_that_another_generation_is_served(store: ServingStore) -> None:
    publish(store, "1")
    live = store.live()
    assert (live.name, live.moved()) == ("1", False)
    publish(store, "2")
    assert live.moved()
    with live.change() as change:  # too late to be seen, and no harm
        change.put(b"v|ads|1", b"late")
    assert held(store.current()) == PUBLISHED
    live.close()
    following = store.live()
    assert (following.name, following.moved()) == ("2", False)
    store.rollback()
    assert following.moved()
    following.close()


def test_a_built_generation_can_be_changed_before_it_is_served(store: ServingStore) -> None:
    publish(store, "1")
    build(store, "2", PUBLISHED)
    live = store.live("2")
    with live.change() as change:
        change.put(b"v|ads|1", b"newer than the build")
    assert held(store.current()) == PUBLISHED
    assert not live.moved()
    store.publish("2")
    assert store.current().get(b"v|ads|1") == b"newer than the build"
    assert not live.moved()
    live.close()


def test_the_next_generation_begins_with_what_was_published_not_with_what_changed_since(store: ServingStore) -> None:
    publish(store, "1")
    live = store.live()
    for turn in (b"first", b"second"):
        with live.change() as change:
            change.put(b"v|ads|1", turn)
            change.put(b"v|ads|3", turn)
            change.delete(b"v|ads|2")
    live.close()
    publish(store, "2", {b"v|mail|1": b"new"}, base="1")
    assert held(store.current()) == PUBLISHED | {b"v|mail|1": b"new"}
    assert list(store.current().items(UNDO)) == []
    assert store.reader("1").get(b"v|ads|3") == b"second"


def test_nobody_meets_what_is_kept_for_undoing(store: ServingStore) -> None:
    publish(store, "1")
    live = store.live()
    with live.change() as change:
        change.put(b"v|ads|1", b"Anna")
        change.put(b"v|ads|3", b"Cat")
    for reader in (store.current(), store.current().snapshot()):
        assert held(reader) == PUBLISHED | {b"v|ads|1": b"Anna", b"v|ads|3": b"Cat"}
        assert list(reader.items(b"u")) == []
        assert {key: value[1:] for key, value in reader.items(UNDO)} == {
            UNDO + b"v|ads|1": b"Ann",
            UNDO + b"v|ads|3": b"",
        }
    with pytest.raises(ValueError, match="undoing"), live.change() as change:
        change.put(UNDO + b"v|ads|1", b"forged")
    live.close()


def test_what_was_read_once_is_read_of_the_same_generation_again(store: ServingStore) -> None:
    publish(store, "1")
    snapshot = store.current().snapshot()
    assert snapshot.snapshot().get(b"v|ads|1") == b"Ann"
    publish(store, "2", {b"v|ads|1": b"Anna"})
    assert snapshot.values(b"v|ads|1", b"v|ads|2") == [b"Ann", b"Bob"]
    assert [key for key, _ in snapshot.items(b"v|ads|")] == [b"v|ads|1", b"v|ads|2"]
    assert store.current().get(b"v|ads|1") == b"Anna"


KEYS = st.sampled_from([b"a", b"b", b"v|1", b"v|2", b"u", b"t|", b"v|\xff"])
EDITS = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=3)), max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(published=st.dictionaries(KEYS, st.binary(max_size=3)), changes=st.lists(EDITS, max_size=4), built=EDITS)
def test_any_changes_are_seen_and_undone(
    store: ServingStore, published: dict[bytes, bytes], changes: list[list[tuple[bytes, bytes | None]]],
    built: list[tuple[bytes, bytes | None]],
) -> None:  # fmt: skip
    number = int(store.name() or "0") + 1
    publish(store, str(number), published)
    live, expected = store.live(), dict(published)
    for edits in changes:
        with live.change() as change:
            for key, value in edits:
                _edit(change, expected, key, value)
                assert change.get(key) == expected.get(key)
        assert held(store.current()) == expected
    live.close()
    following = dict(published)
    with store.building(str(number + 1), str(number)) as writer:
        for key, value in built:
            _edit(writer, following, key, value)
    store.publish(str(number + 1))
    assert held(store.current()) == following
    assert store.rollback() == str(number)
    assert held(store.current()) == expected
    publish(store, str(number + 2))


def _edit(target: object, expected: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        target.delete(key)  # type: ignore[attr-defined]
        expected.pop(key, None)
    else:
        target.put(key, value)  # type: ignore[attr-defined]
        expected[key] = value


def test_a_generation_in_another_layout_is_refused_and_the_next_is_not(
    store: ServingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("infra.serving.sums.LAYOUT", 1)
        older.setattr("infra.serving.remote_writes.SAID", b"1")
        older.setattr("infra.serving.remote.SAID", b"1")
        publish(store, "1")
        publish(store, "2")
    for look in (
        lambda: store.current().get(b"v|ads|1"),
        lambda: store.current().values(b"t|ann"),
        lambda: list(store.current().items(b"v|")),
        lambda: store.current().snapshot().get(b"v|ads|1"),
        lambda: changed_live(store),
    ):
        with pytest.raises(Unavailable, match="kindred publish"):
            look()
    with pytest.raises((Unavailable, NothingBefore), match="kindred"):
        store.rollback()
    publish(store, "3")
    assert held(store.current()) == PUBLISHED


def changed_live(store: ServingStore) -> None:
    with store.live().change() as change:
        change.put(b"v|ads|1", b"Anna")
