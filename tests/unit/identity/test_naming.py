"""One name, two who could inherit it in one batch: one does, and everybody is told the same."""

from datetime import date
from typing import Any, cast

import pytest
from worlds import CONFIG, Lake

from identity.fields.features import Value, features

Row = dict[str, Any]


def row(key: str, arrival: int, *, known: bool = True, **identifiers: str) -> Row:
    held = [Value(kind, value, f"1:{kind}:{value}") for kind, value in identifiers.items()]
    made = features({}, held, CONFIG.identifiers, date(2026, 11, 1))
    plain = {
        "record_key": key,
        "source": "crm",
        "key": key,
        "kind": "person",
        "content_hash": key,
        "jurisdiction": None,
    }
    declared = {name: getattr(made, name) for name in made.__dataclass_fields__ if name != "identifiers"}
    values = [{name: getattr(one, name) for name in one.__dataclass_fields__} for one in held]
    return {**plain, "known": known, "arrival": arrival, **declared, "identifiers": values}


def batch(lake: Lake, fresh: list[Row], gone: list[str], taken: list[tuple[str, str]]) -> None:
    wishes: set[Any] = set()
    lake.resolve(fresh, gone, wishes, taken)
    lake.commit(wishes)


def profiles(lake: Lake) -> dict[str, str]:
    return dict(lake.rows("membership", "record_key", "profile_id"))


def told(lake: Lake) -> list[tuple[str, str, str]]:
    rows = [r for r in lake.tables["identity_events"].to_pylist() if r["batch"] == lake.batch]
    return sorted((r["kind"], r["profile_id"], r["record_key"] or r["other_id"]) for r in rows)


def heirs(lake: Lake, name: str) -> list[str]:
    rows = [r for r in lake.tables["succession"].to_pylist() if r["id"] == name and r["batch"] == lake.batch]
    return [r["heir"] for r in rows]


@pytest.mark.parametrize("taken", [[("anon", "left"), ("anon", "right")], [("anon", "right"), ("anon", "left")]])
def test_of_two_who_took_over_an_anonymous_record_the_smaller_key_inherits(taken: list[tuple[str, str]]) -> None:
    lake = Lake()
    batch(lake, [row("left", 1, email="l@example.org"), row("right", 2, email="r@example.org"),
                 row("anon", 3, known=False, device="d1")], [], [])  # fmt: skip
    batch(lake, [], ["anon"], taken)
    assert heirs(lake, "anon") == ["left"]
    assert profiles(lake) == {"left": "left", "right": "right"}
    assert lake.rows("profile_alias", "alias_id", "profile_id") == {("anon", "left")}
    assert told(lake) == [("LEFT", "anon", "anon"), ("MERGED", "left", "anon")]


def test_who_took_over_goes_before_who_was_with_it() -> None:
    lake = Lake()
    batch(lake, [row("other", 1, email="o@example.org"), row("anon", 2, known=False, device="d1"),
                 row("mate", 3, known=False, device="d1")], [], [])  # fmt: skip
    assert profiles(lake)["mate"] == "anon"
    batch(lake, [], ["anon"], [("anon", "other")])
    assert heirs(lake, "anon") == ["other"]
    assert profiles(lake) == {"other": "other", "mate": "mate"}
    assert lake.rows("profile_alias", "alias_id", "profile_id") == {("anon", "other")}


def test_a_name_that_passes_on_a_second_time_is_the_newest_heir_s_alone() -> None:
    lake, mail = Lake(), cast("Any", {"email": "a@example.org"})
    batch(lake, [row("a1", 1, **mail), row("b2", 2, **mail), row("c3", 3, **mail)], [], [])
    batch(lake, [], ["a1"], [])
    assert (heirs(lake, "a1"), profiles(lake)) == (["b2"], {"b2": "a1", "c3": "a1"})
    # its first heir leaves and is back at once under another address: the name has gone on to the third by then
    batch(lake, [], ["b2"], [])
    assert (heirs(lake, "a1"), profiles(lake)) == (["c3"], {"c3": "a1"})
    batch(lake, [row("b2", 2, email="b@example.org")], [], [])
    assert profiles(lake) == {"b2": "b2", "c3": "a1"}
    assert lake.rows("profile_alias", "alias_id", "profile_id") == set()
    assert told(lake) == [("CREATED", "b2", "b2")]


def test_two_names_that_fall_to_one_heir_in_one_batch_leave_one_name_and_one_alias() -> None:
    lake, mail = Lake(), cast("Any", {"email": "a@example.org"})
    batch(
        lake, [row("a1", 1, email="x@example.org"), row("b2", 2, email="y@example.org"), row("c3", 3, **mail)], [], []
    )
    batch(lake, [row("a1", 1, **mail), row("b2", 2, **mail)], [], [])
    assert profiles(lake) == {"a1": "a1", "b2": "a1", "c3": "a1"}
    batch(lake, [], ["a1", "b2"], [])
    assert (heirs(lake, "a1"), heirs(lake, "b2")) == (["c3"], ["c3"])
    assert profiles(lake) == {"c3": "a1"}
    assert lake.rows("profile_alias", "alias_id", "profile_id") == {("b2", "a1"), ("c3", "a1")}
    assert told(lake) == [("LEFT", "a1", "a1"), ("LEFT", "a1", "b2")]


def test_who_held_a_name_once_has_no_claim_when_it_is_inherited_again() -> None:
    lake = Lake()
    mail, other = cast("Any", {"email": "a@example.org"}), cast("Any", {"email": "b@example.org"})
    batch(lake, [row("a1", 1, **mail), row("b2", 2, **mail)], [], [])
    batch(lake, [], ["a1"], [])
    assert (heirs(lake, "a1"), profiles(lake)) == (["b2"], {"b2": "a1"})
    batch(lake, [row("a1", 1, **other), row("c3", 3, **other)], [], [])
    assert profiles(lake) == {"a1": "a1", "c3": "a1", "b2": "b2"}
    # the first heir is settled in the very batch in which the name falls to another
    batch(lake, [row("d4", 4, **mail)], ["a1"], [])
    assert heirs(lake, "a1") == ["c3"]
    assert profiles(lake) == {"c3": "a1", "b2": "b2", "d4": "b2"}
    assert told(lake) == [("JOINED", "b2", "d4"), ("LEFT", "a1", "a1")]
