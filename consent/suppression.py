"""Who is kept out for ever: keyed tokens of every spelling of erased identifiers, obeyed wherever rows come in.

No value is kept, only its HMAC under a key of the workspace. The key's version stands beside it: what comes in is
tokened under every key that is still held, so that a change of keys lets nobody back in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Column, Connection, Engine, Integer, String, Table, delete, select, tuple_

from consent.store import METADATA, restricted_tokens
from infra import emails
from infra.database import UtcDateTime, in_parts, writing
from infra.identifiers import IdentifierType, digests, token
from infra.ids import Token

Scope = Literal["all", "marketing", "sale"]
ALL_USES: Final[Scope] = "all"
_ERASURE: Final = "erasure"  # the reason of the freeze

SUPPRESSION: Final = Table(
    "suppression",
    METADATA,
    Column("token", String(80), primary_key=True),
    Column("scope", String(20), primary_key=True),
    Column("key_version", Integer, nullable=False),
    Column("reason", String(60), nullable=False),
    Column("request_id", String(64), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("review_at", UtcDateTime),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why somebody is kept out: ground, request, since when, and when it is to be looked at again."""

    reason: str
    request_id: str
    at: datetime
    scope: Scope = ALL_USES
    review_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Those kept out as a rule over incoming values: their tokens, and the keys that are held, by version."""

    tokens: frozenset[str] = field(default=frozenset(), repr=False)
    keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.tokens)

    def names(self, kinds: Mapping[str, IdentifierType], kind: str, value: str) -> bool:
        """Say whether a normalised value, in any spelling and under any key, is one of somebody kept out."""
        return any(one in self.tokens for _, one in tokens_of(self.keys, kinds, kind, value))


def forms(kinds: Mapping[str, IdentifierType], kind: str, value: str) -> tuple[tuple[str, str], ...]:
    """Return every identifier that a normalised value also is: itself, the mailbox behind an address, its digests."""
    found = [(kind, value)]
    if kinds[kind].normaliser == "email":
        found.append((kind, emails.canonical(value)))
    found += digests(kinds, kind, value)
    return tuple(dict.fromkeys(found))


def tokens_of(
    keys: Mapping[int, bytes], kinds: Mapping[str, IdentifierType], kind: str, value: str
) -> Iterator[tuple[int, Token]]:
    """Yield a value's tokens in every form under every held key, with the key's version."""
    for version, key in keys.items():
        for name, form in forms(kinds, kind, value):
            yield version, token(key, name, form)


def suppress(database: Engine, tokens: Iterable[tuple[int, Token]], cause: Cause) -> int:
    """Keep the bearers of the tokens (with their keys' versions) out from now on; return how many were new."""
    rows = [
        {
            "token": one,
            "scope": cause.scope,
            "key_version": version,
            "reason": cause.reason,
            "request_id": cause.request_id,
            "created_at": cause.at,
            "review_at": cause.review_at,
        }
        for version, one in sorted(set(tokens))
    ]
    new = 0
    with writing(database) as connection:
        for part in in_parts(rows):
            same = tuple_(SUPPRESSION.c.token, SUPPRESSION.c.scope)
            asked = [(row["token"], row["scope"]) for row in part]
            there = {tuple(row) for row in connection.execute(
                select(SUPPRESSION.c.token, SUPPRESSION.c.scope).where(same.in_(asked))
            )}  # fmt: skip
            fresh = {(row["token"], row["scope"]): row for row in part}
            fresh = {key: row for key, row in fresh.items() if key not in there}
            if fresh:
                connection.execute(SUPPRESSION.insert(), list(fresh.values()))
            new += len(fresh)
    return new


def lift(database: Engine, tokens: Iterable[Token], *, scope: Scope = ALL_USES) -> int:
    """Let the bearers of the tokens in again, by a new verified act of theirs; return how many were kept out."""
    gone = 0
    with writing(database) as connection:
        for part in in_parts(sorted(set(tokens))):
            mine = SUPPRESSION.c.token.in_(part) & (SUPPRESSION.c.scope == scope)
            gone += connection.execute(delete(SUPPRESSION).where(mine)).rowcount
    return gone


def suppressed_tokens(database: Engine, scope: Scope = ALL_USES) -> frozenset[Token]:
    """Return the tokens of everybody who is kept out."""
    with database.connect() as connection:
        found = connection.execute(select(SUPPRESSION.c.token).where(SUPPRESSION.c.scope == scope)).scalars()
        return frozenset(Token(one) for one in found)


def suppressed_by(database: Engine, request_id: str) -> frozenset[Token]:
    """Return the tokens that a request keeps out."""
    with database.connect() as connection:
        query = select(SUPPRESSION.c.token).where(SUPPRESSION.c.request_id == request_id)
        return frozenset(Token(one) for one in connection.execute(query).scalars())


def erasing(connection: Connection, tokens: Sequence[Token]) -> bool:
    """Say whether an erasure keeps any of the tokens out."""
    kept = (SUPPRESSION.c.reason == _ERASURE) & (SUPPRESSION.c.scope == ALL_USES)
    return any(
        connection.execute(select(SUPPRESSION.c.token).where(kept, SUPPRESSION.c.token.in_(part)).limit(1)).first()
        for part in in_parts(tokens)
    )


def versions(database: Engine) -> tuple[int, ...]:
    """Return the versions of the keys that the list was made under."""
    with database.connect() as connection:
        return tuple(sorted(connection.execute(select(SUPPRESSION.c.key_version).distinct()).scalars()))


def kept_out(database: Engine, keys: Mapping[int, bytes]) -> KeptOut:
    """Return the list as the rule that ingestion holds incoming values to."""
    return KeptOut(suppressed_tokens(database), keys)


def not_to_be_stored(database: Engine) -> frozenset[Token]:
    """Return everybody whose rows may not be stored: restricted by the ledger, or kept out."""
    return restricted_tokens(database) | suppressed_tokens(database)
