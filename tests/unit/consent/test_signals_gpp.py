"""GPP strings: what the reference library reads as a refusal is heard, and what cannot be read never raises."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.signals.gpp import decode

FIELDS = {
    "SaleOptOut": "sale", "SharingOptOut": "sharing", "TargetedAdvertisingOptOut": "targeted_advertising",
}  # fmt: skip


@pytest.fixture(scope="module")
def vectors(test_data: Path) -> list[dict[str, Any]]:
    lines = (test_data / "consent" / "gpp" / "gpp_strings.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_public_vectors_refuse_what_the_reference_library_reads(vectors: list[dict[str, Any]]) -> None:
    compared = 0
    for vector in vectors:
        if "decoded" not in vector:
            continue
        told = vector["decoded"].values()
        optouts = {FIELDS[name] for one in told for name, value in one.items() if name in FIELDS and value == 1}
        optouts |= {"sale"} if any(one.get("OptOutSale") == "Y" for one in told) else set()
        found = decode(vector["gpp_string"])
        assert found is not None, vector["gpp_string"]
        assert found.optouts == optouts
        assert found.gpc is any(one.get("Gpc") is True for one in told)
        assert (found.tcf is not None) is ("tcfeuv2" in vector["decoded"])
        compared += 1
    assert compared == 21


@pytest.mark.parametrize(
    ("text", "optouts", "gpc"),
    [
        # The national section: sale at the sixth field of two bits.
        ("DBABLA~BAAQ", {"sale"}, False),
        ("DBABLA~BAAE", {"sharing"}, False),
        ("DBABLA~BAABA", {"targeted_advertising"}, False),
        ("DBABLA~BAA.YA", set(), True),
        ("DBABLA~!.YA", set(), True),
        ("DBABTA~1YYN", {"sale"}, False),
        ("DBABTA~1YNN", set(), False),
        ("DBABTA~2YYN", set(), False),
    ],
)
def test_a_refusal_is_read_where_it_stands(text: str, optouts: set[str], gpc: bool) -> None:  # noqa: FBT001
    found = decode(text)
    assert found is not None
    assert (found.optouts, found.gpc) == (optouts, gpc)


@pytest.mark.parametrize(
    "text", ["", "~", "D", "DBABLA", "DBABLA~BAAQ~BAAQ", "CBABLA~BAAQ", "DCABLA~BAAQ", "DB//LA~x", "D" * 40_000]
)
def test_a_header_that_cannot_be_read_says_nothing(text: str) -> None:
    assert decode(text) is None


def test_truncation_at_every_byte_never_raises_and_refuses_no_more(vectors: list[dict[str, Any]]) -> None:
    for text in (vector["gpp_string"] for vector in vectors):
        whole = decode(text)
        for end in range(len(text)):
            found = decode(text[:end])
            if found is not None and whole is not None:
                assert found.optouts <= whole.optouts


@given(st.text(max_size=200) | st.text("DBACLA~1YN.QgMc-_", max_size=200).map(lambda text: "DBA" + text))
def test_anything_is_read_or_not_and_never_raises(text: str) -> None:
    decode(text)
