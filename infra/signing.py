"""Signatures that others can check without us: Ed25519 (RFC 8032) over canonical JSON (RFC 8785)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from infra.errors import Malformed, Unavailable
from infra.settings import secret_key

VARIABLE: Final = "KINDRED_SIGNING_KEY"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and the name under which others know its public half."""

    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, seed: bytes) -> Self:
        """Return the signer of a seed of 32 bytes."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Return the signer of a workspace; raise `Unavailable` where `KINDRED_SIGNING_KEY` holds none."""
        try:
            seed = secret_key(environ, VARIABLE)
        except ValueError:
            seed = None
        if seed is None:
            raise Unavailable(
                f"{VARIABLE} is not set or not 64 hexadecimal digits; `kindred init` writes one into the workspace's "
                ".env, production sets it in the environment"
            )
        return cls.of(seed)

    @property
    def public(self) -> bytes:
        """The public half, 32 bytes."""
        return self.key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        """The name of the key: the first 16 hex digits of the public half's SHA-256."""
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes; the same for ever for one message."""
        return self.key.sign(message)


def key_id(public: bytes) -> str:
    """Return the name of a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def verified(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature is of this message by the holder of this key; whatever is malformed is not."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a document of strings, whole numbers, lists and mappings (RFC 8785).

    Raise `Malformed` for what JSON cannot carry alike everywhere: numbers beyond 2^53, not-a-number, other types.
    """
    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        raise Malformed("the document has no canonical form; numbers beyond 2^53 and other types go as text") from None


def encoded(raw: bytes) -> str:
    """Return bytes as text of a document: base64 (RFC 4648) with padding."""
    return base64.b64encode(raw).decode("ascii")


def decoded(text: str) -> bytes:
    """Return the bytes of a document's text; raise `Malformed` where it is no base64 in its one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = None
    # The last letter may carry bits that stand for nothing: then another text would be the same bytes.
    if raw is None or encoded(raw) != text:
        raise Malformed("not base64 with padding (RFC 4648)")
    return raw
