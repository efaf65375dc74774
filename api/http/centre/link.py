"""How a person comes in: a signed link to an identifier of theirs, and the visit that it opens."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from infra.ids import Token

HOME: Final = "/preferences"
COOKIE: Final = "kindred_preferences"
LINK_LASTS: Final = timedelta(days=7)
VISIT_LASTS: Final = timedelta(hours=1)
# A request may be extended to three months, an erasure then waits for older versions of files; with time to look.
COUNTERFOIL_LASTS: Final = timedelta(days=400)
_LONGEST: Final = 1_024


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever holds a link or a visit: under which identifier (its type and token, never its value), until when.

    `made_at` is when the link was signed, of a visit too: whoever closes their links ends the visits that they opened.
    """

    kind: str
    token: Token
    ends_at: int
    made_at: int


class Gate:
    """Signs links, visits and counterfoils; none is ever taken for another, nor for anything else signed here."""

    def __init__(self, token_key: bytes) -> None:
        key = hmac.new(token_key, b"preference centre v1", hashlib.sha256).digest()
        sha256 = {"digest_method": hashlib.sha256}
        self._links = URLSafeSerializer(key, salt="link", signer_kwargs=sha256)
        self._visits = URLSafeSerializer(key, salt="visit", signer_kwargs=sha256)
        self._counterfoils = URLSafeSerializer(key, salt="request", signer_kwargs=sha256)
        self._words = hmac.new(key, b"forms", hashlib.sha256).digest()
        self._marks = hmac.new(key, b"closed links", hashlib.sha256).digest()

    def link(self, kind: str, token: Token, at: datetime, lasts: timedelta = LINK_LASTS) -> str:
        """Return the signed part of a link, which whoever holds it may use until it runs out."""
        return str(self._links.dumps([kind, token, int((at + lasts).timestamp()), int(at.timestamp())]))

    def follow(self, signed: str, at: datetime) -> Bearer | None:
        """Return whose link it is, or None: forged and run out look alike."""
        return _bearer(self._links, signed, at)

    def visit(self, bearer: Bearer, at: datetime) -> str:
        """Return the cookie of a visit; it never outlives the link that opened it."""
        ends = min(bearer.ends_at, int((at + VISIT_LASTS).timestamp()))
        return str(self._visits.dumps([bearer.kind, bearer.token, ends, bearer.made_at]))

    def visitor(self, cookie: str | None, at: datetime) -> Bearer | None:
        """Return who is on a visit, or None where the cookie proves none or the visit is over."""
        return None if cookie is None else _bearer(self._visits, cookie, at)

    def mark(self, token: Token) -> str:
        """Return what stands for an identifier where its links are closed: no token that any other table knows."""
        return hmac.new(self._marks, token.encode(), hashlib.sha256).hexdigest()

    def counterfoil(self, request_id: str, at: datetime) -> str:
        """Return the signed part of the address where a request is followed, by whoever holds it.

        It opens where the request stands, and no data of the person.
        """
        return str(self._counterfoils.dumps([request_id, int((at + COUNTERFOIL_LASTS).timestamp())]))

    def followed(self, signed: str, at: datetime) -> str | None:
        """Return which request a counterfoil opens, or None: forged and run out look alike."""
        content = _content(self._counterfoils, signed)
        if content is None:
            return None
        request_id, ends = content
        return str(request_id) if at.timestamp() < ends else None

    def word(self, cookie: str) -> str:
        """Return the word that the forms of a visit carry, so that no other page can post them."""
        return hmac.new(self._words, cookie.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def same_word(self, cookie: str, word: str) -> bool:
        """Say whether a form was made for this visit."""
        return hmac.compare_digest(self.word(cookie).encode(), word.encode("utf-8", "replace"))


def _bearer(serializer: URLSafeSerializer, signed: str, at: datetime) -> Bearer | None:
    content = _content(serializer, signed)
    if content is None:
        return None
    kind, token, ends, *made = content
    return Bearer(kind, Token(token), ends, made[0] if made else 0) if at.timestamp() < ends else None


def _content(serializer: URLSafeSerializer, signed: str) -> Any:
    """Return what was signed here, or None; only then is it read at all."""
    if len(signed) > _LONGEST:
        return None
    try:
        return serializer.loads(signed)
    except BadData:
        return None
