"""A small shop as profiles leave it, and the runs that activation makes on it."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

NOW = datetime(2017, 12, 31, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "api" / "templates" / "workspace"
FILES = {
    "kindred.yaml": "name: test\nseed: 7\n",
    "audiences/loyal.yaml": "audience: loyal\npurpose: email_marketing\nwhere: {trait: orders, op: '>=', value: 3}\n",
    "audiences/tea.yaml": (
        "audience: tea\npurpose: personalization\n"
        "where: {event: purchase, within: 30d, where: {product.category: DRINKS}, count: '>= 1'}\n"
    ),
    "destinations/mail.yaml": (
        "destination: mail\npath: out/mail\npurpose: email_marketing\naudiences: [loyal]\n"
        "match_keys: [email, email_canonical]\ntraits: [orders]\nminimum_size: 2\n"
    ),
    "decisions/next.yaml": (
        "decision: next\npurpose: personalization\n"
        "campaigns: {starts: start, ends: end, reached: none, repeats: yearly}\n"
        "recommendations: {support: 2, items: 10, sample: 100}\n"
    ),
}
PURPOSES = ("analytics", "personalization", "email_marketing")


def person(name: str, orders: int, email: str = "", refuses: str = "") -> dict[str, Any]:
    return {"name": name, "orders": orders, "email": email or f"{name}@example.org", "refuses": refuses}


def line(
    order: str, product: str, days_ago: float, *, of: str | None, kind: str = "purchase", **more: Any
) -> dict[str, Any]:
    at = NOW - timedelta(days=days_ago)
    said = {
        "source": "tills", "message_id": f"{order}-{product}-{kind}", "type": kind, "name": None, "occurred_at": at,
        "received_at": at, "subject": f"loyalty:{of}" if of else None, "subject_token": None,
        "record_key": f"r-{of}" if of else None, "anonymous_id": None, "identifiers": [], "properties": {},
        "order_id": order, "product_id": product or None, "quantity": 1.0, "amount": 2.5, "campaign": None,
        "coupon": None, "channel": "till", "content_hash": "h", "version": 0, "batch": 1,
    }  # fmt: skip
    return {**said, **more}


@dataclass
class Shop:
    """A lake with people and their purchases; `run` gives a job the world as a run of that number sees it."""

    spark: Any
    root: Path
    database: Any
    said: list[str] = field(default_factory=list)
    filled: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def run(self, number: int, base: Mapping[str, int] | None = None) -> Any:
        from infra import shelf
        from infra.lake import Lake
        from infra.runtime import RunInfo, Runtime
        from infra.workspace import Workspace

        workspace = Workspace.open(self.root)
        base = shelf.newest_versions(workspace.lake_path) if base is None else base
        lake = Lake(self.spark, workspace.lake_path, number, base)
        run = RunInfo(f"run-{number}", number, NOW + timedelta(days=1), "salt", base)
        return Runtime(workspace, lake, self.database, run, self.said.append)

    def fill(self, number: int, people: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
        """Write what the packages below would have written."""
        from ingestion.tables import CATALOGUE, EVENTS
        from profiles.tables import PROFILE_CONSENT, PROFILE_GRAPH, PROFILE_VIEWS

        lake = self.run(number).lake
        rows = {
            EVENTS: lines,
            CATALOGUE: [_product(*one) for one in PRODUCTS] + [_campaign()],
            PROFILE_VIEWS: [_view(one, purpose) for one in people for purpose in PURPOSES if purpose != one["refuses"]],
            PROFILE_CONSENT: [_consent(one, purpose) for one in people for purpose in PURPOSES],
            PROFILE_GRAPH: [_graph(one) for one in people],
        }
        for table, content in rows.items():
            if self.filled.get(table.name, []) == content:
                continue
            self.filled[table.name] = content
            lake.overwrite(table, self.spark.createDataFrame(content, lake.schema(table)))


PRODUCTS = (("tea", "DRINKS"), ("milk", "DAIRY"), ("bread", "BAKERY"), ("rum", "DRINKS"), ("soap", "HOUSEHOLD"))


def _product(key: str, category: str) -> dict[str, Any]:
    attributes = {"type": key.title(), "category": category}
    return {"source": "products", "key": key, "attributes": attributes, "content_hash": "h", "observed_at": NOW,
            "received_at": NOW, "sequence": 1, "batch": 1}  # fmt: skip


def _campaign() -> dict[str, Any]:
    attributes = {"start": "2017-12-01", "end": "2017-12-31", "type": "B", "products": "tea rum milk"}
    return {**_product("8", ""), "source": "campaigns", "attributes": attributes}


def _view(one: Mapping[str, Any], purpose: str) -> dict[str, Any]:
    identifiers = [{"type": "email", "value": one["email"], "token": f"1:{one['name']}"}]
    return {"profile_id": one["name"], "purpose": purpose, "known": True, "size": 1, "confidence": 1.0, "as_of": NOW,
            "attributes": [], "traits": {"orders": str(one["orders"])}, "identifiers": identifiers, "withheld": [],
            "reason": "consent", "policy_line": "policy.yaml:1"}  # fmt: skip


def _consent(one: Mapping[str, Any], purpose: str) -> dict[str, Any]:
    allowed = purpose != one["refuses"]
    return {"profile_id": one["name"], "purpose": purpose, "allowed": allowed,
            "reason": "consent" if allowed else "withdrawn", "policy_line": "policy.yaml:1"}  # fmt: skip


def _graph(one: Mapping[str, Any]) -> dict[str, Any]:
    record = {"record_key": f"r-{one['name']}", "source": "tills", "key": "k", "kind": "subject", "known": True,
              "link": "own", "observed_at": NOW, "attributes": {}, "identifiers": [],
              "purposes": [purpose for purpose in PURPOSES if purpose != one["refuses"]]}  # fmt: skip
    return {"profile_id": one["name"], "anchor": "r", "known": True, "size": 1, "confidence": 1.0,
            "tokens": [{"token": f"1:{one['name']}", "link": "own"}],
            "records": [record], "edges": []}  # fmt: skip


@pytest.fixture(scope="session")
def empty_lake(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tables, empty: made once, copied by each test."""
    from activation.tables import TABLES
    from identity.tables import COOKIE_INTERVAL, MEMBERSHIP, PROFILE_ALIAS
    from infra.lake import Lake
    from ingestion.tables import CATALOGUE, EVENTS
    from profiles.tables import PROFILE_CONSENT, PROFILE_GRAPH, PROFILE_VIEWS

    below = (
        EVENTS,
        CATALOGUE,
        COOKIE_INTERVAL,
        MEMBERSHIP,
        PROFILE_ALIAS,
        PROFILE_CONSENT,
        PROFILE_GRAPH,
        PROFILE_VIEWS,
    )
    path = tmp_path_factory.mktemp("activation") / "lake"
    Lake(spark, path, 0, {}).ensure((*below, *TABLES))
    return path


@pytest.fixture
def shop(spark: Any, empty_lake: Path, tmp_path: Path) -> Shop:
    import consent.store
    from activation.store import METADATA
    from infra.database import open_database

    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("identity.yaml", "consent/policy.yaml", "consent/labels.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((TEMPLATES / name).read_bytes())
    shutil.copytree(empty_lake, tmp_path / "state" / "lake")
    database = open_database(f"sqlite:///{tmp_path / 'kindred.db'}", METADATA, consent.store.METADATA)
    return Shop(spark, tmp_path, database)


@pytest.fixture
def as_person() -> Callable[..., dict[str, Any]]:
    return person


@pytest.fixture
def as_line() -> Callable[..., dict[str, Any]]:
    return line
