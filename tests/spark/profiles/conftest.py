"""A small shop as ingestion and identity leave it: two people, a browser, and what they said about consent."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
PURPOSES = (
    "identity_resolution",
    "profiling",
    "service",
    "analytics",
    "personalization",
    "email_marketing",
    "advertising",
)


def day(number: int) -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)


def identifier(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value, "token": f"1:{kind}:{value}"}


ANN_EMAIL, ANN_OTHER = identifier("email", "ann@example.org"), identifier("email", "a.archer@example.com")
ANN_CARD, COOKIE = identifier("loyalty", "L1"), identifier("cookie", "c-1")
BOB_EMAIL, BOB_PHONE = identifier("email", "bob@example.net"), identifier("phone", "+15555550123")


def record(key: str, source: str, at: int, trust: float, *names: dict[str, str], **attributes: str) -> dict[str, Any]:
    return {
        "record_key": key,
        "source": source,
        "key": f"{source}-{key}",
        "kind": "subject" if source in {"tills", "web"} else "person",
        "known": True,
        "attributes": attributes,
        "identifiers": list(names),
        "observed_at": day(at),
        "received_at": day(at),
        "content_hash": key,
        "sequence": at,
        "trust": trust,
        "jurisdiction": "US-OH",
        "deleted": False,
        "batch": 1,
    }


RECORDS = [
    record("r1", "crm", 0, 0.9, ANN_EMAIL, given_name="Ann", family_name="Archer", birth_date="1980-05-01",
           street="1 Old Road", city="Akron", postcode="44301"),
    record("r2", "shop", 9, 0.8, ANN_EMAIL, given_name="Anne", family_name="Baker", street="2 New Street",
           city="Dover"),
    record("r3", "newsletter", 5, 0.3, ANN_OTHER, given_name="Ann"),
    record("r4", "tills", 3, 0.5, ANN_CARD),
    record("r5", "crm", 1, 0.9, BOB_EMAIL, BOB_PHONE, given_name="Bob", family_name="Cole"),
    record("r6", "web", 2, 0.5, BOB_EMAIL, COOKIE),
]  # fmt: skip
# record, person, link: r1 and r2 share an email (proof), r3 and r4 follow by likeness.
MEMBERS = {"r1": "r1", "r2": "r1", "r3": "r1", "r4": "r1", "r5": "r5", "r6": "r5", "i1": "i1"}
EDGES = [
    ("r1", "r2", 20_000_000, "both", "kept", "email"),
    ("r1", "r3", 9_000_000, "attributes", "kept", "given_name"),
    ("r1", "r4", 5_000_000, "identifier", "kept", "loyalty"),
    ("r5", "r6", 15_000_000, "identifier", "kept", "email"),
    ("r3", "r5", -3_000_000, "attributes", "suppressed", "given_name"),
]


def order_line(
    number: int, record_key: str, order: str, at: int, product: str, amount: float, source: str = "tills"
) -> dict[str, Any]:
    return event(number, record_key, "purchase", at, source) | {
        "order_id": order,
        "product_id": product,
        "quantity": 1.0,
        "amount": amount,
        "channel": "store" if source == "tills" else "web",
    }


def event(number: int, record_key: str | None, name: str, at: int, source: str) -> dict[str, Any]:
    return {
        "source": source,
        "message_id": f"m{number}",
        "type": "track",
        "name": name,
        "occurred_at": day(at),
        "received_at": day(at),
        "record_key": record_key,
        "properties": {"url": "https://shop.example.org/"} if source == "web" else {},
        "channel": source,
        "content_hash": f"m{number}",
        "batch": 1,
    }


EVENTS = [
    order_line(1, "r4", "t1", 10, "milk", 1.10),
    order_line(2, "r4", "t1", 10, "cheese", 7.25),
    order_line(3, "r4", "t2", 40, "milk", 1.15),
    order_line(4, "r2", "w1", 41, "soap", 3.00, "shop"),
    order_line(5, "r5", "t1", 12, "soap", 2.50),
    event(6, "r6", "Page Viewed", 42, "web"),
    event(7, None, "Page Viewed", 43, "web") | {"anonymous_id": "c-1", "identifiers": [COOKIE]},
]
PRODUCTS = {"milk": ("Milk", "dairy"), "cheese": ("Cheese", "dairy"), "soap": ("Soap", "home")}


def word(token: str, purpose: str, action: str, at: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{token}{purpose}{action}{at}",
        "sid": token,
        "token": token,
        "identifier_kind": "email",
        "controller": "self",
        "purpose": purpose,
        "action": action,
        "mechanism": "banner",
        "asserted_by": "subject",
        "occurred_at": day(at),
        "received_at": day(at),
        **more,
    }


WORDS = [
    word(ANN_EMAIL["token"], "personalization", "given"),
    word(ANN_OTHER["token"], "email_marketing", "given"),
    word(BOB_EMAIL["token"], "email_marketing", "given", channel="email"),
    word(BOB_PHONE["token"], "advertising", "refused"),
]


@pytest.fixture
def shop(spark: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return the making of a runtime: run number and words of consent in, a lake ready to be built on out."""
    root = tmp_path / "workspace"
    shutil.copytree(TEMPLATES, root)
    (root / "kindred.yaml").write_text("name: test\njurisdiction: US-OH\nseed: 1\n")

    def made(number: int = 1, words: list[dict[str, Any]] | None = None) -> Any:
        from consent.store import METADATA
        from infra.database import open_database
        from infra.lake import Lake
        from infra.runtime import RunInfo, Runtime
        from infra.workspace import Workspace

        workspace = Workspace.open(root)
        lake = Lake(spark, workspace.lake_path, number, {})
        fill(lake, WORDS if words is None else words)
        database = open_database(workspace, METADATA)
        run = RunInfo(f"run-{number}", number, NOW, "salt", {})
        return Runtime(workspace, lake, database, run, lambda _: None)

    return made


def fill(lake: Any, words: list[dict[str, Any]]) -> None:
    from consent.screen import record_decisions
    from consent.tables import CONSENT_EVENT
    from identity import tables as identity
    from ingestion import tables as ingestion

    def write(table: Any, rows: list[dict[str, Any]]) -> None:
        lake.ensure([table])
        tuples = [tuple(row.get(column.name, blank(column)) for column in table.columns()) for row in rows]
        lake.overwrite(table, lake.spark.createDataFrame(tuples, lake.schema(table)))

    write(ingestion.RECORDS, RECORDS)
    write(ingestion.EVENTS, EVENTS)
    write(ingestion.CATALOGUE, [product(key, *said) for key, said in PRODUCTS.items()])
    write(CONSENT_EVENT, words)
    write(identity.RECORD_FEATURES, [features(r) for r in RECORDS] + [features(ANONYMOUS)])
    write(identity.COOKIE_INTERVAL, [INTERVAL])
    write(identity.MEMBERSHIP, [member(key, person) for key, person in MEMBERS.items()])
    write(identity.PROFILE_INDEX, [profile(person) for person in sorted(set(MEMBERS.values()))])
    write(identity.EDGES, [edge(*e) for e in EDGES])
    write(identity.PROFILE_ALIAS, [{"alias_id": "r0", "profile_id": "r1", "since_batch": 1}])
    decided = record_decisions(
        lake.read(identity.RECORD_FEATURES), lake.read(CONSENT_EVENT), policy(lake), PURPOSES, NOW
    )
    lake.ensure([identity.RECORD_CONSENT])
    lake.overwrite(identity.RECORD_CONSENT, decided)


def blank(column: Any) -> Any:
    """Return what stands in a column that a test has nothing to say about."""
    if column.nullable:
        return None
    empty: dict[str, Any] = {"ARRAY": [], "MAP": {}, "BIGINT": 0, "DOUBLE": 0.0, "BOOLEAN": False, "TIMESTAMP": NOW}
    return empty.get(column.sql.partition("<")[0], "")


def policy(lake: Any) -> Any:
    from consent.config import load_policy
    from infra.workspace import Workspace

    return load_policy(Workspace.open(lake.root.parents[1]))


ANONYMOUS = {
    **record("i1", "web", 43, 0.5, COOKIE),
    "kind": "interval",
    "known": False,
    "jurisdiction": None,
}
INTERVAL = {
    "source": "web",
    "anonymous_id": "c-1",
    "from_at": day(43),
    "to_at": day(44),
    "record_key": "i1",
    "known": False,
    "claim": "none",
    "identifiers": [COOKIE],
}


def features(one: dict[str, Any]) -> dict[str, Any]:
    kept = ("record_key", "source", "key", "kind", "known", "jurisdiction", "content_hash", "identifiers")
    return {**{n: one[n] for n in kept}, "bare": not one["attributes"], "arrival": one["sequence"]}


def member(key: str, person: str) -> dict[str, Any]:
    return {
        "record_key": key,
        "profile_id": person,
        "component": person,
        "known": key != "i1",
        "since_batch": 1,
    }


def profile(person: str) -> dict[str, Any]:
    size = sum(1 for other in MEMBERS.values() if other == person)
    said = {"profile_id": person, "anchor": person, "size": size, "known": person != "i1"}
    return {**said, "confidence": 0.97, "status": "live", "since_batch": 1}


def edge(left: str, right: str, weight: int, kind: str, state: str, shared: str) -> dict[str, Any]:
    level = "exact" if kind == "attributes" else "shared"
    return {
        "left_key": left,
        "right_key": right,
        "weight_micro": weight,
        "conflict_micro": 0,
        "kind": kind,
        "rule_mask": 1,
        "component": left,
        "model_version": "m1",
        "reasons": [{"comparison": shared, "level": level, "weight_micro": weight}],
        "state": state,
        "why": "" if state == "kept" else "weight",
    }


def product(key: str, name: str, department: str) -> dict[str, Any]:
    return {
        "source": "products",
        "key": key,
        "attributes": {"name": name, "department": department},
        "content_hash": key,
        "observed_at": day(0),
        "received_at": day(0),
        "sequence": 1,
        "batch": 1,
    }
