"""Who has only the hash of an address or number joins who has the address, and no evidence counts twice."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from identity.config import IdentityConfig
from identity.matching import scoring
from identity.matching.evidence import bits
from infra.identifiers import IdentifierType, normalise

Resolve = Callable[..., Any]
ANN = {"given_name": "Ann", "family_name": "Carver", "birth_date": "1980-02-03"}


@pytest.fixture
def hashing(identity_config: IdentityConfig) -> IdentityConfig:
    """The shipped configuration, and a type for the digests of addresses and of numbers."""
    more = {
        "email_sha256": IdentifierType(normaliser="sha256", digest_of="email"),
        "phone_sha256": IdentifierType(normaliser="sha256", strength="weak", digest_of="phone"),
    }
    return IdentityConfig(**{**dict(identity_config), "identifiers": identity_config.identifiers | more})


def hashed(value: str) -> str:
    return normalise("sha256", hashlib.sha256(value.encode()).hexdigest().upper()) or ""


@pytest.mark.parametrize("form", ["ann.carver+shop@gmail.com", "anncarver@gmail.com"])
def test_a_record_with_only_a_hash_joins_the_one_with_the_address(
    resolved: Resolve, told: Any, hashing: IdentityConfig, form: str
) -> None:
    found = resolved(
        [
            told("crm", ANN, {"email": "ann.carver+shop@gmail.com"}),
            told("ads", {}, {"email_sha256": hashed(form)}),
            told("partner", {"given_name": "Ann"}, {"email_sha256": hashed(form)}),
            told("other", {}, {"email_sha256": hashed("bob@example.org")}),
        ],
        config=hashing,
    )
    assert found.together("crm", "ads", "partner")
    assert not found.together("crm", "other")


@pytest.mark.parametrize("form", ["+16145550101", "16145550101"])
def test_a_number_meets_its_hash_with_or_without_its_plus(
    resolved: Resolve, told: Any, hashing: IdentityConfig, form: str
) -> None:
    records = [told("crm", ANN, {"phone": "+16145550101"}), told("ads", {}, {"phone_sha256": hashed(form)})]
    assert resolved(records, config=hashing).together("crm", "ads")


@pytest.mark.parametrize("value", ["", "null", "test@test.com", "+10000000000"])
def test_the_hash_of_nothing_joins_nobody(resolved: Resolve, told: Any, hashing: IdentityConfig, value: str) -> None:
    records = [told("a", {}, {"email_sha256": hashed(value)}), told("b", {}, {"email_sha256": hashed(value)})]
    assert not resolved(records, config=hashing).together("a", "b")


def test_spouses_with_one_mailbox_stay_two_though_its_hash_is_shared_too(
    resolved: Resolve, told: Any, hashing: IdentityConfig
) -> None:
    shared = {"email": "carvers@example.org", "phone": "+16145550101"}
    bob = {"given_name": "Robert", "family_name": "Carver", "birth_date": "1978-07-09"}
    assert not resolved([told("ann", ANN, shared), told("bob", bob, shared)], config=hashing).together("ann", "bob")


@pytest.mark.parametrize("side", ["stranger", "household", "follow"])
def test_an_address_and_its_hash_are_evidence_once(hashing: IdentityConfig, side: str) -> None:
    mask, sql = bits(hashing), scoring._identifier_sql(hashing, side)
    masks = [mask["email"], mask["email"] | mask["email_sha256"], mask["email_sha256"]]
    rows = scoring.connect().execute(f"SELECT {sql} FROM (VALUES {', '.join(f'({m})' for m in masks)}) t(counted)")
    plain, both, digest = (row[0] for row in rows.fetchall())
    assert plain == both == digest > 0


@pytest.mark.parametrize("email", ["info@example.org", "ann@mailinator.com"])
def test_a_role_or_a_throw_away_address_carries_no_merge(resolved: Resolve, told: Any, email: str) -> None:
    same = [told("a", {"given_name": "Ann"}, {"email": email}), told("b", {"given_name": "Ann"}, {"email": email})]
    assert not resolved(same).together("a", "b")
    assert resolved([told(k, ANN, {"email": email}) for k in ("a", "b")]).together("a", "b")
