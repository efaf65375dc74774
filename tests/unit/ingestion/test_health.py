"""How a source is, from books, folders and the lake's log: fresh, waiting, rejected; nothing of it needs a JVM."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from deltalake import write_deltalake

import ingestion.store
from infra import runs
from infra.database import open_database
from infra.runs import Runs, Step
from infra.workspace import Workspace
from ingestion.config import load_sources
from ingestion.drift.look import too_old
from ingestion.drift.store import history
from ingestion.flow import Flow
from ingestion.health import VERDICTS, Clinic, SourceHealth, Waiting
from ingestion.model import Account, SourceFile
from ingestion.store import Books, Taken

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
IDENTITY = "identifiers: {email: {normaliser: email}}\n"
SOURCES = {
    "crm": "connector: {type: files, path: data/crm/*.csv, format: csv}\nrecord: person\nkey: id\n",
    "web": "connector: {type: collector}\nidentifiers: {email: traits.email}\n",
    "orders": "connector: {type: python, path: own.py}\nrecord: catalogue\nkey: id\n",
}


@dataclass
class Shop:
    """A workspace with its books, runs and folders in the test's hands."""

    workspace: Workspace
    database: sa.Engine
    clinic: Clinic
    now: list[datetime] = field(default_factory=lambda: [NOW])

    @property
    def runs(self) -> Runs:
        return Runs(self.database, lambda: self.now[0])

    def source(self, name: str) -> SourceHealth:
        return next(one for one in self.clinic.health(NOW).sources if one.source == name)

    def write(self, path: str, text: str, at: datetime = NOW) -> Path:
        file = self.workspace.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (at.timestamp(), at.timestamp()))
        return file

    def run(self, source: str, *files: Path, flow: Flow | None = None, **counts: int) -> int:
        """Take files in as the job does, and return the run's number."""
        run_id = self.runs.submit("ingest", {"source": source})
        row = self.runs.begin_next({}, None)
        assert row is not None
        books, root = Books(self.database, run_id), self.workspace.root
        surveyed = [
            SourceFile(f.relative_to(root).as_posix(), f.stat().st_size, hashlib.sha256(f.read_bytes()).hexdigest(), 1)
            for f in files
        ]
        books.plan(source, surveyed)
        accounts = [Account(source, file.path, **counts) for file in surveyed]
        books.close(
            [Taken(source, tuple(surveyed), (), "d")],
            accounts,
            [],
            restrictions="",
            at=NOW,
            flows=[flow] if flow else [],
        )
        self.runs.record_step(run_id, Step("ingest", 1.5, {}))
        self.runs.finish(run_id)
        return int(row.number)

    def fail(self, job: str, *steps: str) -> None:
        run_id = self.runs.submit(job, {})
        self.runs.begin_next({}, None)
        for step in steps:
            self.runs.record_step(run_id, Step(step, 1.0, {}))
        self.runs.finish(run_id, error="no", exit_code=1)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    (tmp_path / "identity.yaml").write_text(IDENTITY)
    (tmp_path / "sources").mkdir()
    for name, text in SOURCES.items():
        (tmp_path / "sources" / f"{name}.yaml").write_text(f"source: {name}\n{text}")
    workspace = Workspace.open(tmp_path)
    database = open_database(workspace, ingestion.store.METADATA, runs.METADATA)
    yield Shop(workspace, database, Clinic(workspace, database))
    database.dispose()


def test_of_a_new_workspace_everything_is_told_as_nothing(shop: Shop) -> None:
    health = shop.clinic.health(NOW)
    assert [one.source for one in health.sources] == ["crm", "orders", "web"]
    for one in health.sources:
        assert (one.arrived_at, one.told_at, one.run, one.rows, one.quarantined) == (None, None, None, 0, 0)
        assert one.waiting == Waiting()
        assert one.verdicts == dict.fromkeys(VERDICTS, 0)
    assert (health.runs.seconds, health.runs.failures, health.runs.tries) == (None, 0, 0)


def test_the_books_tell_when_rows_came_and_what_became_of_them(shop: Shop) -> None:
    old = Flow("crm", 3, 3, {}, NOW - timedelta(days=2), NOW - timedelta(days=3))
    shop.run("crm", shop.write("data/crm/a.csv", "id\n1\n"), flow=old, read=3, accepted=2, quarantined=1)
    new = Flow("crm", 2, 2, {}, NOW - timedelta(hours=1), NOW - timedelta(days=9))
    last = shop.run("crm", shop.write("data/crm/b.csv", "id\n2\n"), flow=new, read=2, duplicate=2)
    shop.run("orders")
    crm = shop.source("crm")
    assert (crm.arrived_at, crm.told_at) == (NOW - timedelta(hours=1), NOW - timedelta(days=3))
    assert (crm.run, crm.run_at, crm.rows) == (last, NOW, 2)
    assert (crm.verdicts["accepted"], crm.verdicts["duplicate"], crm.verdicts["quarantined"]) == (2, 2, 1)
    assert (shop.source("orders").run, shop.source("orders").rows) == (last + 1, 0)


def test_a_file_waits_until_its_bytes_are_taken_in(shop: Shop) -> None:
    file = shop.write("data/crm/a.csv", "id\n1\n", NOW - timedelta(hours=2))
    assert shop.source("crm").waiting == Waiting(1, 5, NOW - timedelta(hours=2))
    shop.run("crm", file, read=1, accepted=1)
    assert shop.source("crm").waiting == Waiting()
    shop.write("data/crm/a.csv", "id\n1\n", NOW + timedelta(hours=1))  # written anew, the same
    assert shop.source("crm").waiting == Waiting()
    shop.write("data/crm/a.csv", "id\n2\n", NOW + timedelta(hours=2))
    assert shop.source("crm").waiting.count == 1


def test_segments_wait_sealed_or_open(shop: Shop) -> None:
    begun = round(NOW.timestamp() * 1000)
    taken = shop.write(f"state/spool/web/{begun - 9000:013d}-00000000.ndjson", "x")
    shop.run("web", taken, read=1, accepted=1)
    shop.write(f"state/spool/web/{begun - 5000:013d}-00000001.ndjson", "xx")
    shop.write(f"state/spool/web/{begun - 1000:013d}-00000002.open", "xxx")
    assert shop.source("web").waiting == Waiting(2, 5, NOW - timedelta(seconds=5))
    shop.write(f"state/landing/orders/{begun:013d}-00000003.ndjson", "{}")
    assert shop.source("orders").waiting == Waiting(1, 2, NOW)


def test_entries_of_a_topic_are_unknown_while_no_broker_answers(shop: Shop) -> None:
    page = shop.workspace.root / "kindred.yaml"
    page.write_text("name: shop\nlog: {type: kafka, bootstrap: '127.0.0.1:9'}\n")
    clinic = Clinic(Workspace.open(shop.workspace.root), shop.database)
    web = next(one for one in clinic.health(NOW).sources if one.source == "web")
    assert web.waiting == Waiting(None, None)


def test_rejections_are_counted_anew_only_when_the_lake_changed(shop: Shop) -> None:
    def reject(*hashes: str) -> None:
        rows: dict[str, Any] = {
            "source": ["crm"] * len(hashes), "file": ["a.csv"] * len(hashes), "position": [1] * len(hashes),
            "field": ["dob"] * len(hashes), "rule": ["type"] * len(hashes), "value_class": ["text"] * len(hashes),
            "reason": ["no date"] * len(hashes), "received_at": [NOW] * len(hashes), "batch": [1] * len(hashes),
            "content_hash": list(hashes), "payload": ["{}"] * len(hashes),
        }  # fmt: skip
        write_deltalake(shop.workspace.lake_path / "quarantine", pa.table(rows), mode="append")

    reject("h1", "h2")
    assert shop.source("crm").quarantined == 2
    kept = {file: file.read_bytes() for file in (shop.workspace.lake_path / "quarantine").glob("*.parquet")}
    for file in kept:
        file.unlink()
    assert shop.source("crm").quarantined == 2  # without a look at the rows
    for file, content in kept.items():
        file.write_bytes(content)
    reject("h3")
    assert shop.source("crm").quarantined == 3


def test_failures_are_counted_until_one_takes_in(shop: Shop) -> None:
    shop.run("crm")
    shop.fail("ingest")
    shop.fail("run")
    assert (shop.clinic.runs().failures, shop.clinic.runs().seconds) == (2, 1.5)
    shop.fail("run", "ingest")  # it failed later: what came was taken in
    assert (shop.clinic.runs().failures, shop.clinic.runs().seconds) == (0, 1.0)


def test_a_run_over_which_runners_die_tells_its_tries(shop: Shop) -> None:
    shop.runs.submit("ingest", {})
    for tries in (1, 2, 3):
        shop.runs.begin_next({}, None)
        assert shop.clinic.runs().tries == tries
        shop.runs.requeue_interrupted()


@pytest.mark.parametrize(("rule", "hours", "state"), [
    ("warn_after: 26h", 26, "ok"), ("warn_after: 26h", 27, "late"), ("error_after: 26h", 27, "too late"),
    ("{warn_after: 1h, error_after: 2d}", 49, "too late"), ("{warn_after: 1h, of: arrival}", 27, "late"),
])  # fmt: skip
def test_a_source_is_held_to_the_freshness_that_it_declares(shop: Shop, rule: str, hours: int, state: str) -> None:
    rule = rule if rule.startswith("{") else f"{{{rule}}}"
    declared = f"source: crm\n{SOURCES['crm']}observed_at: at\nexpect: {{freshness: {rule}}}\n"
    (shop.workspace.root / "sources" / "crm.yaml").write_text(declared)
    assert shop.source("crm").lateness(NOW) is None, "what never came is no stale source"
    shop.run("crm", shop.write("data/crm/a.csv", "id\n1\n"), flow=Flow("crm", 1, 1, {}, NOW, NOW), read=1, accepted=1)
    at = NOW + timedelta(hours=hours)
    assert shop.source("crm").lateness(at) == state
    known = history(shop.database, "crm")
    breach = too_old(load_sources(shop.workspace)[0], known.newest, known.arrived, at)
    assert (breach is None) == (state == "ok"), "a run's own check says the same"
    assert shop.source("orders").lateness(at) is None
