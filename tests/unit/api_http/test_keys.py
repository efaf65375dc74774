"""Keys at the door."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from api.http.credentials import KeyRing
from api.http.errors import KeyMissing, KeyWouldNotOpen, ScopeUnknown, Unauthenticated
from api.http.keys import create_key, find_credential, list_keys, revoke_key, rotate_key
from api.http.store import API_KEY

NOW_SCOPES = {"profile:read"}


def header(key: str) -> bytes:
    return f"Bearer {key}".encode()


def test_a_key_is_shown_once_and_kept_as_a_digest(town: Any) -> None:
    key = town.keys["reader"]
    assert key.startswith("kd_")
    assert len(key) == 57
    with town.world.database.connect() as connection:
        rows = [str(tuple(row)) for row in connection.execute(select(API_KEY))]
    assert not any(key in row or key[-20:] in row for row in rows)


def test_a_key_carries_scopes_and_purposes(town: Any) -> None:
    credential = find_credential(town.world.database, town.keys["reader"], town.world.clock())
    assert credential is not None
    assert (credential.may("profile:read"), credential.may("consent:write")) == (True, False)
    assert credential.purposes == {"service", "personalization"}


def test_admin_may_everything_but_enter_the_console(town: Any) -> None:
    credential = find_credential(town.world.database, town.keys["admin"], town.world.clock())
    assert credential is not None
    assert credential.may("consent:write")
    assert not credential.may("console")


@pytest.mark.parametrize(
    "spoil", [lambda k: k[:-1], lambda k: k[:-1] + "~", lambda k: k.replace(k[3:13], "0" * 10), lambda _: ""]
)
def test_what_is_not_exactly_a_key_opens_nothing(town: Any, spoil: Any) -> None:
    assert find_credential(town.world.database, spoil(town.keys["reader"]), town.world.clock()) is None


def test_an_unknown_scope_is_refused_by_name(town: Any) -> None:
    with pytest.raises(ScopeUnknown, match="profile:write"):
        create_key(town.world.database, name="x", scopes={"profile:write"}, purposes=(), at=town.world.clock())


def test_a_revoked_key_is_forgotten_at_the_next_look(town: Any) -> None:
    ring = KeyRing(town.world.database)
    ring.refresh()
    held = ring.holder(header(town.keys["reader"]))
    ring.refresh()
    assert ring.remembered(header(town.keys["reader"])) is held
    revoke_key(town.world.database, held.key_id, at=town.world.clock())
    ring.refresh()
    assert ring.remembered(header(town.keys["reader"])) is None
    with pytest.raises(Unauthenticated):
        ring.holder(header(town.keys["reader"]))


def test_a_key_that_is_revoked_while_it_is_asked_for_is_not_remembered(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers are asked for in other threads than the look for revoked keys: it may come between answer and memory."""
    ring, database = KeyRing(town.world.database), town.world.database
    ring.refresh()

    def overtaken(*asked: Any) -> Any:
        found = find_credential(*asked)
        assert found is not None
        revoke_key(database, found.key_id, at=town.world.clock())
        ring.refresh()
        return found

    monkeypatch.setattr("api.http.credentials.find_credential", overtaken)
    ring.holder(header(town.keys["reader"]))
    monkeypatch.undo()
    ring.refresh()
    assert ring.remembered(header(town.keys["reader"])) is None
    with pytest.raises(Unauthenticated):
        ring.holder(header(town.keys["reader"]))


def test_a_key_is_revoked_once(town: Any) -> None:
    database, now = town.world.database, town.world.clock()
    key_id = list_keys(database)[0].key_id
    revoke_key(database, key_id, at=now)
    revoke_key(database, key_id, at=now + timedelta(days=1))
    assert next(k for k in list_keys(database) if k.key_id == key_id).revoked_at == now
    with pytest.raises(KeyMissing):
        revoke_key(database, "none", at=now)


def test_the_ring_remembers_no_more_than_it_may(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.credentials._REMEMBERED", 2)
    ring = KeyRing(town.world.database)
    for name in ("reader", "steward", "officer"):
        ring.holder(header(town.keys[name]))
    assert ring.remembered(header(town.keys["reader"])) is None
    assert ring.remembered(header(town.keys["officer"])) is not None


def test_strangers_are_not_remembered(town: Any) -> None:
    ring = KeyRing(town.world.database)
    for number in range(10):
        with pytest.raises(Unauthenticated):
            ring.holder(header(f"kd_{number:054d}"))
    assert not ring._holders


def test_keys_that_cannot_be_looked_at_are_forgotten(town: Any, tmp_path: Path) -> None:
    elsewhere = create_engine(f"sqlite:///{tmp_path}/nowhere/kindred.db")
    header = f"Bearer {town.keys['reader']}".encode()
    ring = town.world.ring
    ring.refresh()
    ring.holder(header)
    ring.refresh()
    assert ring.remembered(header) is not None
    ring._database = elsewhere
    ring.refresh()
    assert ring.remembered(header) is None


def test_a_key_ends_when_it_was_said_to(town: Any) -> None:
    database, now = town.world.database, town.world.clock()
    ends, moment = now + timedelta(days=1), [now]
    key = create_key(database, name="x", scopes=NOW_SCOPES, purposes=(), at=now, expires_at=ends)
    ring = KeyRing(database, clock=lambda: moment[0])
    ring.refresh()
    assert ring.holder(header(key)).credential.ends == ends
    ring.refresh()
    assert ring.remembered(header(key)) is not None
    moment[0] = ends
    ring.refresh()
    assert ring.remembered(header(key)) is None
    with pytest.raises(Unauthenticated):
        ring.holder(header(key))
    assert list_keys(database)[-1].standing(ends) in {"expired", ""}
    with pytest.raises(KeyWouldNotOpen):
        create_key(database, name="x", scopes=NOW_SCOPES, purposes=(), at=now, expires_at=now)


def test_a_rotated_key_has_two_secrets_until_the_grace_is_over(town: Any) -> None:
    database, now = town.world.database, town.world.clock()
    first, grace = town.keys["reader"], timedelta(days=7)
    moment = [now]
    ring = KeyRing(database, clock=lambda: moment[0])
    ring.refresh()
    ring.holder(header(first))
    second = rotate_key(database, first[3:13], at=now, grace=grace)
    assert second[:13] == first[:13]
    assert second != first
    ring.refresh()
    old, new = ring.holder(header(first)), ring.holder(header(second))
    assert old.bucket is new.bucket
    assert (old.credential.ends, new.credential.ends) == (now + grace, None)
    third = rotate_key(database, first[3:13], at=now, grace=grace)
    assert find_credential(database, first, now) is None
    assert find_credential(database, second, now) is not None
    moment[0] = now + grace
    ring.flush()
    with pytest.raises(Unauthenticated):
        ring.holder(header(second))
    assert ring.holder(header(third)).key_id == first[3:13]
    revoke_key(database, first[3:13], at=now)
    with pytest.raises(KeyMissing):
        rotate_key(database, first[3:13], at=now, grace=grace)


def test_a_rotation_reaches_a_server_that_remembers(town: Any) -> None:
    ring = KeyRing(town.world.database, clock=town.world.clock)
    ring.refresh()
    key = town.keys["reader"]
    ring.holder(header(key))
    ring.refresh()
    assert ring.remembered(header(key)) is not None
    rotate_key(town.world.database, key[3:13], at=town.world.clock(), grace=timedelta(0))
    ring.refresh()
    with pytest.raises(Unauthenticated):
        ring.holder(header(key))


def test_the_day_of_the_last_use_is_kept_and_no_hour(town: Any) -> None:
    database, moment = town.world.database, [datetime(2026, 11, 22, 9, 30, tzinfo=UTC)]
    ring = KeyRing(database, clock=lambda: moment[0])

    def used() -> datetime | None:
        return next(k for k in list_keys(database) if k.name == "reader").last_used_at

    ring.refresh()
    assert used() is None
    ring.holder(header(town.keys["reader"]))
    ring.refresh()
    assert used() == datetime(2026, 11, 22, tzinfo=UTC)
    moment[0] += timedelta(days=1)
    ring.refresh()
    assert ring.remembered(header(town.keys["reader"])) is None  # asks the database again, which tells its use
    ring.holder(header(town.keys["reader"]))
    ring.refresh()
    assert used() == datetime(2026, 11, 23, tzinfo=UTC)


def test_a_key_may_have_a_rate_of_its_own(town: Any) -> None:
    key = create_key(town.world.database, name="x", scopes=NOW_SCOPES, purposes=(), at=town.world.clock(), rate=3)
    ring = KeyRing(town.world.database, stopwatch=lambda: 0.0, clock=town.world.clock)
    bucket = ring.holder(header(key)).bucket
    assert [bucket.wait() > 0 for _ in range(7)] == [False] * 6 + [True]
    assert ring.holder(header(town.keys["reader"])).bucket.rate == 5_000
