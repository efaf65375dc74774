import base64
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from authority import BEGIN, END, Authority, a_key, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from consent.requests.config import OpenDsrConfig
from consent.requests.opendsr.signing import Forged, Seal, Trust
from infra.errors import ConfigurationError

DOMAIN, PARTNER = "privacy.example.com", "partner.example.net"
RAW = b'{"a": "\xc3\xa4"}'


def config(**more: Any) -> OpenDsrConfig:
    facts: dict[str, Any] = {"domain": DOMAIN, "certificate": f"{DOMAIN}.pem", "key": f"{DOMAIN}.key"}
    return OpenDsrConfig(**facts | more)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_others_verify_what_we_sign(tmp_path: Path, now: datetime, kind: str) -> None:
    Authority().files(tmp_path, DOMAIN, kind)
    headers = Seal.load(tmp_path, config(), now).headers(RAW, legacy=True)
    assert headers["X-OpenDSR-Processor-Domain"] == headers["X-OpenGDPR-Processor-Domain"] == DOMAIN
    signature = base64.b64decode(headers["X-OpenDSR-Signature"])
    public = x509.load_pem_x509_certificate((tmp_path / f"{DOMAIN}.pem").read_bytes()).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, RAW, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(signature, RAW, ec.ECDSA(hashes.SHA256()))


def test_a_certificate_that_others_must_not_believe_is_refused(tmp_path: Path, now: datetime) -> None:
    authority = Authority()
    key = authority.files(tmp_path, DOMAIN)
    alone = Authority(DOMAIN, key)
    wrong: dict[str, tuple[bytes, bytes, str]] = {
        "self": (pem(alone.certificate), pem(key), "signed by itself"),
        "other_key": (pem(authority.issue(DOMAIN, key)), pem(a_key()), "not the key"),
        "other_domain": (pem(authority.issue("evil.example.com", key)), pem(key), "not issued for"),
        "expired": (pem(authority.issue(DOMAIN, key, BEGIN, BEGIN + timedelta(days=1))), pem(key), "not valid now"),
        "not_yet": (pem(authority.issue(DOMAIN, key, END - timedelta(days=1), END)), pem(key), "not valid now"),
        "weak": (pem(authority.issue(DOMAIN, key)), pem(ed25519.Ed25519PrivateKey.generate()), "neither RSA"),
        "garbage": (b"-----BEGIN CERTIFICATE-----\n", pem(key), "no certificates"),
        "no_key": (pem(authority.issue(DOMAIN, key)), b"", "no private key"),
    }
    for certificate, private, said in wrong.values():
        (tmp_path / "c.pem").write_bytes(certificate)
        (tmp_path / "k.pem").write_bytes(private)
        with pytest.raises(ConfigurationError, match=said):
            Seal.load(tmp_path, config(certificate="c.pem", key="k.pem"), now)
    with pytest.raises(ConfigurationError, match="no certificates"):
        Seal.load(tmp_path, config(certificate="absent.pem"), now)


def test_only_a_believed_processor_signs(tmp_path: Path, now: datetime) -> None:
    authority, stranger = Authority(), Authority("Stranger")
    key = authority.files(tmp_path, PARTNER)
    (tmp_path / "stranger.pem").write_bytes(pem(stranger.issue("stranger.example.net", key)))
    (tmp_path / "wrong.pem").write_bytes(pem(authority.issue("else.example.net", key)))
    processors = {
        PARTNER: f"{PARTNER}.pem", "stranger.example.net": "stranger.pem", "wrong.example.net": "wrong.pem",
    }  # fmt: skip
    trust = Trust.load(tmp_path, config(trust="authority.pem", processors=processors))
    good = base64.b64encode(key.sign(RAW, ec.ECDSA(hashes.SHA256()))).decode()
    other = base64.b64encode(a_key().sign(RAW, ec.ECDSA(hashes.SHA256()))).decode()
    assert trust.check(RAW, PARTNER.upper(), good, now) == PARTNER
    for raw, domain, signature, at in [
        (RAW + b" ", PARTNER, good, now),
        (RAW, PARTNER, other, now),
        (RAW, PARTNER, good[:-4], now),
        (RAW, PARTNER, "not base64 ä", now),
        (RAW, PARTNER, None, now),
        (RAW, None, good, now),
        (RAW, "unknown.example.net", good, now),
        (RAW, "stranger.example.net", good, now),
        (RAW, "wrong.example.net", good, now),
        (RAW, PARTNER, good, END + timedelta(days=1)),
    ]:
        with pytest.raises(Forged):
            trust.check(raw, domain, signature, at)
    with pytest.raises(Forged):
        Trust.load(tmp_path, config(processors=processors)).check(RAW, PARTNER, good, now)
