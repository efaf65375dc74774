"""A token is HMAC-SHA256 under the key (RFC 2104), however long the key is."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from infra.identifiers import token


@given(key=st.binary(min_size=1, max_size=200), kind=st.text(max_size=10), value=st.text(max_size=300))
def test_a_token_is_hmac_sha256(key: bytes, kind: str, value: str) -> None:
    assert token(key, kind, value) == f"1:{hmac.digest(key, f'{kind}:{value}'.encode(), 'sha256').hex()}"
