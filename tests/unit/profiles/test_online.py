"""The online path: an event that has just happened is in the profile, and no reading of the log makes another of it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from online_world import BUY, LOGIN, PAGE, OnlineWorld, content, random_days, view, whose

from consent import officer
from infra.ids import ProfileId
from infra.keyvalue import LmdbStore
from profiles.serving import alias_key, header_key, heirs_of, holders_key, timeline_key, view_key
from profiles.stored import unpacked


def traits(store: LmdbStore, profile_id: str, purpose: str = "analytics") -> dict[str, Any]:
    found = view(store, purpose, profile_id)
    assert found is not None
    return found["traits"]


def test_a_visitor_is_served_while_they_browse(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    world.send(PAGE, PAGE)
    world.send(BUY)
    opened = world.opened(world.state(tmp_path / "state"))
    assert opened.catch_up(served) == 3
    (visitor,) = whose(world, served, "cookie", "c-1")
    told = traits(served, visitor)
    assert (told["events"], told["orders"], told["spend"], told["items"]) == (3, 1, 12.5, 2)
    assert told["last_order"] == told["last_seen"] == "2026-11-02T09:03:00Z"
    assert told["first_seen"] == "2026-11-02T09:01:00Z"
    assert opened.catch_up(served) == 0


def test_what_needs_a_yes_is_not_served_without_one(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    world.send(PAGE)
    world.opened(world.state(tmp_path / "state")).catch_up(served)
    (visitor,) = whose(world, served, "cookie", "c-1")
    assert view(served, "personalization", visitor) is None
    assert view(served, "service", visitor) is not None


def test_who_logs_in_brings_their_anonymous_past(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    opened = world.opened(world.state(tmp_path / "state"))
    world.send(PAGE, BUY)
    opened.catch_up(served)
    (visitor,) = whose(world, served, "cookie", "c-1")
    world.send(LOGIN)
    opened.catch_up(served)
    (person,) = whose(world, served, "email", "ann@example.org")
    assert whose(world, served, "cookie", "c-1") == (person,) == whose(world, served, "customer", "u-1")
    assert traits(served, person)["events"] == 3
    assert traits(served, person)["orders"] == 1
    if person != visitor:
        assert view(served, "analytics", visitor) is None
        assert list(served.items(f"a|{visitor}|".encode()))


def test_what_an_event_says_of_its_person_is_in_no_timeline(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path
) -> None:
    """A view may withhold an address; a timeline is read by purposes that do."""
    world.send({**LOGIN, "properties": {"page": "login", "email": "ann@example.org"}})
    world.opened(world.state(tmp_path / "state")).catch_up(served)
    (person,) = whose(world, served, "email", "ann@example.org")
    entries = orjson.loads(served.get(timeline_key(ProfileId(person))) or b"[]")
    assert [entry["details"].get("page") for entry in entries] == ["login"]
    assert not [name for entry in entries for name in entry["details"] if name.startswith("traits.")]
    assert "ann@example.org" not in str(entries)


def test_who_comes_back_and_logs_in_brings_it_too(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    opened = world.opened(world.state(tmp_path / "state"))
    world.send({**LOGIN, "anonymousId": "c-0"})
    opened.catch_up(served)
    (person,) = whose(world, served, "customer", "u-1")
    world.send(PAGE, BUY)
    opened.catch_up(served)
    (visitor,) = whose(world, served, "cookie", "c-1")
    assert visitor != person
    world.send(LOGIN)
    opened.catch_up(served)
    assert whose(world, served, "cookie", "c-1") == (person,)
    assert traits(served, person)["events"] == 4
    assert view(served, "analytics", visitor) is None


def test_a_message_that_comes_twice_counts_once(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    opened = world.opened(world.state(tmp_path / "state"))
    world.send({**PAGE, "messageId": "same"}, {**PAGE, "messageId": "same"})
    opened.catch_up(served)
    world.send({**PAGE, "messageId": "same"})
    opened.catch_up(served)
    (visitor,) = whose(world, served, "cookie", "c-1")
    assert traits(served, visitor)["events"] == 1


def test_whom_a_refusal_closes_is_closed_under_every_identifier(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path
) -> None:
    opened = world.opened(world.state(tmp_path / "state"))
    world.send(PAGE)
    opened.catch_up(served)
    world.say("email", "ann@example.org", "analytics", "objected")
    world.send(LOGIN)
    opened.catch_up(served)
    (person,) = whose(world, served, "email", "ann@example.org")
    assert view(served, "analytics", person) is None
    assert view(served, "service", person) is not None


def test_what_a_visitor_refused_closes_the_person_whom_they_turn_out_to_be(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path
) -> None:
    """The cookie is known by then: it came with the visitor, and a build may have seen its refusal long ago."""
    opened = world.opened(world.state(tmp_path / "state"))
    world.say("cookie", "c-1", "analytics", "objected")
    world.send({**LOGIN, "anonymousId": "c-0"}, PAGE)
    opened.catch_up(served)
    (person,) = whose(world, served, "customer", "u-1")
    assert view(served, "analytics", person) is not None
    world.send(LOGIN)
    opened.catch_up(served)
    assert whose(world, served, "cookie", "c-1") == (person,)
    assert view(served, "analytics", person) is None
    assert view(served, "service", person) is not None


def test_an_identifier_that_is_new_and_refuses_nothing_closes_nothing(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path
) -> None:
    """A yes for one address is asked of that address, which a build knows though it be tied less closely by now."""
    opened = world.opened(world.state(tmp_path / "state"))
    world.say("email", "ann@example.org", "email_marketing", "given")
    world.send(LOGIN)
    opened.catch_up(served)
    (person,) = whose(world, served, "customer", "u-1")
    assert view(served, "email_marketing", person) is not None
    header = orjson.loads(served.get(header_key(person)) or b"")
    header["tokens"][officer.token_of(world.desk, "email", "ann@example.org")] = "verified"
    with served.change() as change:
        change.put(header_key(person), orjson.dumps(header))
    world.send({**PAGE, "userId": "u-1", "anonymousId": "c-9"})
    opened.catch_up(served)
    assert whose(world, served, "cookie", "c-9") == (person,)
    assert view(served, "email_marketing", person) is not None


def test_a_yes_that_an_identifier_takes_away_closes_the_view(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that brings another place's rules, where silence is no yes."""
    opened, cookie = world.opened(world.state(tmp_path / "state")), officer.token_of(world.desk, "cookie", "c-9")
    world.send(LOGIN)
    opened.catch_up(served)
    (person,) = whose(world, served, "customer", "u-1")
    words = opened.applier.words

    class Elsewhere:
        def __getattr__(self, name: str) -> Any:
            return getattr(words, name)

        def decisions(self, holders: Any) -> Any:
            said = dict(words.decisions(holders))
            if cookie in holders:
                said["service"] = replace(said["service"], allowed=False, reason="no_consent")
            return said

    monkeypatch.setattr(opened.applier, "words", Elsewhere())
    world.send({**PAGE, "userId": "u-1", "anonymousId": "c-9"})
    opened.catch_up(served)
    assert view(served, "service", person) is None
    assert view(served, "analytics", person) is not None


def test_an_id_that_a_publication_carried_over_answers_after_a_log_in_too(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path
) -> None:
    opened, before = world.opened(world.state(tmp_path / "state")), "0" * 32
    world.send({**LOGIN, "anonymousId": "c-0"}, PAGE)
    opened.catch_up(served)
    (visitor,) = whose(world, served, "cookie", "c-1")
    with served.change() as change:
        change.put(alias_key(before, visitor), b"")
    kept: Any = served
    assert heirs_of(kept, before) == (visitor,)
    world.send(LOGIN)
    opened.catch_up(served)
    (person,) = whose(world, served, "cookie", "c-1")
    assert person != visitor
    assert heirs_of(kept, before) == heirs_of(kept, visitor) == (person,)


def test_who_refused_to_be_recognised_is_not(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    world.say("email", "ann@example.org", "identity_resolution", "objected")
    opened = world.opened(world.state(tmp_path / "state"))
    world.send(LOGIN)
    opened.catch_up(served)
    assert not content(served)


def test_who_is_restricted_is_not_served(world: OnlineWorld, served: LmdbStore, tmp_path: Path) -> None:
    world.say("email", "ann@example.org", "all", "restricted")
    opened = world.opened(world.state(tmp_path / "state"))
    world.send(LOGIN)
    opened.catch_up(served)
    assert not content(served)


def test_visits_are_sessions_though_events_come_late(tmp_path: Path, served: LmdbStore) -> None:
    """A pause of 31 minutes parts two sessions, an event that comes late joins them, a log-in brings its past."""
    world = OnlineWorld.of(tmp_path / "visits")
    page = world.workspace.root / "profiles.yaml"
    page.write_text(page.read_text().replace("traits:\n", f"traits:\n{VISITS}"))
    try:
        opened = world.opened(world.state(tmp_path / "state"))
        at = [(world.now + timedelta(minutes=minute)).isoformat() for minute in (0, 31, 20, 200, 205)]
        world.now += timedelta(hours=6)
        world.send({**PAGE, "timestamp": at[0]}, {**PAGE, "timestamp": at[1]})
        opened.catch_up(served)
        (visitor,) = whose(world, served, "cookie", "c-1")
        assert visits(served, visitor) == (2, 2, "2026-11-02T09:31:00Z", "2026-11-02T09:31:00Z")
        world.send({**PAGE, "timestamp": at[2]})
        opened.catch_up(served)
        assert visits(served, visitor) == (1, 1, "2026-11-02T09:00:00Z", "2026-11-02T09:31:00Z")
        world.send({**LOGIN, "anonymousId": "c-9", "timestamp": at[4]}, {**PAGE, "timestamp": at[3]})
        opened.catch_up(served)
        world.send({**LOGIN, "timestamp": at[4]})
        opened.catch_up(served)
        (person,) = whose(world, served, "customer", "u-1")
        assert whose(world, served, "cookie", "c-1") == (person,)
        assert visits(served, person) == (2, 2, "2026-11-02T12:20:00Z", "2026-11-02T12:25:00Z")
    finally:
        world.close()


VISITS = (
    "  - {name: visits, compute: session_count}\n  - {name: visits_30d, compute: session_count, window_days: 30}\n"
    "  - {name: visit_start, compute: session_start}\n  - {name: visit_end, compute: session_end}\n"
)


def visits(store: LmdbStore, profile_id: str) -> tuple[Any, ...]:
    told = traits(store, profile_id)
    return told["visits"], told["visits_30d"], told["visit_start"], told["visit_end"]


@pytest.mark.parametrize("seed", range(12))
def test_however_the_log_is_read_the_same_is_served(seed: int, tmp_path: Path) -> None:
    """Read at once, piece by piece, or with a crash after each piece (the state it left, applied anew): one outcome."""
    world, chance = OnlineWorld.of(tmp_path / "shop"), random.Random(seed)  # noqa: S311 - a sample
    stores = [LmdbStore(tmp_path / name, durable=False) for name in ("pieces", "whole", "again")]
    pieces, whole, again = stores
    try:
        opened = world.opened(world.state(tmp_path / "state-1"))
        for request in random_days(seed):
            world.send(*request)
            if chance.random() < 0.5:
                opened.catch_up(pieces)
            if chance.random() < 0.2:  # killed after the resolver took it in and before it was served
                opened = crashed(world, opened, pieces, tmp_path / "state-1")
        opened.catch_up(pieces)
        world.shut()
        for number, store in enumerate((whole, again), 2):
            world.opened(world.state(tmp_path / f"state-{number}"), f"g{number}").catch_up(store)
            world.shut()
        assert content(pieces) == content(whole) == content(again)
    finally:
        for store in stores:
            store.close()
        world.close()


def crashed(world: OnlineWorld, opened: Any, served: LmdbStore, state: Path) -> Any:
    """Return the path opened anew after a kill between what the resolver knows and what is served."""

    class Killed(Exception):
        pass

    class Dying:
        def change(self) -> Any:
            @contextmanager
            def dying() -> Iterator[Any]:
                with served.change() as change:
                    yield change
                    raise Killed

            return dying()

    with suppress(Killed):
        opened.catch_up(Dying())
    world.shut()
    return world.opened(state)


def test_a_view_for_a_purpose_that_is_not_named_for_a_while_is_held_under_the_identifiers_of_now(
    world: OnlineWorld, served: LmdbStore, tmp_path: Path
) -> None:
    """The policy was another for a while, and is then the build's again: a refusal closes it."""
    opened, gone = world.opened(world.state(tmp_path / "state")), "personalization"
    world.send(LOGIN)
    opened.catch_up(served)
    (person,) = whose(world, served, "customer", "u-1")
    built = served.get(view_key("service", ProfileId(person)))
    assert built is not None
    header = orjson.loads(served.get(header_key(person)) or b"")
    for record in header["records"].values():
        record["purposes"] = sorted({*record["purposes"], gone})
    with served.change() as change:
        change.put(header_key(person), orjson.dumps(header))
        change.put(view_key(gone, person), built)
    opened.applier.served = replace(
        opened.applier.served, purposes=tuple(p for p in opened.applier.served.purposes if p != gone)
    )
    world.send({**LOGIN, "anonymousId": "c-9"})
    opened.catch_up(served)
    held = served.get(holders_key(person))
    assert held is not None
    assert officer.token_of(world.desk, "cookie", "c-9").encode() in held
    kept = served.get(view_key(gone, person))
    assert kept is not None
    assert unpacked(kept)[1] == held
    assert unpacked(kept)[2] == unpacked(built)[2]
