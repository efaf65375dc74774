"""Callbacks and proofs: sent until they arrive, and never where nobody agreed to."""

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from authority import Authority

from consent.requests import outbox
from consent.requests.config import ProofConfig
from consent.requests.desk import move
from consent.requests.judge import cancel, extend
from consent.requests.model import opendsr
from consent.requests.opendsr.wire import callable_url
from consent.requests.post import Post, public
from consent.requests.prove import challenge

URL, HOST = "https://controller.example.com/callbacks", "controller.example.com"


class Wire:
    """A network in memory that fails as often as it is told."""

    def __init__(self, *outcomes: str) -> None:
        self.outcomes, self.sent = list(outcomes), list[tuple[str, dict[str, Any]]]()

    def __call__(self, url: str, body: bytes, headers: Any) -> str:
        assert headers["x-signed"] == str(len(body))
        self.sent.append((url, json.loads(body)))
        return self.outcomes.pop(0) if self.outcomes else "delivered"


def signed(raw: bytes) -> dict[str, str]:
    return {"x-signed": str(len(raw))}


def body(request: Any, url: str) -> dict[str, Any]:
    late = {"results_url": "https://x.example.com"} if request.status == "closed" else {}
    return late | {"status_callback_url": url, "request_status": opendsr(request.right, request.status)}


@pytest.fixture
def asked(office: Any) -> Any:
    return office.ask("erasure", channel="opendsr", vouched="c", details={"callbacks": [URL]})


def test_every_change_of_status_is_called_back_once(office: Any, asked: Any, now: datetime) -> None:
    wire = Wire()
    assert outbox.call_back(office.desk, body, now) == 0
    for status in ("frozen", "planned", "deleting"):
        move(office.desk, asked.id, status, at=now, actor="e")
        outbox.call_back(office.desk, body, now)
    for status in ("purging", "expiring", "notifying", "shredding", "verifying_residue", "certified", "closed"):
        move(office.desk, asked.id, status, at=now, actor="e")
    assert outbox.call_back(office.desk, body, now) == 1
    assert outbox.call_back(office.desk, body, now) == 0
    assert outbox.deliver(office.desk, wire, signed, now).delivered == 2
    assert [one["request_status"] for _, one in wire.sent] == ["in_progress", "completed"]
    assert ["results_url" in one for _, one in wire.sent] == [False, True]
    assert outbox.deliver(office.desk, wire, signed, now + timedelta(days=9)) == outbox.Sent()


def test_what_was_passed_through_says_nothing_of_what_came_later(office: Any, asked: Any, now: datetime) -> None:
    for status in (
        "frozen",
        "planned",
        "deleting",
        "purging",
        "expiring",
        "notifying",
        "shredding",
        "verifying_residue",
    ):
        move(office.desk, asked.id, status, at=now, actor="e")
    for status in ("certified", "closed"):
        move(office.desk, asked.id, status, at=now, actor="e")
    assert outbox.call_back(office.desk, body, now) == 2
    wire = Wire()
    outbox.deliver(office.desk, wire, signed, now)
    assert [("results_url" in one, one["request_status"]) for _, one in wire.sent] == [
        (False, "in_progress"), (True, "completed"),
    ]  # fmt: skip


def test_an_extension_and_a_cancellation_are_told(office: Any, asked: Any, now: datetime) -> None:
    wire = Wire()
    extend(office.desk, asked.id, "complexity", at=now, actor="officer:a")
    outbox.call_back(office.desk, body, now)
    cancel(office.desk, asked.id, at=now, actor="officer:a")
    outbox.call_back(office.desk, body, now)
    outbox.deliver(office.desk, wire, signed, now)
    assert [one["request_status"] for _, one in wire.sent] == ["pending", "cancelled"]


def test_what_fails_is_tried_again_and_given_up_at_last(office: Any, asked: Any, now: datetime) -> None:
    cancel(office.desk, asked.id, at=now, actor="officer:a")
    outbox.call_back(office.desk, body, now)
    wire, at, tries = Wire(*["status_500"] * 99), now, 0
    while outbox.waiting(office.desk)["waiting"]:
        done = outbox.deliver(office.desk, wire, signed, at)
        tries += done.failed
        assert outbox.deliver(office.desk, wire, signed, at) == outbox.Sent(), "not again before its time"
        at += timedelta(minutes=1) if tries == 1 else timedelta(days=1)
    assert tries == len(outbox.WAITS) + 1
    assert outbox.waiting(office.desk) == {"waiting": 0, "given_up": 1}


def test_who_dies_while_sending_sends_again(office: Any, asked: Any, now: datetime) -> None:
    cancel(office.desk, asked.id, at=now, actor="officer:a")
    outbox.call_back(office.desk, body, now)

    def dying(*_: Any) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outbox.deliver(office.desk, dying, signed, now)
    wire = Wire()
    assert outbox.deliver(office.desk, wire, signed, now + timedelta(minutes=1)) == outbox.Sent()
    assert outbox.deliver(office.desk, wire, signed, now + timedelta(minutes=5)).delivered == 1


def test_a_proof_waits_sealed_and_is_lost_with_its_request(office: Any, now: datetime, tmp_path: Path) -> None:
    office.configured(proof=ProofConfig(deliver_to="https://mailer.example.com/proofs"))
    request = office.ask("access", "ann.person@example.org")
    proof = challenge(office.desk, request.id, 0, at=now, actor="desk")
    assert outbox.put_proof(office.desk, proof, now)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or (
            b"ann.person" not in (content := file.read_bytes()) and proof.word.encode() not in content
        )
    wire = Wire("unresolved")
    outbox.deliver(office.desk, wire, signed, now)
    ((url, told),) = wire.sent
    assert (url, told["identifier"], told["proof"]) == (
        "https://mailer.example.com/proofs", {"type": "email", "value": "ann.person@example.org"}, proof.word,
    )  # fmt: skip
    cancel(office.desk, request.id, at=now, actor="officer:a")
    assert outbox.deliver(office.desk, wire, signed, now + timedelta(hours=1)).given_up == 1
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
     "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "255.255.255.255",
     "64:ff9b::7f00:1", "", "localhost"],
)  # fmt: skip
def test_inner_addresses_are_never_called(address: str) -> None:
    assert not public(address)
    connected: list[str] = []
    post = Post(frozenset({HOST}), resolve=lambda *_: ["93.184.216.34", address])
    assert post(URL, b"{}", {}) == "refused_address"
    assert connected == []


@pytest.mark.parametrize(
    "url",
    ["http://controller.example.com/", "https://evil.example.com/", "https://controller.example.com:8443/",
     "https://controller.example.com@evil.example.com/", "https://user@controller.example.com/",
     "https://controller.example.com.evil.example.com/", "https://controller.example.com:x/", "file:///etc/passwd",
     "https:///callbacks", "//controller.example.com/", "https://controller.example.com/\r\nHost: x", "https://[::1]/",
     "https://controller.example.com/#x", "HTTPS://", "https://cöntroller.example.com/", ""],
)  # fmt: skip
def test_only_agreed_hosts_are_called_back(url: str) -> None:
    assert not callable_url(url, (HOST,))
    assert callable_url("https://controller.example.com:443/a?b=c", (HOST,))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """A server of the controller's: counts, and answers what its path says."""
    Authority().files(tmp_path, HOST)
    seen: list[tuple[str, bytes]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(int(self.path.rpartition("/")[2]))
            self.send_header("Location", f"https://{HOST}/200")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be still."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / f"{HOST}.pem", tmp_path / f"{HOST}.key")
    with HTTPServer(("127.0.0.1", 0), Answers) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield seen, listening.server_address[1], tmp_path / "authority.pem"
        listening.shutdown()
        thread.join()


def test_a_redirect_is_not_followed_and_a_certificate_is_checked(server: Any) -> None:
    seen, port, authority = server
    context = ssl.create_default_context(cafile=str(authority))
    post = Post(frozenset({HOST}), lambda _: True, lambda *_: ["127.0.0.1"], lambda: context, port)
    assert post(f"https://{HOST}/200", b"{}", {}) == "delivered"
    assert post(f"https://{HOST}/302", b"{}", {}) == "status_302"
    assert post(f"https://{HOST}/500?x=1/500", b"{}", {}) == "status_500"
    assert [path for path, _ in seen] == ["/200", "/302", "/500?x=1/500"]
    strict = Post(frozenset({HOST}), lambda _: True, lambda *_: ["127.0.0.1"], port=port)
    assert strict(f"https://{HOST}/200", b"{}", {}) == "failed_SSLCertVerificationError"
    assert len(seen) == 3
    other = Post(frozenset({"other.example.com"}), lambda _: True, lambda *_: ["127.0.0.1"], lambda: context, port)
    assert other("https://other.example.com/200", b"{}", {}) == "failed_SSLCertVerificationError"
