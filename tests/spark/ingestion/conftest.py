"""A tiny workspace with every kind of source, and runs on it that can be killed and resumed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

import consent.store
import ingestion.quarantine.store
import ingestion.store
from infra.database import open_database
from infra.lake import Lake
from infra.runtime import RunInfo, Runtime
from infra.shelf import newest_versions
from infra.workspace import Workspace
from ingestion.jobs import ingest

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"

IDENTITY = """
identifiers:
  customer: {normaliser: code, strength: decisive}
  loyalty: {normaliser: code, strength: weak}
  email: {normaliser: email, blocked: ["/(test|null)@.*/"]}
  phone: {normaliser: phone, strength: weak}
  cookie: {normaliser: text, strength: weak, anonymous: true}
"""
SOURCES = {
    "crm": """
connector: {type: files, path: data/crm/*.csv, format: csv}
record: person
key: customer_id
observed_at: updated_at
trust: 0.9
jurisdiction: US-OH
fields: {given_name: first_name, birth_date: dob}
identifiers: {email: email, phone: mobile, customer: customer_id}
contract: {dob: {type: date, max: today}, first_name: {max_length: 20}}
""",
    "guests": """
connector: {type: files, path: data/guests/*.csv, format: csv}
record: person
key: order_id
fields: {given_name: name}
identifiers: {email: email}
contract: {name: {pattern: "[A-Z].*"}, email: {type: email}}
on_violation: drop_field
""",
    "tills": """
connector: {type: files, path: data/tills/*.parquet, format: parquet}
record: event
key: [basket_id, line]
occurred_at: at
event: {type: "=purchase", name: "=receipt line"}
identifiers: {loyalty: card_no}
properties: [store]
order: {order_id: basket_id, product_id: product_id, quantity: quantity, amount: amount}
channel: "=store"
contract: {quantity: {type: integer, min: 0}}
""",
    "web": """
connector: {type: files, path: data/web/*.ndjson, format: ndjson}
record: event
key: messageId
occurred_at: timestamp
time_zone: America/New_York
event: {type: type, name: event}
identifiers: {email: traits.email, cookie: anonymousId}
fields: {given_name: traits.firstName}
properties: [properties.url]
channel: "=web"
consent_gate: context.consent.categoryPreferences.analytics
free_text: {properties.note: redact}
""",
    "consents": """
connector: {type: files, path: data/consents/*.ndjson, format: ndjson}
record: consent
key: id
occurred_at: at
identifiers: {cookie: cookie, email: email}
consent: {purpose: purpose, action: action, mechanism: "=centre", jurisdiction: "=US-OH", expires_at: until}
""",
    "products": """
connector: {type: files, path: data/products/*.csv, format: csv, delimiter: ";", encoding: cp1252}
record: catalogue
key: id
""",
}


@dataclass
class World:
    """A workspace, its database, and what its runs said."""

    root: Path
    spark: Any
    database: Engine
    number: int = 0
    base: Mapping[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def run(
        self, source: str = "", *, resume: bool = False, replay: str = "", anyway: bool = False, **more: str
    ) -> dict[str, dict[str, int]]:
        """Run the job, anew or as the last run resumed, of files or of a fix, and return the accounts by source."""
        workspace = Workspace.open(self.root)
        if not resume:
            self.number, self.base = self.number + 1, newest_versions(workspace.lake_path)
        lake = Lake(self.spark, workspace.lake_path, self.number, self.base)
        at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=self.number)
        info = RunInfo(f"run{self.number}", self.number, at, f"salt{self.number}", self.base)
        runtime = Runtime(workspace, lake, self.database, info, self.said.append)
        named = (("source", source), ("replay", replay), ("anyway", "yes" if anyway else ""))
        asked = {name: value for name, value in named if value} | more
        found: Any = ingest(runtime, asked)
        return {**found.get("sources", {}), **found, "all": found.get("total", {}), "notes": found.get("notes", [])}

    def again(self, source: str = "", *, since: int = 0, until: int = 90, **more: Any) -> dict[str, Any]:
        """Take in once more what came with the runs of these numbers, up to but not the last."""
        first = datetime(2026, 11, 1, tzinfo=UTC)
        moments = {name: (first + timedelta(hours=n)).isoformat() for name, n in (("since", since), ("until", until))}
        return self.run(source, **moments, **more)

    def declare(self, name: str, text: str) -> None:
        """Write a source's declaration."""
        (self.root / "sources" / f"{name}.yaml").write_text(text)

    def over(self, root: Path) -> "World":
        """Return the same world over a copy of its folder."""
        return replace(self, root=root, database=database_of(root))

    def read(self, table: Any) -> Any:
        """Return a table as it is now."""
        path = Workspace.open(self.root).lake_path
        return Lake(self.spark, path, self.number, {}).read(table)

    def write(self, path: str, content: str | bytes) -> Path:
        """Write one of the sources' files."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def lines(self, path: str, *rows: Mapping[str, Any] | str) -> Path:
        """Write NDJSON."""
        return self.write(path, "\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")

    def tills(self, path: str, rows: list[dict[str, Any]]) -> None:
        """Write receipt lines as Parquet."""
        (self.root / "data/tills").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), self.root / path, coerce_timestamps="us")


def database_of(root: Path) -> Engine:
    """Return a workspace's database with the tables that ingestion needs."""
    stores = (consent.store.METADATA, ingestion.store.METADATA, ingestion.quarantine.store.METADATA)
    return open_database(Workspace.open(root), *stores)


@pytest.fixture
def world(tmp_path: Path, spark: Any) -> Callable[..., World]:
    """Return a maker of workspaces with the named sources."""

    def make(*sources: str) -> World:
        root = tmp_path / "shop"
        for name in ("policy.yaml", "labels.yaml"):
            (root / "consent").mkdir(parents=True, exist_ok=True)
            (root / "consent" / name).write_text((TEMPLATES / "consent" / name).read_text())
        (root / "kindred.yaml").write_text("name: shop\n")
        (root / "identity.yaml").write_text(IDENTITY)
        (root / ".env").write_text(f"KINDRED_TOKEN_KEY={'k' * 40}\n")
        (root / "sources").mkdir()
        for name in sources or SOURCES:
            (root / "sources" / f"{name}.yaml").write_text(f"source: {name}{SOURCES[name]}")
        return World(root, spark, database_of(root))

    return make


@pytest.fixture
def shop(world: Callable[..., World]) -> World:
    """Return a workspace that declares no source yet."""
    made = world("crm")
    (made.root / "sources" / "crm.yaml").unlink()
    return made
