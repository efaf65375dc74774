"""A shop with a few published people and the product's own server over it, without Spark: for tests in a browser.

What a run would have published and written to the lake is
put there by hand, in the forms in which a run writes it.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from deltalake import write_deltalake

from api.http.centre.link import Gate
from api.http.keys import create_key
from api.http.store import METADATA
from consent.erasure.book import STEPS, Book
from consent.erasure.followed import IN_STORES
from consent.residue.certificate import CertificateFacts, certificate
from consent.residue.model import Hit, PlaceReport, ScanReport
from infra.database import open_database
from infra.identifiers import token
from infra.ids import Token
from infra.serving.embedded import Generations
from infra.workspace import Workspace
from profiles import render, serving
from profiles.stored import packed

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "api" / "templates" / "workspace"
PURPOSES = ("identity_resolution", "profiling", "service", "analytics", "personalization")
EVERY = (*PURPOSES, "email_marketing", "advertising")
SOURCES = ("crm", "loyalty", "webshop_accounts")
TRAITS = [("orders", "47"), ("spend", "1893.12"), ("first_seen", "2025-03-02T09:12:00Z"),
          ("favourite_categories", "cheese|bread|tea")]  # fmt: skip
NONCE = bytes(range(32))


@dataclass(frozen=True)
class Person:
    """Somebody with three records, one email and one card, both surely theirs."""

    name: str
    number: int

    @property
    def id(self) -> str:
        return f"{self.number:032x}"

    @property
    def records(self) -> tuple[str, ...]:
        return tuple(f"{self.number:031x}{n}" for n in range(3))

    @property
    def email(self) -> str:
        return f"{self.name.lower()}.carver@example.org"

    @property
    def card(self) -> str:
        return f"90001{self.number:02d}"


# Each test has a person of its own.
PEOPLE = tuple(Person(name, 10 + n) for n, name in enumerate(
    ("Ann", "Ben", "Cora", "Dan", "Eve", "Finn", "Gus", "Hana")
))  # fmt: skip
ANN, BEN, CORA, DAN, EVE, FINN, GUS, HANA = PEOPLE
BUILT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def prepared(root: Path, key: str = "a-key-of-tests-that-guards-nothing-at-all") -> Workspace:
    """Write a workspace with Ann in its lake and in what it serves."""
    shutil.copytree(TEMPLATES, root)
    page = root / "kindred.yaml"
    page.write_text(
        page.read_text().replace("NAME", "Corner Shop").replace("time_zone: UTC", "time_zone: Europe/Berlin")
    )
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={key}\n")
    (root / "sources" / "privacy.yaml").write_text(
        "source: privacy\nconnector: {type: files, path: 'data/privacy/*.ndjson', format: ndjson}\nrecord: person\n"
        "key: key\nobserved_at: updated_at\ntrust: 1.0\nfields: {given_name: given_name, city: city}\n"
        "identifiers: {email: email}\n"
    )
    workspace = Workspace.open(root)
    publish(workspace)
    fill(workspace)
    return workspace


def held(workspace: Workspace, kind: str, value: str) -> Token:
    return token(workspace.token_key(), kind, value)


def named(workspace: Workspace, kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value, "token": held(workspace, kind, value)}


def publish(workspace: Workspace) -> None:
    """Publish a generation with everybody in it, written as `profiles.publish` writes it."""
    generations = Generations(workspace.serving_path / serving.FOLDER)
    generations.root.mkdir(parents=True, exist_ok=True)
    with generations.building("g1") as writer:
        for one in PEOPLE:
            for key, value in _served(workspace, one):
                writer.put(key, value)
        writer.put(serving.MANIFEST, orjson.dumps({"generation": "g1", "started_at": render.moment(BUILT)}))
    generations.publish("g1")


def _served(workspace: Workspace, one: Person) -> Iterator[tuple[bytes, bytes]]:
    email, card = named(workspace, "email", one.email), named(workspace, "loyalty", one.card)
    values = {"given_name": one.name, "family_name": "Carver", "birth_date": "1984-02-29", "street": "14 Elm Street",
              "postcode": "45402", "city": "Dayton"}  # fmt: skip
    said = [
        {"source": source, "record_key": key, "observed_at": BUILT}
        for source, key in zip(SOURCES, one.records, strict=True)
    ]
    records = [
        {**each, "kind": "person", "known": True, "link": "own", "attributes": list(values.items()),
         "identifiers": [email, card] if number == 1 else [email], "purposes": list(EVERY)}
        for number, each in enumerate(said)
    ]  # fmt: skip
    tokens = [{"token": each["token"], "link": "own"} for each in (email, card)]
    person = {"profile_id": one.id, "anchor": one.records[0], "known": True, "size": 3, "confidence": 0.998,
              "edges": [], "tokens": tokens, "records": records}  # fmt: skip
    listed = " ".join(each["token"] for each in (email, card)).encode()
    for purpose in PURPOSES:
        attributes = [
            {"name": name, "value": value, "rule": "most_recent", "confidence": 1.0, **said[number % 3]}
            for number, (name, value) in enumerate(values.items())
        ]
        view = {"profile_id": one.id, "purpose": purpose, "as_of": BUILT, "attributes": attributes, "traits": TRAITS,
                "identifiers": [email, card], "withheld": [], "confidence": 0.998, "reason": "contract",
                "policy_line": "policy.yaml:61"}  # fmt: skip
        tag, body = render.view(view, {"orders": "whole", "spend": "money", "favourite_categories": "list"}, [])
        yield serving.view_key(purpose, one.id), packed(tag, body, listed)
    yield serving.header_key(one.id), render.header(person)
    yield serving.holders_key(one.id), listed
    yield serving.graph_key(one.id), render.graph(person)
    yield serving.timeline_key(one.id), orjson.dumps(_timeline(one))
    for each in (email, card):
        yield serving.token_key(each["token"]), one.id.encode()


def _timeline(one: Person) -> list[dict[str, Any]]:
    happened = [("order", "tills", "receipt"), ("event", "web", "page"), ("order", "tills", "receipt")]
    return [
        {"at": f"2026-11-{20 - day:02d}T17:40:00Z", "kind": kind, "source": source, "record_key": one.records[1],
         "name": name, "channel": source, "order_id": None, "amount": 41.37 if kind == "order" else None,
         "line_count": 0, "lines": [], "details": {}}
        for day, (kind, source, name) in enumerate(happened)
    ]  # fmt: skip


def fill(workspace: Workspace) -> None:
    """Put everybody's facts into the lake, as far as an answer tells them."""
    schema = pa.schema([
        ("record_key", pa.string()), ("source", pa.string()), ("key", pa.string()), ("sequence", pa.int64()),
        ("observed_at", pa.timestamp("us", "UTC")),
        ("identifiers", pa.list_(pa.struct([(n, pa.string()) for n in ("type", "value", "token")]))),
        ("attributes", pa.map_(pa.string(), pa.string())), ("content_hash", pa.string()),
    ])  # fmt: skip
    records = [
        {"record_key": key, "source": source, "key": f"C-{number}", "sequence": 1, "observed_at": BUILT,
         "attributes": [("given_name", one.name), ("city", "Dayton")], "content_hash": "x",
         "identifiers": [named(workspace, "email", one.email)]}
        for one in PEOPLE
        for number, (key, source) in enumerate(zip(one.records, SOURCES, strict=True))
    ]  # fmt: skip
    belong = [{"record_key": key, "profile_id": one.id, "component": "c"} for one in PEOPLE for key in one.records]
    write_deltalake(str(workspace.lake_path / "records"), pa.Table.from_pylist(records, schema=schema))
    write_deltalake(str(workspace.lake_path / "membership"), pa.Table.from_pylist(belong))


@dataclass
class Shop:
    """A running server: its workspace, its address, and the process."""

    workspace: Workspace
    port: int
    process: "subprocess.Popen[bytes]"
    database: Any

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def link(self, kind: str = "email", value: str = ANN.email, lasts: timedelta = timedelta(hours=1)) -> str:
        """Return a link to the preference centre."""
        signed = Gate(self.workspace.token_key()).link(
            kind, held(self.workspace, kind, value), datetime.now(UTC), lasts
        )
        return f"{self.url}/preferences/enter/{signed}"

    def officer(self, name: str) -> str:
        """Return a key with which a privacy officer signs in."""
        scopes = {
            "console",
            "profile:read",
            "consent:read",
            "consent:write",
            "consent:reasons",
            "privacy:read",
            "privacy:write",
        }
        return create_key(self.database, name=name, scopes=scopes, purposes=EVERY, at=datetime.now(UTC))

    def erase(self, erasure: str, person: Person) -> str:
        """Do the job runner's part of an erasure in the book, and return the nonce that only the person is given."""
        clock = lambda: datetime.now(UTC)  # noqa: E731
        book, begun = Book(self.database, clock), clock()
        stores = {
            "consent": {"consent_event": 3},
            "facts": {"records": 3, "events": 41},
            "profiles": {"profile_views": 5},
        }
        for step in STEPS[1:-1]:
            book.begin(erasure, step)
            for store in stores if step in IN_STORES else ():
                book.begin(erasure, step, store)
                book.finish(erasure, step, store, {})
            book.finish(erasure, step, "", {"rows": stores} if step == "planned" else {})
        book.begin(erasure, STEPS[-1])
        book.certify(erasure, _certificate(self.workspace, erasure, person, begun), NONCE.hex(), exceptions=False)
        book.finish(erasure, STEPS[-1], "done", {})
        return NONCE.hex()


def _certificate(workspace: Workspace, erasure: str, person: Person, begun: datetime) -> dict[str, Any]:
    def report(hits: int) -> ScanReport:
        found = tuple(
            Hit(store="lake", file="records/part-0.parquet", where=f"row {n}", spelling="plain") for n in range(hits)
        )
        place = PlaceReport(store="lake", kind="delta", files=12, bytes=48_112, decoders=("parquet",), hits=found,
                            unscanned=(), canary_found=True)  # fmt: skip
        return ScanReport(places=(place,), needles=96, too_short=0, seconds=1.5)

    facts = CertificateFacts(
        certificate_id=erasure, request_id=erasure, controller="self", nonce=NONCE,
        identifiers=(f"email:{person.email}",), before=report(14), after=report(0), exclusions=(),
        recipients=(), keys_destroyed=("1 subject keys",), retained=(), suppression_versions=(1,),
        started_at=begun, finished_at=datetime.now(UTC), tool_version="0.1.0",
    )  # fmt: skip
    return certificate(facts, workspace.signer())


@contextmanager
def open_shop(root: Path) -> Iterator[Shop]:
    """Serve a prepared workspace on a free port, as `kindred serve` does, until the block ends."""
    workspace = prepared(root)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # No job runner is started: what Spark would do is done by hand where a test needs it.
    environ = {**os.environ, "KINDRED_SERVING__ERASE": "false", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "api.http.serve", str(root), "127.0.0.1", str(port)]
    with (root / "server.log").open("ab") as told:
        process = subprocess.Popen(command, env=environ, cwd=root, stdout=told, stderr=told)
    database = open_database(workspace, METADATA)
    try:
        for _ in range(600):
            assert process.poll() is None, (root / "server.log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Shop(workspace, port, process, database)
    finally:
        database.dispose()
        process.terminate()
        process.wait(timeout=30)
