"""A certificate holds offline, for the person whose it is, and not after any change of any byte."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.residue.certificate import (
    CLEAN,
    WITH_EXCEPTIONS,
    CertificateFacts,
    Exclusion,
    Recipient,
    Retained,
    certificate,
    check,
    read,
    written,
)
from consent.residue.errors import NotCertifiable
from consent.residue.model import Hit, PlaceReport, ScanReport
from infra.errors import Malformed
from infra.signing import Signer, canonical, encoded

SIGNER = Signer.of(bytes(range(32)))
NONCE = bytes(range(100, 132))
ANN = "email:ann@example.org"
BEGAN = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
HIT = Hit(store="lake.records", file="part-0.parquet", where="column email", spelling="raw")


def place(*hits: Hit, store: str = "lake.records", unscanned: tuple[str, ...] = (), canary: bool = True) -> PlaceReport:
    return PlaceReport(
        store=store,
        kind="delta",
        files=3,
        bytes=1_234,
        decoders=("parquet", "text"),
        hits=hits,
        unscanned=unscanned,
        canary_found=canary,
    )


def report(*places: PlaceReport) -> ScanReport:
    return ScanReport(places=places, needles=120, too_short=1, seconds=0.4321)


FACTS = CertificateFacts(
    certificate_id="c-1",
    request_id="r-1",
    controller="Example Shop",
    identifiers=(ANN, "phone:+12125550123"),
    nonce=NONCE,
    before=report(place(HIT, HIT), place(store="serving")),
    after=report(place(), place(store="serving")),
    exclusions=(Exclusion(store="suppression", reason="keyed tokens keep the person out", ground="GDPR 17(3)(b)"),),
    recipients=(Recipient(id="mailer", notified_at=BEGAN, acknowledged_at=BEGAN, outcome="deleted"),),
    keys_destroyed=("1 subject key",),
    retained=(),
    suppression_versions=(1,),
    started_at=BEGAN,
    finished_at=BEGAN + timedelta(hours=1),
    tool_version="0.1.0",
    ledger_head={"size": 7, "root": "00"},
)
DOCUMENT = certificate(FACTS, SIGNER)
RAW = written(DOCUMENT)


def wrong(
    document: dict[str, Any], *identifiers: str, nonce: bytes | None = None, public: bytes | None = None
) -> set[str]:
    return {fault.where for fault in check(document, public, nonce, identifiers)}


def resigned(signer: Signer = SIGNER, **changes: Any) -> dict[str, Any]:
    """Return the certificate as somebody would sign it who does not go by the rules."""
    from consent.residue import certificate as module

    document = {name: value for name, value in (DOCUMENT | changes).items() if name != "signature"}
    document |= {"key_id": signer.key_id, "public_key": encoded(signer.public)}
    return document | {"signature": encoded(signer.sign(module._CONTEXT + canonical(document)))}


def test_it_holds_and_is_the_persons_own() -> None:
    assert read(RAW) == DOCUMENT
    assert check(DOCUMENT, SIGNER.public, NONCE, [ANN, "phone:+12125550123"]) == ()
    assert check(DOCUMENT, None, None, []) == ()
    assert DOCUMENT["outcome"] == CLEAN
    assert (DOCUMENT["stores"][0]["hits_before"], DOCUMENT["stores"][0]["hits_after"]) == (2, 0)


def test_it_is_nobody_elses() -> None:
    assert wrong(DOCUMENT, "email:eve@example.org", nonce=NONCE) == {"subject_commitments"}
    assert wrong(DOCUMENT, ANN, nonce=NONCE[::-1]) == {"subject_commitments"}
    assert wrong(DOCUMENT, ANN) == {"subject_commitments"}
    assert wrong(DOCUMENT, public=Signer.of(bytes(32)).public) == {"public_key", "signature"}


def test_it_tells_nobody_and_no_nonce() -> None:
    for secret in ("ann@", "5550123", NONCE.hex(), encoded(NONCE)):
        assert secret not in RAW.decode()
        assert secret not in repr(FACTS)
    assert json.loads(RAW)["subject_commitments"] == sorted(set(DOCUMENT["subject_commitments"]))


@settings(max_examples=400, deadline=None)
@given(at=st.integers(0, len(RAW) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_found(at: int, byte: int) -> None:
    changed = bytearray(RAW)
    changed[at] = byte if byte != RAW[at] else byte ^ 1
    _is_found(bytes(changed))


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(RAW)), more=st.binary(min_size=1, max_size=3), gone=st.integers(0, 3))
def test_any_byte_put_in_or_taken_out_is_found(at: int, more: bytes, gone: int) -> None:
    for changed in (RAW[:at] + more + RAW[at:], RAW[:at] + RAW[at + gone + 1 :]):
        if changed not in (RAW, RAW[:-1]):
            _is_found(changed)


def _is_found(raw: bytes) -> None:
    try:
        document = read(raw)
    except Malformed:
        return
    assert check(document, None, None, [])


@pytest.mark.parametrize("raw", [b"", b"[]", b"nope", b'{"a":1.0}', b"[" * 9_000, b'{"kind":1}', b"\xff", b"null"])
def test_what_is_no_certificate(raw: bytes) -> None:
    with pytest.raises(Malformed):
        check(read(raw), None, None, []) and (_ for _ in ()).throw(Malformed("faults"))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"outcome": WITH_EXCEPTIONS}, "outcome"),
        ({"stores": [DOCUMENT["stores"][0] | {"hits_after": 1}]}, "lake.records"),
        ({"stores": [DOCUMENT["stores"][0] | {"unscanned": ["x: no decoder"]}]}, "lake.records"),
        ({"stores": [DOCUMENT["stores"][0] | {"canary_found": False}]}, "lake.records"),
        ({"started_at": "2027-01-01T00:00:00+00:00"}, "finished_at"),
        ({"kind": "a bill"}, "kind"),
        ({"stores": None}, "document"),
        ({"recipients": [{"id": "x"}]}, "document"),
        ({"subject_commitments": None, "version": 2}, "kind"),
    ],
)
def test_a_signature_alone_is_not_enough(changes: dict[str, Any], where: str) -> None:
    assert where in wrong(resigned(**changes))


def test_somebody_elses_signature() -> None:
    forged = resigned(Signer.of(bytes(32)))
    assert wrong(forged) == set()  # it names its own key, which the controller does not have
    assert wrong(forged, public=SIGNER.public) == {"public_key", "signature"}
    assert wrong(resigned() | {"key_id": "0" * 16}) == {"key_id", "signature"}
    assert wrong({}) == {"signature", "document"}


@pytest.mark.parametrize(
    "changes",
    [
        {"exclusions": (Exclusion(store="backup", reason="kept 30 days", ground="1798.105(d)", expires_at=BEGAN),)},
        {"recipients": (Recipient(id="ads", notified_at=BEGAN, acknowledged_at=None, outcome="no answer"),)},
        {"retained": (Retained(what="invoices", article="GDPR 17(3)(b)", until=BEGAN),)},
        {
            "after": report(place(HIT), place(store="serving")),
            "exclusions": (Exclusion(store="lake.records", reason="a legal hold", ground="GDPR 17(3)(e)"),),
        },
    ],
)
def test_what_stays_anywhere_is_an_exception(changes: dict[str, Any]) -> None:
    document = certificate(replace(FACTS, **changes), SIGNER)
    assert document["outcome"] == WITH_EXCEPTIONS
    assert check(document, SIGNER.public, None, []) == ()


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (report(place(HIT), place(store="serving")), "lake.records: 1 places still hold something"),
        (report(place(unscanned=("x: why",)), place(store="serving")), "lake.records: 1 files could not be read"),
        (report(place(canary=False), place(store="serving")), "lake.records: searched blind"),
        (report(place()), "serving: searched before and not after"),
    ],
)
def test_what_is_not_certified(after: ScanReport, told: str) -> None:
    with pytest.raises(NotCertifiable, match=told):
        certificate(replace(FACTS, after=after), SIGNER)


def test_a_nonce_that_could_be_guessed_is_none() -> None:
    with pytest.raises(Malformed, match="a nonce of 3 bytes"):
        certificate(replace(FACTS, nonce=b"abc"), SIGNER)
