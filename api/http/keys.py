"""API keys: made once, shown once, kept as a digest; each carries its scopes and the purposes it may use."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import Engine, RowMapping, func, insert, select, update

from api.http.errors import KeyMissing, ScopeUnknown, WriteKeyMixed
from api.http.store import API_KEY, WRITE_KEY
from infra.ids import Purpose

PREFIX = "kd_"
SCOPES = (
    "profile:read",
    "profile:explain",
    "identity:review",
    "consent:read",
    "consent:write",
    "consent:reasons",
    "preferences:link",
    "decide",
    "privacy:read",
    "privacy:write",
    "console",
    "admin",
)
WRITE: Final = "events:write"
# It stands alone: a write key is public, and belongs to one source. `admin` includes neither it nor the console's.
_OWN: Final = ("console", WRITE)
_SECRET_BYTES = 32
_KEY_LENGTH = len(PREFIX) + 10 + 1 + 43

_KEYS: Final = select(API_KEY, WRITE_KEY.c.source).outerjoin(WRITE_KEY, WRITE_KEY.c.id == API_KEY.c.id)

Draw = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Credential:
    """Who calls: what the key may do, and for which purposes."""

    key_id: str
    name: str
    scopes: frozenset[str]
    purposes: frozenset[Purpose]
    source: str | None = None

    @property
    def writes(self) -> bool:
        """Whether the key lets events in, for its one source."""
        return self.source is not None and self.scopes == {WRITE}

    def may(self, scope: str) -> bool:
        """Say whether the key holds a scope; `admin` holds all but the console's and that of write keys."""
        return scope in self.scopes or ("admin" in self.scopes and scope not in _OWN)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key as an officer may see it: everything but what opens the door."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    purposes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None
    source: str | None = None


def create_key(
    database: Engine,
    *,
    name: str,
    scopes: Collection[str],
    purposes: Collection[str],
    at: datetime,
    source: str | None = None,
    draw: Draw = secrets.token_bytes,
) -> str:
    """Return a new key. This is the only time that anybody sees it: the database keeps its digest.

    A write key (`events:write`) names its `source` and holds nothing else: it is printed in every web page.
    """
    unknown = sorted(set(scopes) - {*SCOPES, WRITE})
    if unknown:
        raise ScopeUnknown(unknown, (*SCOPES, WRITE))
    if (WRITE in scopes) != (source is not None) or (WRITE in scopes and (len(set(scopes)) > 1 or purposes)):
        raise WriteKeyMixed
    key_id = draw(5).hex()
    key = f"{PREFIX}{key_id}_{_text(draw(_SECRET_BYTES))}"
    row = {
        "id": key_id,
        "hash": digest(key),
        "name": name,
        "scopes": orjson.dumps(sorted(set(scopes))).decode(),
        "purposes": orjson.dumps(sorted(set(purposes))).decode(),
        "created_at": at,
        "revoked_at": None,
    }
    with database.begin() as connection:
        connection.execute(insert(API_KEY).values(row))
        if source is not None:
            connection.execute(insert(WRITE_KEY).values(id=key_id, source=source))
    return key


def list_keys(database: Engine) -> tuple[KeyEntry, ...]:
    """Return every key ever made, the oldest first, revoked ones too: who could read is part of the record."""
    with database.connect() as connection:
        rows = connection.execute(_KEYS.order_by(API_KEY.c.created_at, API_KEY.c.id)).mappings()
        return tuple(
            KeyEntry(
                key_id=row["id"],
                name=row["name"],
                scopes=tuple(orjson.loads(row["scopes"])),
                purposes=tuple(orjson.loads(row["purposes"])),
                created_at=row["created_at"],
                revoked_at=row["revoked_at"],
                source=row["source"],
            )
            for row in rows
        )


def revoke_key(database: Engine, key_id: str, *, at: datetime) -> None:
    """Close a key for ever; every server forgets it within a second. Raise `KeyMissing` for an unknown id."""
    with database.begin() as connection:
        known = connection.execute(select(API_KEY.c.id).where(API_KEY.c.id == key_id)).first()
        if known is None:
            raise KeyMissing(key_id)
        connection.execute(
            update(API_KEY).where(API_KEY.c.id == key_id, API_KEY.c.revoked_at.is_(None)).values(revoked_at=at)
        )


def digest(key: str) -> str:
    """Return what is kept of a key. 256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(key.encode()).hexdigest()


def find_credential(database: Engine, key: str) -> Credential | None:
    """Return whose key this is, or None where it is no key, an unknown one or a revoked one."""
    if len(key) != _KEY_LENGTH or not key.startswith(PREFIX) or not key.isascii():
        return None
    row = _standing(database, key[len(PREFIX) :].partition("_")[0])
    # Compared even where no row was found, so that the time taken does not tell known ids from unknown.
    same = hmac.compare_digest(row["hash"] if row else digest(""), digest(key))
    return _credential(row) if row is not None and same else None


def credential_of(database: Engine, key_id: str) -> Credential | None:
    """Return the credential of a key id that a signed session names, or None where it was revoked."""
    row = _standing(database, key_id)
    return None if row is None else _credential(row)


def _standing(database: Engine, key_id: str) -> RowMapping | None:
    query = _KEYS.where(API_KEY.c.id == key_id, API_KEY.c.revoked_at.is_(None))
    with database.connect() as connection:
        return connection.execute(query).mappings().first()


def _credential(row: RowMapping) -> Credential:
    return Credential(
        key_id=row["id"],
        name=row["name"],
        scopes=frozenset(orjson.loads(row["scopes"])),
        purposes=frozenset(orjson.loads(row["purposes"])),
        source=row["source"],
    )


def revision(database: Engine) -> tuple[int, str]:
    """Return a mark that changes whenever a key is made or revoked."""
    with database.connect() as connection:
        made, revoked = connection.execute(select(func.count(API_KEY.c.id), func.max(API_KEY.c.revoked_at))).one()
        closed = connection.execute(
            select(func.count(API_KEY.c.id)).where(API_KEY.c.revoked_at.is_not(None))
        ).scalar_one()
    return int(made) + int(closed), str(revoked)


def _text(raw: bytes) -> str:
    # Without padding, as secrets.token_urlsafe writes it.
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
