"""API keys: made once, shown once, kept as a digest; each carries its scopes and the purposes it may use."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
from sqlalchemy import Engine, RowMapping, func, insert, select, update

from api.http.errors import KeyMissing, KeyWouldNotOpen, ScopeUnknown, WriteKeyMixed
from api.http.store import API_KEY, WRITE_KEY
from infra.ids import Purpose

PREFIX = "kd_"
SCOPES = (
    "profile:read",
    "profile:explain",
    "changes:read",
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
    ends: datetime | None = None
    people_per_day: int | None = None
    rate: int | None = None

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
    expires_at: datetime | None = None
    rotated_at: datetime | None = None
    former_until: datetime | None = None
    last_used_at: datetime | None = None
    people_per_day: int | None = None
    rate: int | None = None

    def standing(self, at: datetime) -> str:
        """Say in a word or two how the key stands; nothing where it simply opens."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= at:
            return "expired"
        if self.former_until is not None and self.former_until > at:
            return "rotating"
        return ""


def create_key(
    database: Engine,
    *,
    name: str,
    scopes: Collection[str],
    purposes: Collection[str],
    at: datetime,
    source: str | None = None,
    expires_at: datetime | None = None,
    people_per_day: int | None = None,
    rate: int | None = None,
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
    if expires_at is not None and expires_at <= at:
        raise KeyWouldNotOpen
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
        "expires_at": expires_at,
        "people_per_day": people_per_day,
        "rate": rate,
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
                expires_at=row["expires_at"],
                rotated_at=row["rotated_at"],
                former_until=row["former_until"],
                last_used_at=row["last_used_at"],
                people_per_day=row["people_per_day"],
                rate=row["rate"],
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


def rotate_key(
    database: Engine, key_id: str, *, at: datetime, grace: timedelta, draw: Draw = secrets.token_bytes
) -> str:
    """Return a new secret of a key; the one before opens the door until the grace is over, and none before that.

    Scopes, purposes, limits and the place in the audit stay. Raise `KeyMissing` for a key that opens nothing.
    """
    with database.begin() as connection:
        row = connection.execute(_KEYS.where(API_KEY.c.id == key_id)).mappings().first()
        if row is None or not _opens(row, at):
            raise KeyMissing(key_id)
        key = f"{PREFIX}{key_id}_{_text(draw(_SECRET_BYTES))}"
        change = {"hash": digest(key), "rotated_at": at, "former_hash": row["hash"], "former_until": at + grace}
        connection.execute(update(API_KEY).where(API_KEY.c.id == key_id).values(change))
    return key


def used_keys(database: Engine, key_ids: Collection[str], *, at: datetime) -> None:
    """Keep the day on which keys were used, no finer: enough to find the forgotten ones, and no trace of anybody."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    older = API_KEY.c.last_used_at.is_(None) | (API_KEY.c.last_used_at < day)
    with database.begin() as connection:
        connection.execute(update(API_KEY).where(API_KEY.c.id.in_(key_ids), older).values(last_used_at=day))


def digest(key: str) -> str:
    """Return what is kept of a key. 256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(key.encode()).hexdigest()


def find_credential(database: Engine, key: str, at: datetime) -> Credential | None:
    """Return whose key this is, or None where it is no key, or one that is unknown, revoked or past its end."""
    if len(key) != _KEY_LENGTH or not key.startswith(PREFIX) or not key.isascii():
        return None
    row = _standing(database, key[len(PREFIX) :].partition("_")[0], at)
    shown = digest(key)
    # Compared even where no row was found, so that the time taken does not tell known ids from unknown.
    same = hmac.compare_digest(row["hash"] if row else digest(""), shown)
    former = hmac.compare_digest((row["former_hash"] if row else None) or digest(""), shown)
    if row is None or not (same or former):
        return None
    if same:
        return _credential(row, row["expires_at"])
    until = row["former_until"]
    if until is None or until <= at:
        return None
    return _credential(row, until if row["expires_at"] is None else min(until, row["expires_at"]))


def credential_of(database: Engine, key_id: str, at: datetime) -> Credential | None:
    """Return the credential of a key id that a signed session names, or None where it opens nothing any more."""
    row = _standing(database, key_id, at)
    return None if row is None else _credential(row, row["expires_at"])


def _standing(database: Engine, key_id: str, at: datetime) -> RowMapping | None:
    with database.connect() as connection:
        row = connection.execute(_KEYS.where(API_KEY.c.id == key_id)).mappings().first()
    return row if row is not None and _opens(row, at) else None


def _opens(row: RowMapping, at: datetime) -> bool:
    return row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > at)


def _credential(row: RowMapping, ends: datetime | None) -> Credential:
    return Credential(
        key_id=row["id"],
        name=row["name"],
        scopes=frozenset(orjson.loads(row["scopes"])),
        purposes=frozenset(orjson.loads(row["purposes"])),
        source=row["source"],
        ends=ends,
        people_per_day=row["people_per_day"],
        rate=row["rate"],
    )


def revision(database: Engine) -> tuple[int, str]:
    """Return a mark that changes whenever a key is made, rotated or revoked."""
    with database.connect() as connection:
        newest = func.count(API_KEY.c.id), func.max(API_KEY.c.revoked_at), func.max(API_KEY.c.rotated_at)
        made, revoked, rotated = connection.execute(select(*newest)).one()
        closed = connection.execute(
            select(func.count(API_KEY.c.id)).where(API_KEY.c.revoked_at.is_not(None))
        ).scalar_one()
    return int(made) + int(closed), f"{revoked} {rotated}"


def _text(raw: bytes) -> str:
    # Without padding, as secrets.token_urlsafe writes it.
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
