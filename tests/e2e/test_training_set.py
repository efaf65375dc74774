"""`kindred features training-set` as a data scientist runs it: through the runner, into a file that knows no future.

By day tests/spark/profiles/test_training.py asks the same of the plan alone.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import api.cli.world
from api.cli.acts import end_runner
from api.http.app import create_app
from api.http.keys import create_key
from api.http.main import open_world
from infra.workspace import Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.timeout(1800)]
KINDRED = [sys.executable, "-m", "api.cli.main"]
ENVIRONMENT = {
    **os.environ,
    "COLUMNS": "200",
    "KINDRED_ENGINE__SHUFFLE_PARTITIONS": "2",
    "KINDRED_ENGINE__JAVA_OPTIONS": "-XX:+UseParallelGC -XX:TieredStopAtLevel=1",
}
CRM = """\
source: crm
connector: {type: files, path: data/crm/*.csv, format: csv}
record: person
key: customer_id
observed_at: updated_at
time_zone: UTC
trust: 0.9
fields: {given_name: first_name}
identifiers: {email: email, customer: customer_id}
"""
TILLS = """\
source: tills
connector: {type: files, path: data/tills/*.csv, format: csv}
record: event
key: [receipt, line]
occurred_at: sold_at
time_zone: UTC
event: {type: "=purchase", name: "=receipt line"}
identifiers: {customer: customer_id}
order: {order_id: receipt, product_id: product, quantity: quantity, amount: amount}
"""
FEATURES = """\
feature_set: orders
purpose: service
features:
  - {name: orders, field: traits.orders, type: whole, default: 0}
  - {name: spend, field: traits.spend, type: money}
  - {name: first_order, field: traits.first_order, type: time}
  - {name: last_order, field: traits.last_order, type: time}
  - {name: given_name, field: attributes.given_name, type: text}
"""
# Ann was first heard of in January, bought in February and March, and in June, which is after every label but the last.
PEOPLE = """\
customer_id,first_name,email,updated_at
C1,Ann,ann@example.org,2026-01-05T09:00:00Z
C2,Bob,bob@example.org,2026-06-20T09:00:00Z
"""
SOLD = """\
receipt,line,customer_id,product,quantity,amount,sold_at
R1,1,C1,p1,1,10.00,2026-02-01T12:00:00Z
R2,1,C1,p2,1,20.00,2026-03-01T12:00:00Z
R9,1,C1,p9,9,900.00,2026-06-01T12:00:00Z
"""
NOW = "2026-07-01T00:00:00Z"
LABELS = f"""\
type,value,at,label
email,ann@example.org,2026-01-04T00:00:00Z,0
email,ann@example.org,2026-02-01T12:00:00Z,1
email,ann@example.org,2026-02-01T12:00:01Z,2
email,ann@example.org,2026-03-01T12:00:00Z,3
email,ann@example.org,2026-05-31T00:00:00Z,4
email,bob@example.org,2026-05-31T00:00:00Z,5
email,nobody@example.org,2026-05-31T00:00:00Z,6
email,ann@example.org,{NOW},7
"""
ARROW = {"whole": pa.int64(), "money": pa.float64(), "text": pa.string(), "time": pa.string()}


def kindred(*words: str) -> str:
    """Return what a command that must succeed prints."""
    done = subprocess.run([*KINDRED, *words], env=ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("scientist") / "shop"
    kindred("init", str(root))
    for folder in ("audiences", "destinations", "decisions", "features"):
        shutil.rmtree(root / folder)
    page = root / "profiles.yaml"
    text = page.read_text()  # there is no catalogue here, and so nothing that is favourite
    page.write_text("".join(one for one in text.splitlines(keepends=True) if "compute: favourites" not in one))
    for name, declared, rows in (("crm", CRM, PEOPLE), ("tills", TILLS, SOLD)):
        (root / "sources").mkdir(exist_ok=True)
        (root / "sources" / f"{name}.yaml").write_text(declared)
        (root / "data" / name).mkdir(parents=True)
        (root / "data" / name / "all.csv").write_text(rows)
    (root / "features").mkdir()
    (root / "features" / "orders.yaml").write_text(FEATURES)
    world = api.cli.world.open_world(root)
    try:
        kindred("check", "-w", str(root))
        kindred("run", "-w", str(root))
        yield root
    finally:
        end_runner(world)
        world.database.dispose()


def served(root: Path) -> dict[str, Any]:
    """Return what the API tells of Ann now."""

    async def asked() -> dict[str, Any]:
        world = open_world(Workspace.open(root))
        key = create_key(
            world.database, name="model", scopes={"profile:read"}, purposes={"service"}, at=datetime.now(UTC)
        )
        body = {
            "feature_set": "orders", "purpose": "service",
            "people": [{"type": "email", "value": "ann@example.org"}],
        }  # fmt: skip
        transport = httpx.ASGITransport(app=create_app(world))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
            answer = await asking.post("/v1/features", json=body, headers={"authorization": f"Bearer {key}"})
        world.database.dispose()
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asyncio.run(asked())


def test_a_training_set_from_the_command_line_knows_no_future(shop: Path) -> None:
    labels, out = shop / "labels.csv", shop / "orders.parquet"
    labels.write_text(LABELS)
    words = ("features", "training-set", "orders", "--labels", str(labels), "--out", str(out), "--json")
    told = json.loads(kindred(*words, "-w", str(shop)))
    table, online = pq.read_table(out), served(shop)
    rows = {row["label"]: row for row in table.to_pylist()}
    assert (told["labels"], told["rows"], told["nobody"]) == (8, len(rows), 1)
    assert out.stat().st_mode & 0o777 == 0o600

    # The same names in the same order, and each of the type that is served.
    names = [one["name"] for one in online["features"]]
    assert table.column_names == ["profile_id", "at", *names, "status", "label"]
    for one in online["features"]:
        assert table.schema.field(one["name"]).type == ARROW[one["type"]], one

    # Nothing of the moment or later: at a purchase's own moment it has not happened, a second later it has.
    orders = {"0": 0, "1": 0, "2": 1, "3": 1, "4": 2, "5": 0, "7": 3}
    assert {str(label): row["orders"] for label, row in rows.items()} == orders
    assert [rows[label]["spend"] for label in sorted(rows)][2:5] == [10.0, 10.0, 30.0]
    for row in rows.values():
        for name in ("first_order", "last_order"):
            assert row[name] is None or datetime.fromisoformat(row[name]) < row["at"], row
    by = {str(label): row for label, row in rows.items()}
    assert by["0"]["given_name"] is None, "in January nobody had heard of her yet"
    assert by["5"]["given_name"] is None, "he was heard of later"
    assert [by[n]["given_name"] for n in ("1", "4")] == ["Ann", "Ann"]

    # Asked for now it is what the API answers.
    (now,) = online["rows"]
    assert now["found"]
    assert now["profile_id"] == by["7"]["profile_id"]
    assert now["values"] == [by["7"][name] for name in names]
