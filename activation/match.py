"""Match keys: what a destination gets instead of an identifier, so that it can recognise whom it knows already.

SHA-256, lower-case hex, UTF-8, no salt, as the large ad and mail platforms ask for. `transforms.delivery` has
the Spark twin; a test with published vectors and a property test hold them equal.
"""

import hashlib
from collections.abc import Iterable

from activation.model import identifier_type
from infra import emails


def match_key(key_type: str, value: str) -> str:
    """Return the digest of a normalised identifier value in the key type's spelling."""
    if key_type == "email_canonical":
        value = emails.canonical(value)
    elif key_type == "phone_digits":
        value = value.lstrip("+")
    return hashlib.sha256(value.encode()).hexdigest()


def match_keys(key_types: Iterable[str], identifiers: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return key type and digest of every identifier that a destination asks for."""
    held = tuple(identifiers)
    return frozenset(
        (key_type, match_key(key_type, value))
        for key_type in key_types
        for kind, value in held
        if kind == identifier_type(key_type)
    )
