"""A run is watched to the end: tables are held to the accounts, lineage and log tell what happened, nobody's data."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from lineage_schema import run_event_schema

from api.cli import pipeline
from api.cli.running import _facts
from api.cli.world import World, open_world
from api.http.sources import metrics, told
from infra import journal
from infra.lake import Lake
from infra.runner import Runner
from infra.runtime import RunInfo, Runtime
from infra.shelf import newest_versions
from infra.workspace import Workspace
from ingestion.errors import TablesDoNotBalance
from ingestion.health import Clinic
from ingestion.jobs import ingest
from ingestion.store import Books
from ingestion.tables import QUARANTINE, RECORDS

pytestmark = pytest.mark.spark

CRM = "customer_id,first_name,dob,email,mobile,updated_at\n"
# People who must be found nowhere but in the tables, the files and the database's own rows of facts.
PLANTED = (
    "wilhelmina.plantagenet@example.org",
    "wilhelmina",
    "plantagenet",
    "202-555-0177",
    "2025550177",
    "kd-7261-4499",
    "1984-02-29",
    "cookie-of-wilhelmina",
)
ROW = "kd-7261-4499,Wilhelmina,1984-02-29,wilhelmina.plantagenet@example.org,+1 202-555-0177,2026-01-01T00:00:00Z\n"


class Losing(Lake):
    """A lake that loses a row of a table on the way."""

    table = "records"

    def append(self, table: Any, frame: Any, part: str = "") -> None:
        rows = frame.count()
        super().append(table, frame.limit(rows - 1) if table.name == self.table and rows else frame, part)


@pytest.mark.parametrize("table", ["records", pytest.param("quarantine", marks=pytest.mark.nightly)])
def test_a_table_that_lost_a_row_stops_the_run_and_the_next_brings_it(world: Callable[..., Any], table: str) -> None:
    shop = world("crm")
    shop.write("data/crm/a.csv", CRM + "1,Ann,1990-01-01,a@example.org,,\n2,Ben,1990-01-02,,,\n3,Cleo,2990-01-01,,,\n")
    workspace = Workspace.open(shop.root)
    lake = Losing(shop.spark, workspace.lake_path, 1, {})
    lake.table = table
    info = RunInfo("run1", 1, datetime(2026, 11, 1, tzinfo=UTC), "salt1", {})
    with pytest.raises(TablesDoNotBalance, match=f"the table {table} gains . rows, but it gained"):
        ingest(Runtime(workspace, lake, shop.database, info, shop.said.append), {})
    assert not Books(shop.database, "run1").closed()
    shop.number, shop.base = 1, newest_versions(workspace.lake_path)
    found = shop.run()
    assert (found["crm"]["accepted"], found["crm"]["quarantined"]) == ((1, 0) if table == "records" else (0, 1))
    assert (shop.read(RECORDS).count(), shop.read(QUARANTINE).count()) == (2, 1)


@pytest.fixture
def watched(world: Callable[..., Any]) -> Iterator[World]:
    """Return a workspace whose runs are told as lineage and logged for machines."""
    made = world("crm", "web")
    (made.root / "kindred.yaml").write_text(
        "name: shop\nlogs: {format: json}\nlineage: {transport: file, path: state/lineage.ndjson}\n"
    )
    made.database.dispose()
    opened = open_world(made.root)
    yield opened
    opened.database.dispose()


@pytest.fixture
def runs(watched: World, spark: Any) -> Iterator[Callable[..., Any]]:
    """Return what lets the runner itself work off one job, with its log."""
    logger = logging.getLogger("kindred")
    before = (logger.level, logger.handlers, logger.propagate)

    def run(job: str, log: io.StringIO, **arguments: str) -> Any:
        journal.configure(watched.workspace.settings.logs.format, log, "kindred")
        run_id = watched.runs.submit(job, arguments)
        ticks = iter(range(10_000))
        clock = lambda: datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=next(ticks))  # noqa: E731
        jobs = {"ingest": pipeline.ingest, "breaks": breaks}
        Runner(watched.workspace, watched.database, jobs, clock, spark).serve(0.3)
        return watched.runs.get(run_id)

    yield run
    logger.level, logger.handlers, logger.propagate = before


def breaks(runtime: Runtime, _arguments: Any) -> dict[str, object]:
    """Fail as Spark fails over a value that nobody foresaw, and quotes it."""
    runtime.lake.spark.createDataFrame([(ROW,)], "row string").selectExpr("CAST(row AS INT)").collect()
    return {}


def test_runs_are_told_in_full_and_tell_nobody(watched: World, runs: Callable[..., Any]) -> None:
    root, log = watched.workspace.root, io.StringIO()
    data = root / "data"
    for name, text in {
        "crm/a.csv": CRM + ROW + ROW.replace("1984-02-29", "2984-02-29").replace("4499", "4500"),
        "web/a.ndjson": json.dumps({
            "messageId": "m-1", "timestamp": "2026-01-02T03:04:05Z", "type": "track", "event": "Seen",
            "anonymousId": "cookie-of-wilhelmina", "traits": {"email": PLANTED[0], "firstName": "Wilhelmina"},
            "context": {"consent": {"categoryPreferences": {"analytics": True}}},
        }) + "\n" + '{"messageId": "wilhelmina", \n',
    }.items():  # fmt: skip
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text)
    good = runs("ingest", log)
    assert (good.status, good.error) == ("succeeded", None)
    _tells_the_run(good, [json.loads(line) for line in log.getvalue().splitlines()])
    events = _events(root)
    _tells_the_lineage(events)
    # A header that is a person, a value that Spark cannot read, and code that breaks with a value on its lips.
    (data / "crm/b.csv").write_text(ROW + ROW)
    failed = runs("ingest", log, source="crm")
    broken = runs("breaks", log)
    assert (failed.exit_code, broken.exit_code) == (2, 1)
    kinds = [(event["eventType"], event["job"]["name"]) for event in _events(root)[len(events) :]]
    assert kinds == [
        ("START", "ingest"), ("START", "ingest.ingest"), ("FAIL", "ingest.ingest"), ("FAIL", "ingest"),
        ("START", "breaks"), ("FAIL", "breaks"),
    ]  # fmt: skip
    assert any("column 'customer_id' is missing" in json.dumps(event) for event in _events(root))
    health = Clinic(watched.workspace, watched.database).health(datetime(2026, 11, 2, tzinfo=UTC))
    assert (health.runs.failures, health.sources[0].quarantined) == (1, 1)
    _holds_nobody(
        log=log.getvalue(),
        lineage=(root / "state/lineage.ndjson").read_text(),
        metrics=metrics(health),
        health=json.dumps(told(health)),
        runs=json.dumps([_facts(watched, row) for row in watched.runs.latest()], default=str),
        messages="\n".join(m.text for row in watched.runs.latest() for m in watched.runs.messages(row.id)),
    )


def _tells_the_run(row: Any, lines: list[dict[str, Any]]) -> None:
    step, linted = row.steps
    assert (linted["name"], linted["summary"]["findings"], linted["summary"]["unscanned"]) == ("leaks", 0, 0)
    way = step["summary"]["flow"]["crm"]
    assert way == {
        "received": 2, "as_they_were": 0, "surveyed": 2, "read": 2, "accepted": 1, "changed": 0, "duplicate": 0,
        "quarantined": 1, "suppressed": 0, "consent_filtered": 0, "expired": 0,
        "written": {"quarantine": 1, "records": 1},
    }  # fmt: skip
    web = step["summary"]["flow"]["web"]
    assert web["written"] == {"events": 1, "quarantine": 1, "records (subjects)": 1}
    wrote = {name: one["rows"] for name, one in step["summary"]["wrote"].items()}
    assert (wrote["records"], wrote["events"], wrote["quarantine"]) == (2, 1, 2)
    assert {line["event"] for line in lines} >= {
        "run began",
        "step began",
        "source taken in",
        "step ended",
        "run ended",
    }
    (source,) = [line for line in lines if line["event"] == "source taken in" and line["source"] == "crm"]
    assert (source["run"], source["run_id"], source["step"], source["accepted"]) == (row.number, row.id, "ingest", 1)


def _events(root: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (root / "state/lineage.ndjson").read_text().splitlines()]
    validator = jsonschema_rs.Draft202012Validator(run_event_schema())
    for event in events:
        validator.validate(event)
    return events


def _tells_the_lineage(events: list[dict[str, Any]]) -> None:
    assert [(event["eventType"], event["job"]["name"]) for event in events] == [
        ("START", "ingest"), ("START", "ingest.ingest"), ("COMPLETE", "ingest.ingest"), ("COMPLETE", "ingest"),
    ]  # fmt: skip
    done = events[2]
    assert done["run"]["facets"]["parent"]["run"]["runId"] == events[0]["run"]["runId"]
    given = {one["name"].rpartition("/data/")[2]: one for one in done["inputs"]}
    assert given["crm/*.csv"]["inputFacets"]["dataQualityMetrics"]["rowCount"] == 2
    assert "email" in {field["name"] for field in given["crm/*.csv"]["facets"]["schema"]["fields"]}
    made = {one["name"].rpartition("/")[2]: one for one in done["outputs"]}
    assert made["records"]["outputFacets"]["outputStatistics"]["rowCount"] == 2
    fields = made["records"]["facets"]["columnLineage"]["fields"]
    assert [one["field"] for one in fields["identifiers.email"]["inputFields"]] == ["email", "traits.email"]


def _holds_nobody(**texts: str) -> None:
    found = [(name, one) for name, text in texts.items() for one in PLANTED if one in text.lower()]
    assert found == []
