"""A world in memory: three people, one merged id, one split id, and a key for every kind of caller."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http.app import create_app, create_slow_app
from api.http.asgi import AsgiApp
from api.http.audit import ReadAudit
from api.http.collector.app import Bounds, Collector
from api.http.collector.desk import Desk
from api.http.collector.doorkeeper import Doorkeeper
from api.http.collector.restricted import Restricted
from api.http.collector.sources import Declared
from api.http.credentials import KeyRing
from api.http.keys import create_key
from api.http.memory import MemoryConsents, MemoryDecider, MemoryNotary, MemoryProfiles, MemorySignals, MemoryStewards
from api.http.people import People
from api.http.reading import Tongue
from api.http.store import METADATA
from api.http.world import World
from infra.database import open_database
from infra.identifiers import IdentifierType, normalise, token
from infra.ids import ProfileId, Purpose, Token
from infra.log.memory import MemoryLog
from ingestion.collector.entry import opened

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
PURPOSES = tuple(
    Purpose(p)
    for p in (
        "identity_resolution",
        "profiling",
        "service",
        "analytics",
        "personalization",
        "email_marketing",
        "advertising",
    )
)
TYPES = {
    "email": IdentifierType(normaliser="email"),
    "phone": IdentifierType(normaliser="phone", strength="weak"),
    "loyalty": IdentifierType(normaliser="code", strength="decisive"),
    "account": IdentifierType(normaliser="code", strength="decisive"),
    "customer": IdentifierType(normaliser="code", strength="decisive"),
    "cookie": IdentifierType(normaliser="text", anonymous=True),
}
ANNA, BEN, CORA = (ProfileId(letter * 32) for letter in "abc")
MERGED, SPLIT = ProfileId("e" * 32), ProfileId("f" * 32)
HIDDEN = "0" * 32


@dataclass
class Town:
    """The world with everything a test wants to hold in its hands."""

    world: World
    profiles: MemoryProfiles
    consents: MemoryConsents
    decider: MemoryDecider
    keys: dict[str, str]

    @property
    def app(self) -> AsgiApp:
        return create_app(self.world)

    @property
    def slow(self) -> AsgiApp:
        return create_slow_app(self.world)

    def bearer(self, who: str = "reader") -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[who]}"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def town(tmp_path: Path, token_key: bytes) -> Iterator[Town]:
    database = open_database(f"sqlite:///{tmp_path}/kindred.db", METADATA)
    keys = {
        name: create_key(database, name=name, scopes=scopes, purposes=purposes, at=NOW)
        for name, scopes, purposes in (
            ("reader", {"profile:read"}, {"service", "personalization"}),
            ("steward", {"profile:read", "profile:explain"}, set(PURPOSES)),
            ("officer", {"consent:read", "consent:write", "consent:reasons"}, set(PURPOSES)),
            ("clerk", {"consent:read"}, set(PURPOSES)),
            ("shop", {"decide"}, {"personalization"}),
            ("admin", {"admin"}, set(PURPOSES)),
            ("person", {"console", "profile:read", "profile:explain", "consent:read", "consent:write"}, set(PURPOSES)),
        )
    }
    tongue = Tongue(TYPES, token_key)
    profiles = people(token_key)
    consents = MemoryConsents(profiles, PURPOSES)
    decider = MemoryDecider()
    world = World(
        profiles=profiles,
        consents=consents,
        decider=decider,
        stewards=MemoryStewards(),
        signals=MemorySignals(),
        notary=MemoryNotary(),
        tongue=tongue,
        database=database,
        ring=KeyRing(database, rate=1e6, burst=1e6, clock=lambda: NOW),
        audit=ReadAudit(database, lambda: NOW),
        people=People(database, lambda: NOW),
        clock=lambda: NOW,
        name="Corner Shop",
    )
    yield Town(world, profiles, consents, decider, keys)
    database.dispose()


@pytest.fixture
async def asking(town: Town) -> Any:
    """A client of the whole application, fast path included."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=town.app), base_url="http://localhost") as client:
        yield client


@dataclass
class Gate:
    """The town with a collector before it: its log, who is restricted, a write key of the source `web`."""

    town: Town
    world: World
    collector: Collector
    log: MemoryLog
    restricted: set[Token]
    key: str

    @property
    def app(self) -> AsgiApp:
        return create_app(self.world)

    def basic(self, key: str | None = None, colon: str = ":") -> dict[str, str]:
        user = base64.b64encode(f"{key or self.key}{colon}".encode()).decode()
        return {"authorization": f"Basic {user}"}

    def kept(self) -> list[dict[str, Any]]:
        return [opened(entry.body) for entry in self.log.kept.get("web", [])]


@pytest.fixture
def gate(town: Town) -> Gate:
    log, restricted = MemoryLog(), set[Token]()
    people = Restricted(lambda: frozenset(restricted))
    declared = {
        "web": Declared({"email": ("traits.email",), "cookie": ("anonymousId",)}),
        "shy": Declared({}, ("context", "consent", "categoryPreferences", "analytics")),
    }
    collector = Collector(
        log,
        Desk(town.world.tongue, people, declared),
        Doorkeeper(town.world.ring),
        lambda: NOW,
        town.world.metrics,
        bounds=Bounds(body_seconds=0.2),
    )
    key = create_key(town.world.database, name="web", scopes={"events:write"}, purposes=(), source="web", at=NOW)
    return Gate(town, replace(town.world, collector=collector), collector, log, restricted, key)


@pytest.fixture
async def sending(gate: Gate) -> Any:
    """A client of the whole application with a collector before it."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=gate.app), base_url="http://localhost") as client:
        yield client


def identifier(key: bytes, kind: str, raw: str) -> dict[str, str]:
    value = normalise(TYPES[kind].normaliser, raw)
    assert value is not None
    return {"type": kind, "value": value, "masked": f"…{value[-2:]}", "token": token(key, kind, value)}


def people(key: bytes) -> MemoryProfiles:
    """Anna has nine records of seven sources; Ben shares her tablet; Cora may only be served."""
    records = [
        _record(
            "11",
            "crm",
            "C-1001",
            "own",
            {"given_name": "Anna", "family_name": "Kowalski-Reyes"},
            [
                identifier(key, "email", "anna.k@example.org"),
                identifier(key, "customer", "C-1001"),
                identifier(key, "phone", "+1 202-555-0143"),
            ],
        ),
        _record(
            "12",
            "crm",
            "C-4711",
            "verified",
            {"given_name": "Ann", "family_name": "Kowalski"},
            [identifier(key, "phone", "+1 202-555-0143"), identifier(key, "customer", "C-4711")],
        ),
        _record(
            "13",
            "loyalty",
            "9000123",
            "verified",
            {"full_name": "Anna Kowalski"},
            [identifier(key, "loyalty", "9000123"), identifier(key, "email", "anna.k@example.org")],
        ),
        _record(
            "14",
            "webshop_accounts",
            "acc-77",
            "verified",
            {"given_name": "anna"},
            [identifier(key, "account", "acc-77"), identifier(key, "email", "a.kowalski@example.com")],
        ),
        _record(
            "15",
            "newsletter",
            "n-5",
            "verified",
            {"given_name": "Anna"},
            [identifier(key, "email", "a.kowalski@example.com")],
        ),
        _record(
            "16",
            "webshop_guests",
            "g-31",
            "probable",
            {"full_name": "A Kowalski"},
            [identifier(key, "email", "annakowalski@example.net")],
        ),
        _record("17", "helpdesk", "t-9", "verified", {}, [identifier(key, "email", "anna.k@example.org")]),
        _record("18", "web", "ck-1", "verified", {}, [identifier(key, "cookie", "ck-1")], known=False),
        _record("19", "tills", "9000123", "verified", {}, [identifier(key, "loyalty", "9000123")]),
    ]
    edges = [
        _edge("11", "12", 9.8, "attributes", [("family_name", "close spelling", 3.1), ("birth_date", "equal", 8.2),
              ("given_name", "short form", 2.2), ("street", "different", -3.7)]),
        _edge("11", "13", 14.0, "identifier", [("email", "equal", 14.0)]),
        _edge("13", "19", 17.0, "identifier", [("loyalty", "equal", 17.0)]),
        _edge("12", "14", 6.4, "attributes", [("full_name", "close spelling", 4.0), ("postcode", "equal", 2.4)]),
        _edge("14", "15", 14.0, "identifier", [("email", "equal", 14.0)]),
        _edge("15", "16", 5.1, "attributes", [("email", "same mailbox", 5.9), ("full_name", "initial only", -0.8)]),
        _edge("11", "17", 14.0, "identifier", [("email", "equal", 14.0)]),
        _edge("14", "18", 11.0, "identifier", [("account", "login in the session", 11.0)]),
        _edge("18", "91", -4.2, "identifier", [("device", "of 9 people", 0.0), ("given_name", "different", -4.2)],
              state="suppressed", why="shared", elsewhere=BEN),
    ]  # fmt: skip
    profiles = MemoryProfiles()
    _person(profiles, ANNA, records, edges, dict.fromkeys(PURPOSES, True) | {Purpose("advertising"): False})
    profiles.timelines[ANNA] = _timeline()
    ben = [_record("91", "crm", "C-2002", "own", {"given_name": "Ben", "family_name": "Okafor"},
                   [identifier(key, "email", "ben@example.org"), identifier(key, "customer", "C-2002")])]  # fmt: skip
    _person(profiles, BEN, ben, [], dict.fromkeys(PURPOSES, True))
    cora = [_record("95", "crm", "C-3003", "own", {"given_name": "Cora", "family_name": "Lindqvist"},
                    [identifier(key, "email", "cora@example.net")])]  # fmt: skip
    _person(profiles, CORA, cora, [], {p: p in {"identity_resolution", "service"} for p in PURPOSES})
    profiles.aliases.update({MERGED: (ANNA,), SPLIT: (ANNA, BEN)})
    return profiles


def _record(
    key: str, source: str, _own: str, link: str, attributes: dict[str, str], identifiers: list[dict[str, str]],
    known: bool = True,  # noqa: FBT001, FBT002
) -> dict[str, Any]:  # fmt: skip
    return {
        "record_key": key * 16,
        "source": source,
        "kind": "person" if attributes else "subject",
        "known": known,
        "link": link,
        "observed_at": "2026-09-14T08:00:00Z",
        "attributes": attributes,
        "identifiers": identifiers,
        "purposes": list(PURPOSES),
        "label": "".join(f"{n[0].upper()}." for n in attributes.values()),
    }


def _edge(
    left: str, right: str, bits: float, kind: str, reasons: list[tuple[str, str, float]], state: str = "kept",
    why: str = "", elsewhere: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "left": left * 16,
        "right": right * 16,
        "weight": bits,
        "kind": kind,
        "state": state,
        "why": why,
        "reasons": [
            {"comparison": comparison, "level": level, "weight": weight} for comparison, level, weight in reasons
        ],
        "elsewhere": elsewhere,
    }


def _person(
    profiles: MemoryProfiles,
    profile_id: ProfileId,
    records: list[dict[str, Any]],
    edges: list[dict[str, Any]],
    allowed: dict[Purpose, bool],
) -> None:
    header: dict[str, Any] = {"profile_id": profile_id, "tokens": {}, "records": {}}
    for record in records:
        tokens = [entry["token"] for entry in record["identifiers"]]
        header["tokens"] |= dict.fromkeys(tokens, record["link"])
        header["records"][record["record_key"]] = {"tokens": tokens, "purposes": list(PURPOSES)}
        profiles.tokens |= dict.fromkeys(tokens, profile_id)
    profiles.headers[profile_id] = header
    profiles.graphs[profile_id] = {
        "profile_id": profile_id, "anchor": records[0]["record_key"], "confidence": 0.987,
        "records": records, "edges": edges,
    }  # fmt: skip
    for purpose, may in allowed.items():
        if may:
            profiles.views[purpose, profile_id] = _view(profile_id, purpose, records)


def _view(profile_id: ProfileId, purpose: Purpose, records: list[dict[str, Any]]) -> dict[str, Any]:
    first = records[0]
    values = {
        **first["attributes"], "birth_date": "1984-02-29", "street": "14 Elm Street", "city": "Dayton",
        "postcode": "45402", "email": first["identifiers"][0]["value"], "phone": "+12025550143",
    }  # fmt: skip
    hidden = {"personalization": ("birth_date", "street", "phone"), "analytics": ("email", "phone", "street")}
    withheld = hidden.get(purpose, ())
    rules = {"given_name": "most_trusted", "family_name": "most_recent", "phone": "most_frequent"}
    return {
        "profile_id": profile_id,
        "as_of": "2026-11-22T06:00:00Z",
        "version": "0123456789abcdef",
        "confidence": 0.987,
        "attributes": {name: value for name, value in values.items() if name not in withheld},
        "traits": {
            "orders": 47, "spend": 1893.12, "items": 512, "first_seen": "2025-03-02T09:12:00Z",
            "last_seen": "2026-11-20T17:40:00Z", "days_since_order": 2, "average_basket": 40.28,
            "recency": 5, "frequency": 4, "monetary": 4, "rfm": "544", "channel": "tills",
            "favourite_categories": ["cheese", "bread", "tea", "soft fruit"], "orders_90d": 9, "spend_90d": 402.18,
        },
        "identifiers": [
            {"type": i["type"], "value": i["value"]}
            for i in {(i["type"], i["value"]): i for r in records for i in r["identifiers"]}.values()
        ],
        "audiences": ["cheese_lovers"],
        "consent": {"purpose": purpose, "allowed": True, "reason": "legitimate_interest", "policy": "policy.yaml:12"},
        "withheld": [{"field": name, "because": "policy"} for name in withheld],
        "provenance": {
            name: {
                "source": first["source"], "record": first["record_key"], "observed_at": "2026-09-14T08:00:00Z",
                "rule": rules.get(name, "unopposed"), "confidence": 1.0 if name != "family_name" else 0.75,
            }
            for name in values
            if name not in withheld
        },
    }  # fmt: skip


def _timeline() -> list[dict[str, Any]]:
    def entry(days: int, kind: str, source: str, key: str, name: str, **more: Any) -> dict[str, Any]:
        at = (NOW - timedelta(days=days, hours=days % 7)).isoformat()
        empty = {"channel": None, "order_id": None, "amount": None, "line_count": 0, "lines": [], "details": {}}
        return {"at": at, "kind": kind, "source": source, "record_key": key * 16, "name": name, **empty, **more}

    lines = [
        {"product_id": "p1", "name": "Cheddar, mature", "quantity": 2.0, "amount": 8.58},
        {"product_id": "p2", "name": "Sourdough loaf", "quantity": 1.0, "amount": 4.20},
        {"product_id": "p3", "name": None, "quantity": 6.0, "amount": 3.54},
    ]
    basket = {"channel": "tills", "order_id": "b-771", "amount": 41.37, "line_count": 14, "lines": lines}
    return [
        entry(2, "order", "tills", "19", "receipt", **basket),
        entry(3, "page", "web", "18", "Recipes", channel="web", details={"url": "/recipes"}),
        entry(4, "track", "web", "18", "Product Viewed", channel="web", details={"product_id": "p1"}),
        entry(9, "order", "tills", "19", "receipt", **{**basket, "amount": 18.02, "line_count": 5}),
        entry(16, "ticket", "helpdesk", "17", "refund asked", details={"body": "<PERSON> asks for a refund"}),
        *(
            entry(20 + 7 * n, "order", "tills", "19", "receipt", **{**basket, "amount": 30.0 + n, "line_count": 9})
            for n in range(20)
        ),
    ]
