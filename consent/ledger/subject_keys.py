"""Each subject's own key, in a store of its own: who destroys the key has destroyed all that was written under it.

The store lies beside the database and in none of its backups. Its keys are wrapped by KINDRED_SUBJECT_KEY, so the file
alone opens nothing.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, Engine, LargeBinary, MetaData, String, Table, bindparam, delete, select
from sqlalchemy.dialects import sqlite

from consent.errors import KeysUnreadable
from infra.database import connect, empty_log, in_parts, writing
from infra.ids import Sid

VARIABLE: Final = "KINDRED_SUBJECT_KEY"
FILE: Final = "subject_keys.db"
_METADATA: Final = MetaData()
_KEY: Final = Table(
    "subject_key",
    _METADATA,
    Column("sid", String(64), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)
_VERSION: Final = b"\x01"  # of how a key is wrapped and a payload is written
_NONCE: Final = 12
SALT: Final = 32
_TAG: Final = 16
_PATIENCE: Final = 1_000  # milliseconds that readers have to let go of the log
# A ciphertext of this length holds the salt and nothing else.
BARE: Final = len(_VERSION) + _NONCE + SALT + _TAG

Draw = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload under its subject's key, and the commitment to it that a leaf carries."""

    ciphertext: bytes = field(repr=False)
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload with the salt that ties it to its commitment."""

    salt: bytes = field(repr=False)
    payload: bytes = field(repr=False)

    @property
    def commitment(self) -> bytes:
        """The commitment that this opens."""
        return committed(self.salt, self.payload)


def committed(salt: bytes, payload: bytes) -> bytes:
    """Return the commitment to a payload: it says nothing of it without the salt."""
    return hashlib.sha256(salt + payload).digest()


@dataclass(frozen=True, slots=True)
class SubjectKeys:
    """The store of keys; `draw` gives random bytes."""

    engine: Engine
    wrapping: AESGCM = field(repr=False)
    draw: Draw = secrets.token_bytes

    @classmethod
    def open(cls, path: Path, wrapping_key: bytes, draw: Draw = secrets.token_bytes) -> Self:
        """Return the store in a file, which its owner alone may read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        engine = connect(f"sqlite:///{path}")
        with writing(engine) as connection:
            _METADATA.create_all(connection)
        return cls(engine, AESGCM(wrapping_key), draw)

    def key_of(self, sid: Sid) -> bytes:
        """Return a subject's key, drawn at the first asking; it is on disk before this returns."""
        return self.keys_of([sid])[sid]

    def keys_of(self, sids: Collection[Sid]) -> dict[Sid, bytes]:
        """Return many subjects' keys, drawn where there are none yet."""
        held = self.held(sids)
        if lacking := sorted(set(sids) - held.keys()):
            rows = [{"sid": sid, "wrapped": self._wrapped(sid, self.draw(32))} for sid in lacking]
            with writing(self.engine) as connection:
                # Another process may have drawn one meanwhile: the first stays.
                connection.execute(sqlite.insert(_KEY).on_conflict_do_nothing(), rows)
            held |= self.held(lacking)
        return held

    def held(self, sids: Iterable[Sid]) -> dict[Sid, bytes]:
        """Return the keys that there are; of a subject that was erased there is none."""
        found: dict[Sid, bytes] = {}
        with self.engine.connect() as connection:
            for part in in_parts(sorted(set(sids))):
                rows = connection.execute(select(_KEY).where(_KEY.c.sid.in_(part)))
                found |= {Sid(row.sid): self._unwrapped(row.sid, row.wrapped) for row in rows}
        return found

    def seal(self, sid: Sid, payload: bytes) -> Sealed:
        """Return a payload under the subject's key."""
        return self.seal_all([(sid, payload)])[0]

    def seal_all(self, told: Sequence[tuple[Sid, bytes]]) -> list[Sealed]:
        """Return many payloads, each under its subject's key."""
        ciphers = {sid: AESGCM(key) for sid, key in self.keys_of({sid for sid, _ in told}).items()}
        sealed = []
        for sid, payload in told:
            salt, nonce = self.draw(SALT), self.draw(_NONCE)
            hidden = ciphers[sid].encrypt(nonce, salt + payload, _bound_to(sid))
            sealed.append(Sealed(_VERSION + nonce + hidden, committed(salt, payload)))
        return sealed

    def open_all(self, hidden: Sequence[tuple[Sid, bytes]]) -> list[Opened | None]:
        """Return what stands in ciphertexts; None for those of a subject whose key was destroyed."""
        ciphers = {sid: AESGCM(key) for sid, key in self.held(sid for sid, _ in hidden).items()}
        return [_opened(ciphers, sid, ciphertext) for sid, ciphertext in hidden]

    def shred(self, sids: Iterable[Sid]) -> int:
        """Destroy subjects' keys and return how many there were; when this returns no page of the file holds them."""
        wanted, gone = sorted(set(sids)), 0
        with writing(self.engine) as connection:
            for part in in_parts(wanted):
                gone += len(connection.execute(select(_KEY.c.sid).where(_KEY.c.sid.in_(part))).all())
                connection.execute(delete(_KEY).where(_KEY.c.sid == bindparam("gone")), [{"gone": s} for s in part])
        self._forget_pages()
        return gone

    def close(self) -> None:
        """Let go of the file."""
        self.engine.dispose()

    def _forget_pages(self) -> None:
        # Free pages are overwritten (secure_delete); what remains is the write-ahead log.
        if not empty_log(self.engine, _PATIENCE):
            raise KeysUnreadable("a reader holds the log of the keys' store open; destroy them again when it has ended")

    def _wrapped(self, sid: Sid, key: bytes) -> bytes:
        nonce = self.draw(_NONCE)
        return _VERSION + nonce + self.wrapping.encrypt(nonce, key, f"subject_key|wrapped|{sid}".encode())

    def _unwrapped(self, sid: str, wrapped: bytes) -> bytes:
        try:
            nonce, hidden = wrapped[1 : 1 + _NONCE], wrapped[1 + _NONCE :]
            return self.wrapping.decrypt(nonce, hidden, f"subject_key|wrapped|{sid}".encode())
        except InvalidTag:
            raise KeysUnreadable(
                f"a subject's key does not open with {VARIABLE}: it is another than the one that wrapped it, or the "
                "store was damaged; set the one that this workspace was written with"
            ) from None


def _opened(ciphers: Mapping[Sid, AESGCM], sid: Sid, ciphertext: bytes) -> Opened | None:
    if sid not in ciphers:
        return None
    try:
        told = ciphers[sid].decrypt(ciphertext[1 : 1 + _NONCE], ciphertext[1 + _NONCE :], _bound_to(sid))
    except InvalidTag:
        raise KeysUnreadable("the private part of a ledger entry was changed: it does not open with its key") from None
    return Opened(told[:SALT], told[SALT:])


def _bound_to(sid: Sid) -> bytes:
    return f"consent_event|private|{sid}".encode()
