"""Signatures of OpenDSR: RSA or ECDSA over SHA-256 of the raw bytes (FIPS 186-4), by an authority's certificate."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from consent.requests.config import FILE, OpenDsrConfig
from infra.errors import ConfigurationError, Refused

DOMAIN: Final = "X-OpenDSR-Processor-Domain"
SIGNATURE: Final = "X-OpenDSR-Signature"
LEGACY: Final = {DOMAIN: "X-OpenGDPR-Processor-Domain", SIGNATURE: "X-OpenGDPR-Signature"}
_LEAST_RSA: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Forged(Refused):
    """A signature, certificate or sender that is not what it claims to be; which of them is not told."""

    def __init__(self) -> None:
        super().__init__("the signature is not that of a processor whom we believe")


@dataclass(frozen=True, slots=True)
class Seal:
    """The domain that we answer for, its certificate, and what signs in its name."""

    domain: str
    certificate: bytes
    key: Key = field(repr=False)

    @classmethod
    def load(cls, root: Path, config: OpenDsrConfig, now: datetime) -> Self:
        """Return the seal of a workspace; raise `ConfigurationError` for a certificate that others must not believe."""
        chain_pem, chain = _chain(root, config.certificate, "opendsr.certificate")
        leaf = chain[0]
        key = _key(root, config.key)
        if _public(leaf.public_key()) != _public(key.public_key()):
            raise _wrong("opendsr.key", "not the key of the certificate", "name the key it was issued for")
        if leaf.issuer == leaf.subject:
            right = "use one that an authority issued; OpenDSR forbids others"
            raise _wrong("opendsr.certificate", "signed by itself", right)
        if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
            raise _wrong("opendsr.certificate", "not valid now", "renew it")
        if config.domain not in _names(leaf):
            raise _wrong("opendsr.certificate", "not issued for the domain", f"it must name {config.domain}")
        return cls(config.domain, chain_pem, key)

    def headers(self, raw: bytes, *, legacy: bool = False) -> dict[str, str]:
        """Return the headers that prove a body to be ours, under OpenGDPR's old names as well where asked."""
        told = {DOMAIN: self.domain, SIGNATURE: self.sign(raw)}
        return told | ({LEGACY[name]: value for name, value in told.items()} if legacy else {})

    def sign(self, raw: bytes) -> str:
        """Return the signature of the raw bytes, in base64."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            signature = self.key.sign(raw, padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = self.key.sign(raw, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode("ascii")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose callbacks are believed: authorities, and by domain the certificates that their processors published."""

    roots: tuple[x509.Certificate, ...]
    processors: Mapping[str, tuple[x509.Certificate, ...]]

    @classmethod
    def load(cls, root: Path, config: OpenDsrConfig) -> Self:
        """Return whom a workspace believes; nobody, where it names no authorities."""
        roots = _chain(root, config.trust, "opendsr.trust")[1] if config.trust else ()
        known = {
            domain: _chain(root, path, f"opendsr.processors.{domain}")[1] for domain, path in config.processors.items()
        }
        return cls(tuple(roots), {domain: tuple(chain) for domain, chain in known.items()})

    def check(self, raw: bytes, domain: str | None, signature: str | None, now: datetime) -> str:
        """Return the domain that signed the raw bytes; raise `Forged` for anything else, always the same."""
        chain = self.processors.get((domain or "").lower())
        if not chain or not signature or not self.roots:
            raise Forged
        try:
            policy = PolicyBuilder().store(Store(list(self.roots))).time(now)
            policy.build_server_verifier(x509.DNSName(str(domain).lower())).verify(chain[0], list(chain[1:]))
            _verify(chain[0], base64.b64decode(signature, validate=True), raw)
        except (VerificationError, InvalidSignature, UnsupportedAlgorithm, binascii.Error, ValueError):
            raise Forged from None
        return str(domain).lower()


def _verify(leaf: x509.Certificate, signature: bytes, raw: bytes) -> None:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        key.verify(signature, raw, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        key.verify(signature, raw, ec.ECDSA(hashes.SHA256()))
    else:
        raise InvalidSignature


def _chain(root: Path, path: str, where: str) -> tuple[bytes, Sequence[x509.Certificate]]:
    try:
        pem = (root / path).read_bytes()
        return pem, x509.load_pem_x509_certificates(pem)
    except (OSError, ValueError):
        raise _wrong(where, "no certificates in PEM there", "name a file of the workspace that holds them") from None


def _key(root: Path, path: str) -> Key:
    try:
        key = serialization.load_pem_private_key((root / path).read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise _wrong("opendsr.key", "no private key in PEM there", "name a file without a password") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA:
        return key
    raise _wrong("opendsr.key", "neither RSA of 2048 bits nor ECDSA on a NIST curve", "OpenDSR signs with one of these")


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _public(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _wrong(where: str, wrong: str, right: str) -> ConfigurationError:
    return ConfigurationError(FILE, None, where, wrong, right)
