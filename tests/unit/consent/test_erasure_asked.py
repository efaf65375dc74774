"""From a person's wish to the freeze and, as the erasure goes on, to the end of their request."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

import consent.requests.store
import consent.store
from consent import kept
from consent.erasure import asked
from consent.erasure.asked import Door, follow, freeze_accepted, waiting
from consent.erasure.book import STEPS, Book
from consent.overlay import DenyOverlay
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk, get, steps
from consent.requests.intake import open_request
from consent.requests.model import Claimed, Request, Wish
from consent.requests.vault import Vault
from consent.suppression import not_to_be_stored
from infra.database import open_database
from infra.errors import KindredError
from infra.identifiers import IdentifierType, token

AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
KEYS = {1: b"o" * 32, 2: b"k" * 32}
KINDS = {"email": IdentifierType(normaliser="email")}
ANN = "ann.b+news@example.org"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/kindred.db", consent.store.METADATA, consent.requests.store.METADATA)
    yield engine
    engine.dispose()


@pytest.fixture
def door(database: Engine, tmp_path: Path) -> Iterator[Door]:
    desk = Desk(database, Vault.open(tmp_path, b"w" * 32), lambda *_: None, RequestsConfig())
    overlay = DenyOverlay.open(tmp_path / "serving")
    yield Door(desk, database, overlay, "self", KINDS, KEYS)
    overlay.close()


def wish(door: Door, value: str = ANN, at: datetime = AT) -> Request:
    claimed = Claimed("email", token(KEYS[2], "email", ANN), value)
    return open_request(door.desk, Wish(right="erasure", identifiers=(claimed,), received_at=at, actor="subject",
                                        channel="centre", regulation="gdpr", vouched="link"), at)  # fmt: skip


def test_an_accepted_erasure_is_frozen_under_every_key(door: Door) -> None:
    request = wish(door)
    assert request.status == "accepted"
    assert freeze_accepted(door, AT) == (request.id,)
    assert get(door.desk, request.id).status == "frozen"
    kept_out = not_to_be_stored(door.database)
    for key in KEYS.values():
        assert token(key, "email", ANN) in kept_out
    assert door.overlay.denied(token(KEYS[2], "email", ANN), "service")
    assert freeze_accepted(door, AT + timedelta(hours=1)) == ()
    assert waiting(door, AT) == (request.id,)


def test_who_is_frozen_stands_in_the_second_copy_too(door: Door, tmp_path: Path) -> None:
    wish(door)
    freeze_accepted(replace(door, root=tmp_path), AT)
    told = (tmp_path / kept.FILE).read_text()
    assert all(token(key, "email", ANN) in told for key in KEYS.values())
    assert ANN not in told


def test_whose_value_is_not_known_is_frozen_by_the_token_alone(door: Door) -> None:
    request = wish(door, value="")
    assert freeze_accepted(door, AT) == (request.id,)
    assert token(KEYS[2], "email", ANN) in not_to_be_stored(door.database)


def test_a_freeze_that_was_cut_off_is_made_whole_by_the_next_call(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    request = wish(door)
    with monkeypatch.context() as patch:
        patch.setattr(asked, "freeze", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            freeze_accepted(door, AT)
    assert get(door.desk, request.id).status == "frozen"
    assert not not_to_be_stored(door.database)
    assert freeze_accepted(door, AT) == (request.id,)
    assert not_to_be_stored(door.database)


def test_one_who_cannot_be_frozen_keeps_nobody_waiting(door: Door) -> None:
    shut = wish(door)
    other = replace(door, desk=replace(door.desk, mint=lambda: "f" * 32))
    claimed = Claimed("email", token(KEYS[2], "email", "x@example.org"), "x@example.org")
    behind = open_request(
        other.desk,
        Wish(right="erasure", identifiers=(claimed,), received_at=AT, actor="subject", channel="centre",
             regulation="gdpr", vouched="link"),
        AT,
    )  # fmt: skip
    door.desk.vault.shred([shut.id])
    with pytest.raises(KindredError):
        freeze_accepted(door, AT)
    assert get(door.desk, behind.id).status == "frozen"
    assert door.overlay.denied(claimed.token, "service")


@pytest.mark.parametrize("each", [True, False])
def test_a_request_follows_its_erasure_to_the_end(door: Door, each: bool) -> None:  # noqa: FBT001
    request = wish(door)
    freeze_accepted(door, AT)
    book = Book(door.database, lambda: AT)
    for step in STEPS[1:-1]:
        book.begin(request.id, step)
        book.finish(request.id, step, "", {})
        if each:
            (moved,) = follow(door, AT)
            assert moved.status == step
            assert follow(door, AT) == ()
    book.certify(request.id, {"kind": "certificate"}, "00", exceptions=False)
    (ended,) = follow(door, AT)
    assert ended.status == "closed"
    taken = [one.step for one in steps(door.desk, request.id)]
    assert [one for one in taken if one in STEPS] == list(STEPS)
    assert waiting(door, AT) == ()
    assert follow(door, AT) == ()


def test_two_who_ask_for_one_person_share_an_erasure(door: Door) -> None:
    first = wish(door)
    freeze_accepted(door, AT)
    other = replace(door, desk=replace(door.desk, mint=lambda: "f" * 32))
    claimed = (
        Claimed("email", token(KEYS[2], "email", ANN), ANN),
        Claimed("email", token(KEYS[2], "email", "x@example.org"), "x@example.org"),
    )
    second = open_request(
        other.desk,
        Wish(
            right="erasure", identifiers=claimed, received_at=AT, actor="officer:b", regulation="gdpr", vouched="mail"
        ),
        AT,
    )
    if second.status == "accepted":
        freeze_accepted(door, AT)
        assert waiting(door, AT) == (first.id,)
