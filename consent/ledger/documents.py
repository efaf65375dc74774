"""Signed documents of the ledger: heads, promises, receipts; each names its kind, so that none passes for another."""

from collections.abc import Mapping
from typing import Any, Final

from consent.ledger.leaf import VERSION
from infra.errors import Malformed
from infra.signing import Signer, canonical, decoded, encoded, verified

HEAD: Final = "head"
PROMISE: Final = "promise"
RECEIPT: Final = "receipt"
EXPORT: Final = "export"


def signed(kind: str, facts: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """Return a document of a kind with the name of the key and the signature over all the rest."""
    document = {"kind": kind, "v": VERSION, **facts, "key_id": signer.key_id}
    return {**document, "signature": encoded(signer.sign(canonical(document)))}


def genuine(document: Mapping[str, Any], public: bytes) -> bool:
    """Say whether the holder of a key signed this document, exactly as it stands."""
    try:
        signature = decoded(document["signature"])
        told = canonical({name: value for name, value in document.items() if name != "signature"})
    except (KeyError, TypeError, Malformed):
        return False
    return verified(public, signature, told)
