"""Bearer tokens of an identity provider."""

import base64
import hmac
import json
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from api.http.app import create_app
from api.http.credentials import KeyRing
from api.http.errors import KeysUnreachable, Unauthenticated
from api.http.oidc import Bearer, KeySet, check_mapping, fetched
from infra.errors import ConfigurationError
from infra.serving_settings import OidcSettings

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ANNA = "a" * 32
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
EC, ED = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
SETTINGS = OidcSettings(
    issuer="https://login.example.com/",
    audience="kindred",
    jwks="jwks.json",
    scopes={"reader": ["profile:read"], "nobody": []},
    purposes={"reader": ["service"]},
)


def public(kid: str, key: Any) -> dict[str, Any]:
    kind = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    made = next((m for k, m in kind.items() if isinstance(key, k)), OKPAlgorithm)
    return {**json.loads(made.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


JWKS = {
    "keys": [
        public("rsa", RSA),
        public("ec", EC),
        public("ed", ED),
        public("weak", WEAK),
        {**public("enc", RSA), "use": "enc"},
        {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "kid": "oct"},
        {"kty": "odd", "kid": "odd"},
        7,
    ]
}


def claims(**more: Any) -> dict[str, Any]:
    said = {
        "iss": SETTINGS.issuer, "aud": "kindred", "sub": "anna@example.org", "scope": "openid reader",
        "exp": int(NOW.timestamp()) + 600,
    }  # fmt: skip
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def signed(kid: str = "rsa", key: Any = RSA, algorithm: str = "RS256", **more: Any) -> str:
    with warnings.catch_warnings(action="ignore"):  # PyJWT warns of the weak key, as it should
        return jwt.encode(claims(**more), key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def bearer() -> Bearer:
    return Bearer(SETTINGS, KeySet(lambda: json.dumps(JWKS).encode()), b"k" * 32)


@pytest.mark.parametrize(("kid", "key", "algorithm"), [("rsa", RSA, "RS256"), ("ec", EC, "ES256"), ("ed", ED, "EdDSA")])
def test_a_token_opens_what_its_names_are_mapped_to(bearer: Bearer, kid: str, key: Any, algorithm: str) -> None:
    found = bearer(signed(kid, key, algorithm), NOW)
    assert (found.scopes, found.purposes) == ({"profile:read"}, {"service"})
    assert found.ends == NOW + timedelta(seconds=300)
    assert len(found.key_id) == 16
    assert "anna" not in repr(found)
    assert bearer(signed(), NOW).key_id == found.key_id
    assert bearer(signed(sub="ben@example.org"), NOW).key_id != found.key_id
    assert bearer(signed(scope=["nobody", 7, "reader"]), NOW).scopes == {"profile:read"}
    assert bearer(signed(scope=None), NOW).scopes == frozenset()


def unsigned() -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"rsa"}').rstrip(b"=").decode()
    return f"{head}.{signed().split('.')[1]}."


def confused(algorithm: str = "HS256") -> str:
    """Return a token signed with the public key as if it were a shared secret."""
    head, body = ({"alg": algorithm, "kid": "rsa"}, claims())
    text = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in (head, body))
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mark = hmac.new(pem, text.encode(), "sha256").digest()
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def tampered() -> str:
    head, _, mark = signed().split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(scope="admin reader")).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{mark}"


SECONDS = int(NOW.timestamp())
WRONG = {
    "unsigned": unsigned(),
    "confused": confused(),
    "confused as RS256": confused("RS256"),
    "tampered": tampered(),
    "expired": signed(exp=SECONDS - 61),
    "no end": signed(exp=None),
    "an end beyond the calendar": signed(exp=SECONDS + 10**12),
    "not yet": signed(nbf=SECONDS + 61),
    "for somebody else": signed(aud="other"),
    "for nobody": signed(aud=None),
    "of somebody else": signed(iss="https://evil.example.com/"),
    "of nobody": signed(iss=None),
    "about nobody": signed(sub=None),
    "a key that is unknown": signed("new"),
    "another's key": signed("rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "a weak key": signed("weak", WEAK),
    "a key that is for secrecy": signed("enc"),
    "another algorithm": signed("rsa", RSA, "RS512"),
    "a shared secret": signed("oct", b"s" * 32, "HS256"),
    "the key of another algorithm": signed("rsa", EC, "ES256"),
    "no key id": jwt.encode(claims(), RSA, algorithm="RS256"),
    "too long": signed(more="x" * 9_000),
    "no token": "eyJ.x",
    "no text": "é.é.é",
}


@pytest.mark.parametrize("what", list(WRONG))
def test_what_does_not_hold_opens_nothing(bearer: Bearer, what: str) -> None:
    with pytest.raises(Unauthenticated):
        bearer(WRONG[what], NOW)


def test_clocks_may_differ_a_little(bearer: Bearer) -> None:
    assert bearer(signed(exp=SECONDS - 59, nbf=SECONDS + 59), NOW).ends == NOW + timedelta(seconds=1)


@pytest.fixture
def provider() -> Iterator[Any]:
    """A provider's server on loopback: what it answers, and how often it was asked."""
    told: dict[str, Any] = {"keys": [public("rsa", RSA)], "asked": 0, "status": 200}

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told["asked"] += 1
            self.send_response(told["status"])
            if told["status"] == 302:
                self.send_header("location", "/elsewhere")
            self.end_headers()
            self.wfile.write(json.dumps({"keys": told["keys"]}).encode())

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told["url"] = f"http://127.0.0.1:{server.server_port}/jwks"
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def test_keys_turn_over_and_strangers_cause_no_storm(provider: Any) -> None:
    now = [0.0]
    keys = KeySet(fetched(provider["url"]), lambda: now[0])
    assert keys.key("rsa") is not None
    for number in range(50):
        assert keys.key(f"guess {number}") is None
    assert provider["asked"] == 1
    provider["keys"] = [public("ec", EC)]
    now[0] = 31.0
    assert keys.key("ec") is not None
    assert keys.key("rsa") is None
    provider["status"] = 500
    now[0] = 400.0
    assert keys.key("ec") is not None
    assert provider["asked"] == 3


@pytest.mark.parametrize("status", [500, 302])
def test_without_any_keys_nobody_is_let_in(provider: Any, status: int) -> None:
    provider["status"] = status
    with pytest.raises(KeysUnreachable):
        KeySet(fetched(provider["url"])).key("rsa")
    assert provider["asked"] == 1


@pytest.mark.parametrize("odd", [{"kid": ["rsa"]}, {"kid": {"a": 1}}, {"n": 7}, {"kty": ["RSA"]}, {"kid": ""}])
def test_an_odd_key_keeps_no_other_from_being_read(odd: dict[str, Any]) -> None:
    told = {"keys": [{**JWKS["keys"][0], **odd}, None, "text", *JWKS["keys"]]}
    assert KeySet(lambda: json.dumps(told).encode()).key("rsa") is not None


@pytest.mark.parametrize("told", ["[]", '{"keys": null}', '{"keys": "text"}', '{"keys": {"kid": "rsa"}}', "7", ""])
def test_what_is_no_list_of_keys_leaves_those_that_are_held(told: str) -> None:
    answers, now = [json.dumps(JWKS), told], [0.0]
    keys = KeySet(lambda: answers.pop(0).encode(), lambda: now[0])
    assert keys.key("rsa") is not None
    now[0] = 400.0
    assert keys.key("rsa") is not None
    assert not answers


@pytest.mark.anyio
async def test_a_token_reads_profiles_and_ends(town: Any, bearer: Bearer) -> None:
    now = [NOW]
    ring = KeyRing(town.world.database, bearer=bearer, clock=lambda: now[0])
    object.__setattr__(town.world, "ring", ring)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(town.world)), base_url="http://localhost"
    ) as asking:

        async def read(token: str, purpose: str = "service") -> int:
            url, headers = f"/v1/profiles/{ANNA}?purpose={purpose}", {"authorization": f"Bearer {token}"}
            return (await asking.get(url, headers=headers)).status_code

        token = signed()
        assert [await read(token), await read(token)] == [200, 200]
        assert await read(token, "advertising") == 403
        assert await read(signed(scope="nobody")) == 403
        assert await read(town.keys["reader"]) == 200
        assert await read(confused()) == 401
    window = town.world.audit._window
    assert bearer(token, NOW).key_id in {key for key, _, _ in window}
    ring.refresh()
    ring.holder(f"Bearer {token}".encode())
    now[0] += timedelta(seconds=301)
    ring.refresh()
    assert ring.remembered(f"Bearer {token}".encode()) is None


def test_what_is_handed_out_exists_and_keys_come_from_a_place_that_holds() -> None:
    check_mapping(SETTINGS, frozenset({"service"}))
    with pytest.raises(ConfigurationError, match=r"oidc\.purposes"):
        check_mapping(SETTINGS, frozenset({"advertising"}))
    wrong = SETTINGS.model_copy(update={"scopes": {"x": ["events:write"]}})
    with pytest.raises(ConfigurationError, match="events:write"):
        check_mapping(wrong, frozenset({"service"}))
    for place in ("http://login.example.com/jwks", "ftp://x/", "https://u:p@login.example.com/"):
        with pytest.raises(ValidationError, match="https"):
            OidcSettings(issuer="i", audience="a", jwks=place)
