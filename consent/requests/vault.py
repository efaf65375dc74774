"""What people told us in a request, sealed: AES-256-GCM under a key of the request's own, destroyed when it ends.

The keys lie in a store of their own, each wrapped under the workspace's subject key (RFC 3394), so that neither the
database nor a backup of it opens anything, and a destroyed key leaves sealed texts that nobody can read.
"""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy import Column, Engine, LargeBinary, MetaData, String, Table, delete, insert, select

from consent.requests.errors import Shredded
from infra.database import UtcDateTime, connect, empty_log, writing
from infra.errors import Unavailable
from infra.settings import secret_key
from infra.workspace import Workspace

VARIABLE: Final = "KINDRED_SUBJECT_KEY"
FILE: Final = "request_keys.db"
_NONCE: Final = 12
_KEY: Final = 32
_PATIENCE: Final = 1_000  # milliseconds
METADATA: Final = MetaData()
REQUEST_KEY: Final = Table(
    "request_key",
    METADATA,
    Column("request_id", String(32), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)


def wrapping_key(workspace: Workspace) -> bytes:
    """Return the key that wraps all others, from `KINDRED_SUBJECT_KEY`."""
    try:
        key = secret_key(workspace.environ, VARIABLE)
    except ValueError:
        key = None
    if key is None:
        raise Unavailable(
            f"{VARIABLE} is not set or not 64 hexadecimal digits; `kindred init` writes one into the workspace's .env, "
            "production sets it in the environment"
        )
    return key


@dataclass(frozen=True, slots=True)
class Vault:
    """The keys of requests that are open."""

    keys: Engine
    wrapping: bytes = field(repr=False)

    @classmethod
    def open(cls, state: Path, wrapping: bytes) -> Self:
        """Return the vault beside a workspace's state, outside of its database; its owner alone may read the file."""
        state.mkdir(parents=True, exist_ok=True)
        os.close(os.open(state / FILE, os.O_RDWR | os.O_CREAT, 0o600))
        keys = connect(f"sqlite:///{state / FILE}")
        with writing(keys) as connection:
            METADATA.create_all(connection)
        return cls(keys, wrapping)

    def make(self, request_id: str, at: datetime) -> None:
        """Draw the key of a new request, once."""
        wrapped = aes_key_wrap(self.wrapping, secrets.token_bytes(_KEY))
        with writing(self.keys) as connection:
            known = connection.execute(select(REQUEST_KEY.c.made_at).where(REQUEST_KEY.c.request_id == request_id))
            if known.first() is None:
                connection.execute(insert(REQUEST_KEY).values(request_id=request_id, wrapped=wrapped, made_at=at))

    def seal(self, request_id: str, what: bytes, place: str) -> bytes:
        """Return a text that only this request's key opens, and only in its place."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._key(request_id)).encrypt(nonce, what, f"{request_id}|{place}".encode())

    def unseal(self, request_id: str, sealed: bytes, place: str) -> bytes:
        """Return what was sealed; raise `Shredded` where the key is gone or the text is not of this place."""
        bound = f"{request_id}|{place}".encode()
        try:
            return AESGCM(self._key(request_id)).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except (InvalidTag, ValueError):
            raise Shredded from None

    def shred(self, request_ids: Iterable[str]) -> int:
        """Destroy keys and return how many there were; their bytes are overwritten in the file and its log."""
        with writing(self.keys) as connection:
            gone = sum(
                connection.execute(delete(REQUEST_KEY).where(REQUEST_KEY.c.request_id == one)).rowcount
                for one in request_ids
            )
        self.forget_pages()
        return gone

    def forget_pages(self) -> None:
        """Empty the file's log, in which keys that are gone may stand; where a reader holds it, the next time does."""
        empty_log(self.keys, _PATIENCE)

    def held(self) -> tuple[str, ...]:
        """Return the requests whose keys are still there."""
        with self.keys.connect() as connection:
            return tuple(connection.execute(select(REQUEST_KEY.c.request_id)).scalars())

    def _key(self, request_id: str) -> bytes:
        with self.keys.connect() as connection:
            query = select(REQUEST_KEY.c.wrapped).where(REQUEST_KEY.c.request_id == request_id)
            wrapped = connection.execute(query).scalar_one_or_none()
        if wrapped is None:
            raise Shredded
        try:
            return aes_key_unwrap(self.wrapping, wrapped)
        except InvalidUnwrap:
            raise Unavailable(f"{VARIABLE} is not the key under which this request was sealed; set that one") from None
