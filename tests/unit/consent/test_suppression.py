"""Who is kept out: every spelling of an identifier under every held key, once, until it is lifted."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

import consent.store
from consent import suppression
from consent.suppression import Cause, KeptOut
from infra.database import open_database
from infra.identifiers import IdentifierType, token

KINDS = {
    "email": IdentifierType(normaliser="email"),
    "phone": IdentifierType(normaliser="phone"),
    "email_sha256": IdentifierType(normaliser="sha256", digest_of="email"),
}
NOW = datetime(2026, 11, 1, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32


@pytest.fixture
def database(tmp_path: Any) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'k.db'}", consent.store.METADATA)


def kept(database: Engine, kind: str, value: str, keys: Any) -> Any:
    cause = Cause(reason="erasure", request_id="r1", at=NOW)
    return suppression.suppress(database, suppression.tokens_of(keys, KINDS, kind, value), cause)


def test_an_address_is_kept_out_in_every_spelling_and_as_its_digest(database: Engine) -> None:
    keys = {1: NEW}
    # the address, the mailbox behind it, and the digests of both
    assert kept(database, "email", "ann.carver+shop@gmail.com", keys) == 4
    rule = suppression.kept_out(database, keys)
    for value in ("ann.carver+shop@gmail.com", "anncarver@gmail.com", "a.n.n.carver+x@gmail.com"):
        assert rule.names(KINDS, "email", value)
    assert not rule.names(KINDS, "email", "ann.carver@example.org")
    digest = suppression.forms(KINDS, "email", "anncarver@gmail.com")[-1]
    assert rule.names(KINDS, *digest)


def test_what_was_kept_out_under_a_retired_key_stays_out(database: Engine) -> None:
    kept(database, "phone", "+15550100", {1: OLD})
    assert suppression.kept_out(database, {1: OLD, 2: NEW}).names(KINDS, "phone", "+15550100")
    assert not suppression.kept_out(database, {2: NEW}).names(KINDS, "phone", "+15550100")
    assert suppression.versions(database) == (1,)


def test_a_second_word_adds_nothing_and_a_lift_lets_in(database: Engine) -> None:
    assert kept(database, "phone", "+15550100", {1: NEW}) == 1
    assert kept(database, "phone", "+15550100", {1: NEW}) == 0
    told = token(NEW, "phone", "+15550100")
    assert suppression.suppressed_tokens(database) == {told} == suppression.suppressed_by(database, "r1")
    assert suppression.suppressed_tokens(database, "marketing") == frozenset()
    assert suppression.lift(database, [told]) == 1
    assert suppression.lift(database, [told]) == 0
    assert not suppression.kept_out(database, {1: NEW})


def test_an_empty_list_keeps_nobody_out() -> None:
    assert not KeptOut().names(KINDS, "phone", "+15550100")
