"""Bearer tokens of an OpenID Connect provider: signature, issuer, audience and time, then its names to our scopes.

The provider's keys come from a file of the workspace or one declared address; a token never says where to look. What
signs is an algorithm with a public key, so that nobody who knows that key can sign.
"""

import hashlib
import hmac
import math
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import orjson

from api.http.errors import KeysUnreachable, Unauthenticated
from api.http.keys import SCOPES, Credential
from infra.errors import ConfigurationError
from infra.ids import Purpose
from infra.serving_settings import OidcSettings

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]
_MOST_BYTES: Final = 8 * 1024
_FRESH, _PATIENCE = 300.0, 30.0
_JWKS_BYTES, _JWKS_SECONDS = 256 * 1024, 5.0
_RSA_BITS: Final = 2048

Fetch = Callable[[], bytes]


class KeySet:
    """A provider's public keys by id, fetched anew every five minutes, and for an id never seen at most twice a minute.

    While the provider cannot be reached the keys that are held go on; without any nobody is let in.
    """

    def __init__(self, fetch: Fetch, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._stopwatch = fetch, stopwatch
        self._keys: Mapping[str, jwt.PyJWK] | None = None
        self._at = -math.inf
        self._lock = threading.Lock()

    def key(self, kid: str) -> jwt.PyJWK | None:
        """Return a key by its id, or None where the provider has none; raise `KeysUnreachable`."""
        with self._lock:
            age = self._stopwatch() - self._at
            if age > _FRESH or ((self._keys is None or kid not in self._keys) and age > _PATIENCE):
                self._at = self._stopwatch()
                self._read()
            if self._keys is None:
                raise KeysUnreachable
            return self._keys.get(kid)

    def _read(self) -> None:
        try:
            told = orjson.loads(self._fetch())
            listed = told["keys"]
        except (OSError, ValueError, TypeError, KeyError):
            return
        if not isinstance(listed, list):
            return
        found = [_usable(one) for one in listed if isinstance(one, dict)]
        named = [key for key in found if key is not None and isinstance(key.key_id, str)]
        self._keys = {key.key_id: key for key in named if key.key_id}


def _usable(one: dict[str, Any]) -> jwt.PyJWK | None:
    if one.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(one)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    weak = one.get("kty") == "RSA" and getattr(key.key, "key_size", 0) < _RSA_BITS
    return None if weak or key.algorithm_name not in ALGORITHMS else key


class Bearer:
    """Who sends a token, as a credential that ends with it, or after five minutes, when it is looked at anew."""

    def __init__(self, settings: OidcSettings, keys: KeySet, secret: bytes) -> None:
        self._settings, self._keys, self._secret = settings, keys, secret

    def __call__(self, token: str, at: datetime) -> Credential:
        """Return the credential of a token; raise `Unauthenticated` for all that do not hold, alike."""
        claims = self._checked(token)
        ends = self._in_time(claims, at)
        subject = f"{claims['iss']}\n{claims['sub']}".encode()
        names = _names(claims.get(self._settings.claim))
        return Credential(
            # In the audit stands neither a name nor anything that a name can be tried against without our key.
            key_id="o_" + hmac.new(self._secret, b"oidc\n" + subject, hashlib.sha256).hexdigest()[:14],
            name="oidc",
            scopes=frozenset(s for name in names for s in self._settings.scopes.get(name, ())),
            purposes=frozenset(Purpose(p) for name in names for p in self._settings.purposes.get(name, ())),
            ends=min(ends, at + timedelta(seconds=_FRESH)),
        )

    def _checked(self, token: str) -> dict[str, Any]:
        if len(token) > _MOST_BYTES or token.count(".") != 2:
            raise Unauthenticated
        try:
            header = jwt.get_unverified_header(token)
            kid, algorithm = header.get("kid"), header.get("alg")
            key = self._keys.key(kid) if isinstance(kid, str) and algorithm in ALGORITHMS else None
            if key is None or key.algorithm_name != algorithm or "crit" in header:
                raise Unauthenticated
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                # Times are judged below, by the clock that everything here goes by.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            raise Unauthenticated from None
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise Unauthenticated
        return claims

    def _in_time(self, claims: Mapping[str, Any], at: datetime) -> datetime:
        leeway = self._settings.leeway
        ends, begins = claims["exp"], claims.get("nbf", -math.inf)
        if isinstance(ends, bool) or not isinstance(ends, int | float) or not isinstance(begins, int | float):
            raise Unauthenticated
        now = at.timestamp()
        # The bounds of the calendar: what lies beyond them is nobody's real end.
        if not now < ends + leeway < now + 366 * 86_400 or now < begins - leeway:
            raise Unauthenticated
        return datetime.fromtimestamp(ends + leeway, UTC)


def fetched(url: str, headers: Callable[[], Mapping[str, str]] = dict) -> Fetch:
    """Return how the keys at an address are read: that address alone, no redirect, bounded in bytes and time.

    `headers` go along, such as the trace that the fetching belongs to.
    """

    def fetch() -> bytes:
        opener = urllib.request.build_opener(_Straight)
        asked = urllib.request.Request(url, headers=dict(headers()))  # noqa: S310 - the settings hold it to http(s)
        with opener.open(asked, timeout=_JWKS_SECONDS) as answer:
            body: bytes = answer.read(_JWKS_BYTES + 1)
        if len(body) > _JWKS_BYTES:
            raise ValueError("too many keys")
        return body

    return fetch


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nobody: whoever may redirect could name other keys."""


def check_mapping(settings: OidcSettings, purposes: frozenset[str]) -> None:
    """Raise `ConfigurationError` where a scope or a purpose is handed out that does not exist."""
    for where, handed, known in (
        ("scopes", settings.scopes, frozenset(SCOPES)),
        ("purposes", settings.purposes, purposes),
    ):
        unknown = sorted({one for given in handed.values() for one in given} - known)
        if unknown:
            raise ConfigurationError(
                "kindred.yaml", None, f"serving.oidc.{where}", f"unknown: {', '.join(unknown)}",
                f"use {', '.join(sorted(known))}",
            )  # fmt: skip


def _names(claim: object) -> list[str]:
    if isinstance(claim, str):
        return claim.split()
    return [one for one in claim if isinstance(one, str)] if isinstance(claim, list) else []
