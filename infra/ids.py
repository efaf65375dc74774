"""The identifiers that Kindred itself gives out, and the digests they come from."""

import hashlib
import json
from typing import NewType

RecordKey = NewType("RecordKey", str)
ProfileId = NewType("ProfileId", str)
Sid = NewType("Sid", str)
Token = NewType("Token", str)
Purpose = NewType("Purpose", str)


def birth_id(salt: str, source: str, key: str) -> RecordKey:
    """Return the id that a record is born with: 32 hex digits that say nothing without the salt.

    The salt is drawn for a run and forgotten with it, so nobody can compute the id again from a key after
    an erasure; a seeded workspace derives the salt, so that tests and the demo repeat.
    `infra.columns.birth_id` is its twin in Spark.
    """
    return RecordKey(hashlib.sha256(f"{salt}|{source}|{key}".encode()).hexdigest()[:32])


def content_digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON (sorted keys, no blanks): equal content, equal digest."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
