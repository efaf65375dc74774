"""Signatures and the one spelling of what is signed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import Malformed, Unavailable
from infra.signing import Signer, canonical, decoded, encoded, key_id, verified

# RFC 8032, section 7.1, test 2
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_the_vector_of_the_rfc() -> None:
    signer = Signer.of(SEED)
    assert signer.public.hex() == PUBLIC
    assert signer.key_id == key_id(bytes.fromhex(PUBLIC))
    assert signer.sign(b"\x72").hex() == SIGNATURE
    assert SEED.hex() not in repr(signer)


@given(message=st.binary(max_size=200), at=st.integers(0, 63), bit=st.integers(0, 7))
def test_a_changed_bit_anywhere_is_no_signature(message: bytes, at: int, bit: int) -> None:
    signer = Signer.of(SEED)
    good = signer.sign(message)
    assert verified(signer.public, good, message)
    bad = bytearray(good)
    bad[at] ^= 1 << bit
    assert not verified(signer.public, bytes(bad), message)
    assert not verified(signer.public, good, message + b"x")
    assert not verified(signer.public[:31], good, message)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), TREES, max_size=5))
def test_the_canonical_form_says_the_same_and_does_not_depend_on_order(document: dict[str, object]) -> None:
    spelled = canonical(document)
    assert json.loads(spelled) == document
    assert canonical(dict(reversed(document.items()))) == spelled


@pytest.mark.parametrize("value", [2**53, float("nan"), b"x", "\ud800"])
def test_what_json_does_not_carry_alike_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        canonical({"a": value})


@given(st.binary(max_size=80))
def test_bytes_as_text_and_back(raw: bytes) -> None:
    assert decoded(encoded(raw)) == raw


@pytest.mark.parametrize("value", ["", "00", "z" * 64, "0" * 63])
def test_no_key_no_signature(value: str) -> None:
    with pytest.raises(Unavailable, match="KINDRED_SIGNING_KEY"):
        Signer.from_environment({"KINDRED_SIGNING_KEY": value})
