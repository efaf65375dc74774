"""TC strings: the public vectors as the reference library reads them, and whatever is not whole is no consent."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iab_tcf import decode_v2
from tcstrings import Bits, tc_string

from consent.signals.tcf import LONGEST, Vendors, decode

CORE = 213  # bits up to the vendors
RECENT = datetime.fromisoformat("2025-06-01T00:00:00+00:00")


def members(vendors: Vendors | None) -> set[int]:
    return set() if vendors is None else {n for n in range(1, vendors.largest + 1) if n in vendors}


@pytest.fixture(scope="module")
def vectors(test_data: Path) -> list[dict[str, Any]]:
    lines = (test_data / "consent" / "tcf" / "tc_strings.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_public_vectors_read_as_the_reference_library_reads_them(
    vectors: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Most public strings are of the older policies, which are laid out alike.
    monkeypatch.setattr("consent.signals.tcf.OLDEST_POLICY", 0)
    compared = 0
    for vector in vectors:
        found, told = decode(vector["tc_string"]), vector.get("decoded")
        if told is None or told["version"] != 2:
            continue
        assert found is not None
        assert (found.policy, found.purposes) == (told["policyVersion"], set(told["purposeConsents"]))
        assert members(found.vendors) == set(told["vendorConsents"])
        assert members(found.disclosed) == set(told["vendorsDisclosed"])
        assert found.updated_at == datetime.fromisoformat(told["lastUpdated"])
        compared += 1
    assert compared == 50


def test_old_policies_and_old_versions_are_no_consent(vectors: list[dict[str, Any]]) -> None:
    for vector in vectors:
        found, told = decode(vector["tc_string"]), vector.get("decoded")
        current = told is not None and told["version"] == 2 and told["policyVersion"] >= 4
        assert (found is not None) == current, vector["sources"]


def test_the_public_decoder_reads_whole_strings_alike(vectors: list[dict[str, Any]]) -> None:
    compared = 0
    for text in (vector["tc_string"] for vector in vectors):
        found = decode(text)
        if found is None or any(len(segment) % 4 == 1 for segment in text.split(".")):
            continue  # the public decoder asks base64 of bytes, the format is one of bits
        told = decode_v2(text)
        assert {n for n, yes in told.purposes_consent.items() if yes} == found.purposes
        allowed = {n for n in range(1, told.max_consent_vendor_id + 1) if told.is_vendor_allowed(n)}
        assert allowed == members(found.vendors)
        disclosed = getattr(told, "oob_disclosed_vendors", {})
        assert {n for n, yes in disclosed.items() if yes} == members(found.disclosed)
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        ({}, True),
        ({"vendors": (3, 7, 900)}, True),
        ({"vendors": (3, 8)}, False),
        ({"vendors": ()}, False),
        ({"purposes": (1, 3)}, False),
        ({"disclosed": None}, False),
        ({"disclosed": (6,)}, False),
        ({"policy": 4, "disclosed": None, "updated": RECENT}, True),
        ({"policy": 4, "disclosed": None}, False),
        ({"policy": 4, "disclosed": (6,), "updated": RECENT}, False),
        ({"restricted": ((3, 0, 1, 9),)}, False),
        ({"restricted": ((3, 2, 7, 7),)}, False),
        ({"restricted": ((3, 1, 1, 9),)}, True),
        ({"restricted": ((3, 0, 8, 9), (2, 0, 1, 9))}, True),
    ],
)
def test_a_vendor_may_what_was_shown_agreed_to_and_not_restricted(change: dict[str, Any], agrees: bool) -> None:  # noqa: FBT001
    found = decode(tc_string(**change))
    assert found is not None
    assert found.consents(7, frozenset({1, 3, 4})) is agrees
    assert not found.consents(7, frozenset())
    assert not found.consents(0, frozenset({1}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "garbage",
        "C",
        "CPuy0IAPuy",
        tc_string() + ".",
        "." + tc_string(),
        tc_string().replace("A", "+", 1),
        tc_string() + "=",
        tc_string() + "\n",
        tc_string(version=3),
        tc_string(version=1),
        tc_string(policy=3),
        tc_string() + "." + tc_string().split(".")[1],
        tc_string(disclosed=None) + "." + Bits().add(4, 3).add(0, 17).segment(),
        tc_string(disclosed=None) + ".IA",
        tc_string(restricted=((3, 0, 9, 1),)),
        tc_string(restricted=((3, 0, 0, 1),)),
        "Ç" * 40,
        "C" + "A" * LONGEST,
    ],
)
def test_what_is_not_whole_is_no_consent(text: str) -> None:
    assert decode(text) is None


def test_ranges_that_claim_everything_cost_nothing() -> None:
    core = Bits().add(2, 6).add(0, 36).add(0, 36).add(0, 54).add(5, 6).add(0, 14).add(2**24 - 1, 24).add(0, 37)
    assert len(core.text) == CORE
    core.add(0xFFFF, 16).add(1, 1).add(2_000, 12)
    for _ in range(2_000):
        core.add(1, 1).add(1, 16).add(0xFFFF, 16)
    text = core.add(0, 17).add(0, 12).segment()
    found = decode(text)
    assert found is not None
    assert 60_000 in found.vendors


def test_truncation_at_every_byte_is_no_consent(vectors: list[dict[str, Any]]) -> None:
    whole = [tc_string(vendors=(1, 7, 40)), *(v["tc_string"] for v in vectors if "decoded" in v)]
    for text in whole:
        complete = decode(text)
        for end in range(len(text)):
            found = decode(text[:end])
            if found is None:
                continue
            # Only filling was cut off, or whole segments: then nothing is consented to that was not before, and a
            # string that must tell its disclosed vendors tells of none.
            assert complete is not None
            assert (found.vendors, found.purposes) == (complete.vendors, complete.purposes)
            assert found.restrictions == complete.restrictions
            if found.disclosed != complete.disclosed:
                assert found.disclosed is None
    assert decode(whole[0].split(".")[0]) is not None
    cut = [decode(whole[0][:end]) for end in range(len(whole[0].split(".")[0]) + 2)]
    assert not any(found.consents(7, frozenset({1})) for found in cut if found is not None)


def _flipped(text: str) -> Iterator[str]:
    for place, sign in enumerate(text):
        yield text[:place] + ("B" if sign == "A" else "A") + text[place + 1 :]


def test_a_changed_sign_is_read_or_refused_and_never_raises() -> None:
    for text in _flipped(tc_string(restricted=((3, 1, 1, 9),))):
        decode(text)


@given(st.text(max_size=300) | st.text("ABCQPIgw-_.01", max_size=300).map(lambda text: "C" + text))
def test_anything_is_read_or_refused_and_never_raises(text: str) -> None:
    found = decode(text)
    if found is not None:
        found.consents(7, frozenset({1}))
