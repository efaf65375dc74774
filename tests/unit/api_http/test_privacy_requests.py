"""Privacy requests over HTTP: our own words, OpenDSR's and Segment's, and those who attack them."""

import asyncio
import base64
import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from authority import Authority
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import event

import consent.requests.store
import consent.store
from api.http.app import create_slow_app
from api.http.keys import create_key
from api.http.privacy.answers import Answers
from api.http.privacy.office import Office
from api.http.reading import Tongue
from consent.erasure.asked import Door
from consent.model import Policy
from consent.overlay import DenyOverlay
from consent.requests.config import OpenDsrConfig, ProofConfig, RequestsConfig
from consent.requests.desk import Desk, by_external, get, identifiers, listed, move
from consent.requests.noting import ledger_note
from consent.requests.opendsr.signing import Seal, Trust
from consent.requests.vault import Vault
from infra.identifiers import IdentifierType, token

DOMAIN, PARTNER, HOST = "privacy.example.com", "partner.example.net", "controller.example.com"
TYPES = {
    "email": IdentifierType(normaliser="email"),
    "email_sha256": IdentifierType(normaliser="sha256", digest_of="email"),
    "account": IdentifierType(normaliser="code", strength="decisive"),
}
ANNA = {"type": "email", "value": "anna@example.org"}


@dataclass
class Words:
    kinds: Any
    key: bytes
    database: Any
    region: str = "US"
    policy: Any = field(default_factory=lambda: Policy(version="1", purposes={}, rows=(), masks={}))


class NoProfiles:
    """A shop that has published nobody yet."""

    def candidates(self, _token: Any) -> tuple[Any, ...]:
        return ()

    def header(self, _profile: Any) -> None:
        return None


@dataclass
class Hall:
    """The town with an office of privacy requests."""

    office: Office
    client: httpx.AsyncClient
    keys: dict[str, str]
    partner: Any
    sent: list[tuple[str, Any]]
    now: Any

    def as_(self, who: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[who]}"}

    async def post(self, path: str, body: Any, who: str = "shop") -> httpx.Response:
        return await self.client.post(path, json=body, headers=self.as_(who))

    async def get(self, path: str, who: str = "officer") -> httpx.Response:
        return await self.client.get(path, headers=self.as_(who))


@pytest.fixture
async def hall(town: Any, tmp_path: Path, token_key: bytes) -> Any:
    world = town.world
    for schema in (consent.requests.store.METADATA, consent.store.METADATA):
        schema.create_all(world.database)
    now = world.clock()
    authority = Authority()
    authority.files(tmp_path / "certs", DOMAIN)
    partner = authority.files(tmp_path / "certs", PARTNER)
    config = RequestsConfig(
        user_id="account",
        proof=ProofConfig(deliver_to="https://mailer.example.com/"),
        opendsr=OpenDsrConfig(
            domain=DOMAIN,
            certificate=f"certs/{DOMAIN}.pem",
            key=f"certs/{DOMAIN}.key",
            trust="certs/authority.pem",
            processors={PARTNER: f"certs/{PARTNER}.pem"},
            callback_hosts=(HOST,),
            identities={"email": "email", "controller_customer_id": "account"},
        ),
    )
    assert config.opendsr is not None
    vault = Vault.open(tmp_path / "state", b"w" * 32)
    desk = Desk(world.database, vault, ledger_note(world.database), config, proofs=b"p" * 32)
    sent: list[tuple[str, Any]] = []

    def send(url: str, body: bytes, headers: Any) -> str:
        sent.append((url, json.loads(body) | {"signed": headers}))
        return "delivered"

    overlay = DenyOverlay.open(tmp_path / "serving")
    office = Office(
        desk=desk,
        words=Words(TYPES, token_key, world.database),  # type: ignore[arg-type]
        root=tmp_path,
        tongue=Tongue(TYPES, token_key),
        send=send,
        answers=Answers(desk, Words(TYPES, token_key, world.database), tmp_path / "lake", NoProfiles()),  # type: ignore[arg-type]
        door=Door(desk, world.database, overlay, "self", TYPES, {1: token_key}),
        seal=Seal.load(tmp_path, config.opendsr, now),
        trust=Trust.load(tmp_path, config.opendsr),
        stopwatch=lambda: 0.0,
    )
    keys = {
        name: create_key(world.database, name=name, scopes=scopes, purposes=(), at=now)
        for name, scopes in {
            "shop": {"privacy:write"}, "reader": {"privacy:read"}, "stranger": {"profile:read"}, "admin": {"admin"},
            **{key: {"privacy:read", "privacy:write"} for key in ("controller", "officer", "second")},
        }.items()
    }  # fmt: skip
    app = create_slow_app(replace(world, privacy=office))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        yield Hall(office, client, keys, partner, sent, now)
    vault.keys.dispose()
    overlay.close()


def identity(kind: str, form: str, value: str = "x-secret") -> dict[str, str]:
    return {"identity_type": kind, "identity_value": value, "identity_format": form}


def a_request(**more: Any) -> dict[str, Any]:
    return {
        "regulation": "gdpr",
        "subject_request_id": str(uuid.uuid4()),
        "subject_request_type": "erasure",
        "submitted_time": "2026-11-20T15:00:00Z",
        "subject_identities": [identity("email", "raw", "anna@example.org")],
        "api_version": "2.0",
        "status_callback_urls": [f"https://{HOST}/opendsr/callbacks"],
    } | more  # fmt: skip


def checked(hall: Hall, answer: httpx.Response) -> dict[str, Any]:
    """Return an answer whose signature holds over its raw bytes."""
    certificate = x509.load_pem_x509_certificate(hall.office.seal.certificate)  # type: ignore[union-attr]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = base64.b64decode(answer.headers["X-OpenDSR-Signature"])
    key.verify(signature, answer.content, ec.ECDSA(hashes.SHA256()))
    assert answer.headers["X-OpenDSR-Processor-Domain"] == DOMAIN
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.anyio
async def test_a_request_in_our_words(hall: Hall) -> None:
    taken = await hall.post("/v1/privacy/requests", {"right": "access", "identifiers": [ANNA], "jurisdiction": "DE"})
    assert taken.status_code == 202
    request_id = taken.json()["id"]
    assert set(taken.json()) == {"id", "right", "regulation", "received_at", "due_at", "external_id"}
    hall.office.once(hall.now)
    ((url, message),) = hall.sent
    assert (url, message["identifier"]) == ("https://mailer.example.com/", ANNA)
    wrong = await hall.post(f"/v1/privacy/requests/{request_id}:verify", {"proof": "guess"})
    assert wrong.status_code == 403
    early = (await hall.get(f"/v1/privacy/requests/{request_id}/export")).json()["detail"]
    assert early.endswith("what may follow: accepted, cancelled, refused, waiting_subject")
    right = await hall.post(f"/v1/privacy/requests/{request_id}:verify", {"proof": message["proof"]})
    assert right.json() == taken.json()
    hall.office.once(hall.now)
    shown = (await hall.get(f"/v1/privacy/requests/{request_id}")).json()
    assert shown["status"] == "notifying"
    assert "anna@" not in json.dumps(shown)
    assert (await hall.get("/v1/privacy/requests")).json()["requests"][0]["id"] == request_id
    told = (await hall.get("/v1/privacy/clocks")).json()
    assert told["alarms"]["on_time"] == 1
    assert told["outbox"] == {"waiting": 0, "given_up": 0}
    metrics = (await hall.get("/metrics", "admin")).text
    assert 'kindred_privacy_requests{right="access",alarm="on_time"} 1' in metrics


@pytest.mark.anyio
async def test_judging_needs_reading_and_four_eyes_another_key(hall: Hall) -> None:
    hall.office.desk.config.__dict__["four_eyes"] = ("erasure",)
    taken = await hall.post("/v1/privacy/requests", {"right": "erasure", "identifiers": [ANNA]}, "officer")
    path = f"/v1/privacy/requests/{taken.json()['id']}"
    hall.office.once(hall.now)
    await hall.post(f"{path}:verify", {"proof": hall.sent[0][1]["proof"]})
    assert (await hall.post(f"{path}:approve", {}, "shop")).status_code == 403
    assert (await hall.post(f"{path}:approve", {}, "officer")).status_code == 403
    assert (
        await hall.post(f"{path}:extend", {"reason": "complexity"}, "second")
    ).status_code == 403  # lgpd: the strictest
    assert (await hall.post(f"{path}:cancel", None, "shop")).status_code == 404
    assert (await hall.post(f"{path}:approve", {}, "second")).json()["status"] == "accepted"
    refused = await hall.post(f"{path}:refuse", {"ground": "legal_claims"}, "second")
    assert (refused.json()["status"], refused.json()["ground"]) == ("refused", "legal_claims")
    assert (await hall.post(f"{path}:cancel", None, "second")).status_code == 403


_NOT_ALLOWED = [("POST", "/v1/privacy/requests", "reader"), ("GET", "/v1/privacy/requests", "shop"),
     ("GET", "/v1/privacy/clocks", "stranger"), ("POST", "/v2/requests", "reader"),
     ("POST", "/v2/requests", "shop"), ("POST", "/v1beta/regulations", "shop"),
     ("POST", "/v1beta/regulations", "stranger")]  # fmt: skip


@pytest.mark.anyio
async def test_scopes(hall: Hall) -> None:
    for method, path, who in _NOT_ALLOWED:
        answer = await hall.client.request(method, path, headers=hall.as_(who), json=a_request())
        assert answer.status_code == 403
        assert (await hall.client.request(method, path, json=a_request())).status_code == 401


@pytest.mark.anyio
async def test_known_unknown_and_denied_look_alike_in_body_and_work(hall: Hall) -> None:
    """The same statements for somebody known and for somebody who never was: nobody is looked up."""
    hall.office.desk.config.__dict__["a_day"] = 1
    statements: list[str] = []
    event.listen(hall.office.desk.database, "before_cursor_execute", lambda *a: statements.append(a[2]))
    bodies, works = [], []
    for value in ("anna@example.org", "nobody-at-all@example.net", "erased@example.com"):
        statements.clear()
        body = {"right": "access", "identifiers": [{"type": "email", "value": value}], "jurisdiction": "DE"}
        answer = await hall.post("/v1/privacy/requests", body)
        bodies.append({k: v for k, v in answer.json().items() if k != "id"} | {"status": answer.status_code})
        works.append([one for one in statements if "api_key" not in one])
    assert bodies[0] == bodies[1] == bodies[2]
    assert works[0] == works[1] == works[2]
    again = await hall.post("/v1/privacy/requests", body)
    assert {k: v for k, v in again.json().items() if k != "id"} | {"status": again.status_code} == bodies[0]
    assert get(hall.office.desk, again.json()["id"]).status == "verifying", "nobody loses a right by another's flood"
    hall.office.once(hall.now)
    assert len(hall.sent) == 3, "but no further mail goes to that address"


@pytest.mark.anyio
async def test_an_invalid_identifier_is_not_repeated(hall: Hall) -> None:
    for one in ({"type": "email", "value": "not an address"}, {"type": "phone", "value": "not an address"}):
        answer = await hall.post("/v1/privacy/requests", {"right": "access", "identifiers": [one]})
        assert answer.status_code == 422
        assert "not an address" not in answer.text


@pytest.mark.anyio
async def test_a_key_that_hurries_waits(hall: Hall) -> None:
    told = [(await hall.get("/v1/privacy/clocks")).status_code for _ in range(80)]
    assert told[0] == 200
    assert told[-1] == 429


@pytest.mark.anyio
async def test_opendsr_from_discovery_to_completion(hall: Hall, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = checked(hall, await hall.client.get("/v2/discovery"))
    assert told == {
        "api_version": "2.0",
        "supported_identities": [
            {"identity_type": "controller_customer_id", "identity_format": "raw"},
            {"identity_type": "email", "identity_format": "raw"},
            {"identity_type": "email", "identity_format": "sha256"},
        ],
        "supported_subject_request_types": ["access", "portability", "erasure"],
        "processor_certificate": f"https://{DOMAIN}/v2/certificate.pem",
    }
    assert (await hall.client.get("/v2/certificate.pem")).content == hall.office.seal.certificate  # type: ignore[union-attr]
    body = a_request()
    raw = json.dumps(body, indent=3).encode()
    answer = await hall.client.post("/v2/requests", content=raw, headers=hall.as_("controller"))
    assert answer.status_code == 201
    created = checked(hall, answer)
    assert base64.b64decode(created["encoded_request"]) == raw
    assert created["subject_request_id"] == body["subject_request_id"]
    assert created["expected_completion_time"] == "2026-12-21T00:00:00Z"
    assert created["encoded_request"] not in caplog.text
    assert "anna@" not in caplog.text
    path = f"/v2/requests/{body['subject_request_id']}"
    status = checked(hall, await hall.get(path, "controller"))
    assert status["request_status"] == "pending"
    assert created["controller_id"] == status["controller_id"]
    actor = f"key:{created['controller_id']}"
    found = by_external(hall.office.desk, actor, body["subject_request_id"])
    assert [one.value for one in identifiers(hall.office.desk, found.id)] == ["anna@example.org"]
    move(hall.office.desk, found.id, "frozen", at=hall.now, actor="erasure")
    hall.office.once(hall.now)
    refused = await hall.client.delete(path, headers=hall.as_("controller"))
    assert (refused.status_code, checked(hall, refused)["error"]["code"]) == (409, 409)
    for to in (
        "planned",
        "deleting",
        "purging",
        "expiring",
        "notifying",
        "shredding",
        "verifying_residue",
        "certified",
    ):
        move(hall.office.desk, found.id, to, at=hall.now, actor="erasure")  # type: ignore[arg-type]
    hall.office.once(hall.now)
    assert [(url, one["request_status"]) for url, one in hall.sent] == [
        (f"https://{HOST}/opendsr/callbacks", "in_progress"), (f"https://{HOST}/opendsr/callbacks", "completed"),
    ]  # fmt: skip
    callback = hall.sent[-1][1]
    assert callback["status_callback_url"] == hall.sent[-1][0]
    assert {"X-OpenDSR-Signature", "X-OpenDSR-Processor-Domain"} <= set(callback["signed"])
    assert "anna@" not in json.dumps(hall.sent)


@pytest.mark.anyio
async def test_opendsr_cancels_what_is_pending_once_and_for_its_owner_alone(hall: Hall) -> None:
    body = a_request()
    await hall.post("/v2/requests", body, "controller")
    path = f"/v2/requests/{body['subject_request_id']}"
    for stranger in ("officer", "second"):
        hidden = await hall.get(path, stranger)
        never = await hall.get(f"/v2/requests/{uuid.uuid4()}", stranger)
        assert (hidden.status_code, hidden.json()) == (never.status_code, never.json())
        assert (await hall.client.delete(path, headers=hall.as_(stranger))).status_code == 404
    for _ in range(2):
        gone = await hall.client.delete(path, headers=hall.as_("controller"))
        assert (gone.status_code, checked(hall, gone)["subject_request_id"]) == (202, body["subject_request_id"])
    assert checked(hall, await hall.get(path, "controller"))["request_status"] == "cancelled"


@pytest.mark.anyio
async def test_a_replayed_request_opens_nothing_new(hall: Hall) -> None:
    body = a_request()
    first, second = [await hall.post("/v2/requests", body, "controller") for _ in range(2)]
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert len(listed(hall.office.desk, every=True)) == 1


_WRONG: list[tuple[dict[str, Any], str]] = [
     ({"subject_request_id": str(uuid.uuid1())}, "subject_request_id"),
     ({"subject_request_id": str(uuid.uuid4()).upper()}, "subject_request_id"),
     ({"subject_request_type": "rectification"}, "subject_request_type"),
     ({"regulation": "lgpd"}, "regulation"),
     ({"submitted_time": "2026-11-20"}, "submitted_time"),
     ({"submitted_time": "0001-01-01T00:00:00+14:00"}, "submitted_time"),
     ({"subject_identities": []}, "subject_identities"),
     ({"subject_identities": [identity("phone", "raw")]}, "identity_type"),
     ({"subject_identities": [identity("email", "md5")]}, "subject_identities.0"),
     ({"subject_identities": [identity("email", "raw")]}, "identity_value"),
     ({"subject_identities": [identity("ios_vendor_id", "raw")]}, "subject_identities.0"),
     ({"status_callback_urls": ["https://169.254.169.254/x-secret"]}, "status_callback_urls.0"),
     ({"status_callback_urls": ["http://controller.example.com/x-secret"]}, "status_callback_urls.0"),
     ({"subject_identities": "x-secret"}, "subject_identities")]  # fmt: skip


@pytest.mark.anyio
async def test_what_is_not_opendsr_is_told_by_field_and_never_repeated(hall: Hall) -> None:
    for change, named in _WRONG:
        answer = await hall.post("/v2/requests", a_request(**change), "controller")
        assert answer.status_code == 400, change
        error = checked(hall, answer)["error"]
        assert error["code"] == 400
        assert any(named in one["message"] for one in error["errors"]), error
        assert all(set(one) == {"domain", "reason", "message"} for one in error["errors"])
        assert "x-secret" not in answer.text
    assert listed(hall.office.desk, every=True) == ()


@pytest.mark.anyio
async def test_a_body_that_is_no_request_is_an_error_of_opendsr(hall: Hall) -> None:
    for raw in (b"", b"[]", b"null", b'{"a":', b"\xff", b"[" * 20_000, b'{"anna@example.org": 1}'):
        answer = await hall.client.post("/v2/requests", content=raw, headers=hall.as_("controller"))
        assert answer.status_code == 400
        assert checked(hall, answer)["error"]["code"] == 400
        assert "anna@" not in answer.text


@pytest.mark.anyio
async def test_the_old_names_are_honoured(hall: Hall) -> None:
    body = {k: v for k, v in a_request().items() if k not in {"regulation", "api_version"}}
    answer = await hall.post("/opengdpr_requests", body, "controller")
    assert answer.status_code == 201
    assert answer.headers["X-OpenGDPR-Signature"] == answer.headers["X-OpenDSR-Signature"]
    assert answer.headers["X-OpenGDPR-Processor-Domain"] == DOMAIN
    path = f"/opengdpr_requests/{body['subject_request_id']}"
    assert (await hall.get(path, "controller")).json()["request_status"] == "pending"
    assert (await hall.client.get("/discovery")).status_code == 200


@pytest.mark.anyio
async def test_a_digest_is_looked_up_under_the_type_that_holds_it(hall: Hall) -> None:
    digest = {"identity_type": "email", "identity_value": "ab" * 32, "identity_format": "sha256"}
    answer = await hall.post("/v2/requests", a_request(subject_identities=[digest]), "controller")
    assert answer.status_code == 201
    assert listed(hall.office.desk)[0].kinds == ("email_sha256",)


@pytest.mark.anyio
async def test_callbacks_are_believed_by_signature_noted_once_and_never_taken_back(hall: Hall) -> None:
    body = a_request()
    await hall.post("/v2/requests", body, "controller")
    own = f"https://{DOMAIN}/v2/callbacks"
    said = {"controller_id": "c", "status_callback_url": own, "expected_completion_time": "2026-12-01T00:00:00Z",
            "subject_request_id": body["subject_request_id"], "request_status": "completed"}  # fmt: skip

    async def call(document: Any, *, raw: bytes | None = None, domain: str = PARTNER, legacy: bool = False) -> int:
        signed = json.dumps(document).encode()
        signature = base64.b64encode(hall.partner.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()
        kind = "OpenGDPR" if legacy else "OpenDSR"
        headers = {f"X-{kind}-Processor-Domain": domain, f"X-{kind}-Signature": signature}
        answer = await hall.client.post("/v2/callbacks", content=raw or signed, headers=headers)
        return answer.status_code

    assert await call(said) == 202
    assert await call(said) == 202
    assert await call(said | {"request_status": "pending"}, legacy=True) == 202
    request = listed(hall.office.desk)[0]
    steps = (await hall.get(f"/v1/privacy/requests/{request.id}")).json()["steps"]
    noted = [one for one in steps if one["step"] == "acknowledged"]
    assert [one["facts"] for one in noted] == [{"recipient": PARTNER, "request_status": "completed"}]
    assert await call(said | {"subject_request_id": str(uuid.UUID(hex=request.id))}) == 202
    assert await call(said | {"subject_request_id": str(uuid.uuid4())}) == 202, "nobody learns which requests there are"
    forged = [
        await call(said, raw=json.dumps(said | {"request_status": "cancelled"}).encode()),
        await call(said, domain="evil.example.net"),
        await call(said | {"status_callback_url": "https://elsewhere.example.com/v2/callbacks"}),
        await call({"no": "callback"}),
        (await hall.client.post("/v2/callbacks", json=said)).status_code,
    ]
    assert forged == [403] * 5


@pytest.mark.anyio
@pytest.mark.parametrize("public", [True, False])
async def test_segments_regulations(hall: Hall, public: bool) -> None:  # noqa: FBT001
    base = "/v1beta/regulations" if public else "/v1beta/workspaces/shop/regulations"

    async def make(kind: str, *ids: str) -> str:
        names = {"regulationType": kind, "subjectType": "USER_ID", "subjectIds": ids}
        old = {"regulation_type": kind.title(), "attributes": {"name": "userId", "values": ids}}
        answer = await hall.post(base, names if public else old, "controller")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        return str(told["data"]["regulateId"] if public else told["regulate_id"])

    async def status(regulate_id: str) -> str:
        told = (await hall.get(f"{base}/{regulate_id}", "controller")).json()
        return str(told["data"]["regulation"]["overallStatus"] if public else told["overall_status"])

    made = await make("SUPPRESS_WITH_DELETE", "C1", "C2")
    assert await status(made) == "INITIALIZED"
    first, second = sorted(listed(hall.office.desk), key=lambda one: str(one.external_id))
    assert (first.right, first.details["mode"]) == ("erasure", "SUPPRESS_WITH_DELETE")
    move(hall.office.desk, first.id, "frozen", at=hall.now, actor="erasure")
    assert await status(made) == "RUNNING"
    await hall.client.delete(f"{base}/{made}", headers=hall.as_("controller"))
    assert get(hall.office.desk, second.id).status == "cancelled"
    assert get(hall.office.desk, first.id).status == "frozen"
    assert (await hall.get(f"{base}/{made}", "officer")).status_code == 404
    assert (await hall.get(base, "controller")).status_code == 200
    assert {listed(hall.office.desk, every=True)[0].channel} == {"segment"}
    await make("SUPPRESS_ONLY", "C3")
    await make("UNSUPPRESS", "C4")
    rights = [(one.right, bool(one.details.get("lift"))) for one in listed(hall.office.desk) if one.right != "erasure"]
    assert sorted(rights) == [("restriction", False), ("restriction", True)]


_NO_REGULATIONS: list[Any] = [
     {"regulationType": "FORGET", "subjectType": "USER_ID", "subjectIds": ["x-secret"]},
     {"regulationType": "DELETE_ONLY", "subjectType": "OBJECT_ID", "subjectIds": ["x-secret"]},
     {"regulationType": "DELETE_ONLY", "subjectType": "USER_ID", "subjectIds": []},
     {"regulationType": "DELETE_ONLY", "subjectType": "USER_ID", "subjectIds": ["x"] * 101},
     {"regulation_type": "Delete_Only", "attributes": {"name": "anonymousId", "values": ["x-secret"]}},
     ["x-secret"]]  # fmt: skip


@pytest.mark.anyio
async def test_what_is_no_regulation_is_not_repeated(hall: Hall) -> None:
    for body in _NO_REGULATIONS:
        answer = await hall.post("/v1beta/regulations", body, "controller")
        assert answer.status_code == 422
        assert "x-secret" not in answer.text
    assert listed(hall.office.desk, every=True) == ()


@pytest.fixture
def late(hall: Hall) -> Any:
    return hall.now + timedelta(days=40)


@pytest.mark.anyio
async def test_an_access_has_its_results_where_its_controller_fetches_them(hall: Hall, late: Any) -> None:
    body = a_request(subject_request_type="access")
    await hall.post("/v2/requests", body, "controller")
    hall.office.once(hall.now)
    told = checked(hall, await hall.get(f"/v2/requests/{body['subject_request_id']}", "controller"))
    assert told["request_status"] == "completed"
    assert told["results_url"] == f"https://{DOMAIN}/v2/requests/{body['subject_request_id']}/results"
    path = f"/v2/requests/{body['subject_request_id']}/results"
    answer = await hall.get(path, "controller")
    assert checked(hall, answer)["request"]["right"] == "access"
    for stranger in ("officer", "second"):
        assert (await hall.get(path, stranger)).status_code == 404
    request = listed(hall.office.desk)[0]
    packed = await hall.get(f"/v1/privacy/requests/{request.id}/export?zip=true")
    assert packed.headers["content-type"] == "application/zip"
    assert packed.headers["cache-control"] == "no-store"
    assert (await hall.get(f"/v1/privacy/requests/{request.id}/export", "shop")).status_code == 403
    handed = [
        s for s in (await hall.get(f"/v1/privacy/requests/{request.id}")).json()["steps"] if s["step"] == "handed_out"
    ]
    assert [one["facts"]["as"] for one in handed] == ["json", "zip"]
    hall.office.once(late)
    assert (await hall.get(path, "controller")).status_code == 403
    told = checked(hall, await hall.get(f"/v2/requests/{body['subject_request_id']}", "controller"))
    assert "results_url" not in told


@pytest.mark.anyio
async def test_without_a_certificate_opendsr_is_closed_and_the_rest_is_open(hall: Hall) -> None:
    hall.office.__class__.seal.__set__(hall.office, None)  # type: ignore[attr-defined]
    assert (await hall.get("/v2/discovery", "controller")).status_code == 503
    assert (await hall.get("/v1/privacy/clocks")).status_code == 200


@pytest.mark.anyio
async def test_no_freeze_waits_for_what_is_sent(hall: Hall) -> None:
    free = threading.Event()
    hall.office.desk.config.__dict__["four_eyes"] = ("erasure",)
    path = await _verified(hall)
    office = replace(hall.office, send=lambda *_: "delivered" if free.wait(20) else "late")
    await hall.post("/v1/privacy/requests", {"right": "access", "identifiers": [{**ANNA, "value": "b@example.org"}]})
    at_work = asyncio.create_task(office.run(lambda: hall.now))
    try:
        await asyncio.sleep(0.1)  # it stands at the mailer's door
        assert (await hall.post(f"{path}:approve", {}, "second")).json()["status"] == "accepted"
        begun = time.monotonic()
        spelled = token(office.words.key, "email", ANNA["value"])
        while not office.door.overlay.denied(spelled, "service"):
            await asyncio.sleep(0.01)
            assert time.monotonic() - begun < 10
        assert not free.is_set()
    finally:
        free.set()
        at_work.cancel()


async def _verified(hall: Hall) -> str:
    taken = await hall.post("/v1/privacy/requests", {"right": "erasure", "identifiers": [ANNA]}, "officer")
    path = f"/v1/privacy/requests/{taken.json()['id']}"
    hall.office.once(hall.now)
    await hall.post(f"{path}:verify", {"proof": hall.sent[0][1]["proof"]})
    return path
