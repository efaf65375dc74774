"""Whom an erasure under way means, sealed on disk: once rows are gone the graph cannot be asked again."""

import base64
import hashlib
import hmac
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consent.erasure.ports import Stretch, Subject
from infra.errors import Broken
from infra.ids import ProfileId, RecordKey, Sid, Token
from infra.keyvalue import fsync_folder

_NAME: Final = "subject.sealed"
_NONCE: Final = 12


def seal(folder: Path, key: bytes, request_id: str, subject: Subject) -> None:
    """Write a subject down under a key of its request's own; the file is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    nonce = os.urandom(_NONCE)
    plain = json.dumps(asdict(subject), default=datetime.isoformat).encode()
    draft = folder / f".{_NAME}"
    with draft.open("wb") as file:
        # as text: whoever searches the work files reads it, and finds nothing
        file.write(base64.b64encode(nonce + AESGCM(_own(key, request_id)).encrypt(nonce, plain, request_id.encode())))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _NAME)
    fsync_folder(folder)


def opened(folder: Path, key: bytes, request_id: str) -> Subject | None:
    """Return the subject that was sealed, None where none was; raise `Broken` where it opens under no key of ours."""
    file = folder / _NAME
    if not file.is_file():
        return None
    try:
        raw = base64.b64decode(file.read_bytes(), validate=True)
        plain = AESGCM(_own(key, request_id)).decrypt(raw[:_NONCE], raw[_NONCE:], request_id.encode())
    except (InvalidTag, ValueError):
        raise Broken(
            f"what erasure {request_id} is about cannot be opened: the token key is another than it began with; "
            "set that one again"
        ) from None
    return _subject(json.loads(plain))


def _own(key: bytes, request_id: str) -> bytes:
    return hmac.digest(key, f"erasure|{request_id}".encode(), hashlib.sha256)


def _subject(told: dict[str, Any]) -> Subject:
    def pairs(name: str) -> tuple[tuple[str, str], ...]:
        return tuple((str(left), str(right)) for left, right in told[name])

    moments = ("from_at", "to_at")
    stretches = ({**one, **{name: datetime.fromisoformat(one[name]) for name in moments}} for one in told["stretches"])
    return Subject(
        tokens=tuple(map(Token, told["tokens"])),
        shared=tuple(map(Token, told["shared"])),
        record_keys=tuple(map(RecordKey, told["record_keys"])),
        profile_ids=tuple(map(ProfileId, told["profile_ids"])),
        sids=tuple(map(Sid, told["sids"])),
        values=pairs("values"),
        source_keys=pairs("source_keys"),
        stretches=tuple(Stretch(**one) for one in stretches),
    )
