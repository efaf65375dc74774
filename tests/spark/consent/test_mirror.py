"""The job `mirror`: from the inbox to the ledger to the mirror, once, wherever it is killed, and without a leak."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consent import store
from consent.errors import MirrorIncomplete
from consent.intake import mirrored_through
from consent.jobs import mirror
from consent.leaks import lint
from consent.store import METADATA, Said
from consent.tables import CONSENT_EVENT, CONSENT_INBOX, TABLES
from infra.database import open_database
from infra.ids import Token
from infra.lake import Lake
from infra.runtime import RunInfo, Runtime
from infra.workspace import Workspace

pytestmark = pytest.mark.spark

AT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


def inbox(number: int, **facts: Any) -> tuple[Any, ...]:
    row: dict[str, Any] = {
        "source": "consents", "event_id": f"e{number}", "kind": "email", "token": f"1:token-{number % 40:04d}",
        "purpose": "personalization", "action": "given", "mechanism": None, "jurisdiction": "us-oh",
        "notice": "terms@2", "channel": None, "occurred_at": AT, "expires_at": None,
        "received_at": AT + timedelta(hours=1), "batch": 1,
    } | facts  # fmt: skip
    return tuple(row[column.name] for column in CONSENT_INBOX.columns())


@pytest.fixture
def world(workspace: Workspace, spark: Any) -> Any:
    database = open_database(workspace, METADATA)
    lines: list[str] = []

    def runtime(number: int) -> Runtime:
        lake = Lake(spark, workspace.lake_path, number, {})
        run = RunInfo(f"r{number}", number, AT + timedelta(hours=2), f"salt{number}", {})
        return Runtime(workspace, lake, database, run, lines.append)

    yield runtime
    database.dispose()


def deliver(runtime: Runtime, *rows: tuple[Any, ...], part: str = "consents") -> None:
    lake = runtime.lake
    lake.ensure(TABLES)
    lake.append(CONSENT_INBOX, lake.spark.createDataFrame(list(rows), lake.schema(CONSENT_INBOX)), part)


def mirrored(runtime: Runtime) -> dict[str, Any]:
    return {row["id"]: row for row in runtime.lake.read(CONSENT_EVENT).collect()}


def test_the_inbox_reaches_the_mirror_once(world: Callable[[int], Runtime], workspace: Workspace) -> None:
    first = world(1)
    deliver(first, *[inbox(n) for n in range(100)], inbox(0))
    assert mirror(first, {}) == {"new": 100, "entries": 100}
    rows = mirrored(first)
    assert len(rows) == 100
    row = next(iter(rows.values()))
    told = (row["mechanism"], row["jurisdiction"], row["notice_id"], row["notice_version"], row["controller"])
    assert told == ("import", "US-OH", "terms", "2", "self")
    tokens = {row["token"]: row["sid"] for row in rows.values()}
    assert len(tokens) == len(set(tokens.values())) == 40
    late = first.lake.read(CONSENT_EVENT).selectExpr("min(unix_micros(occurred_at)) as at").first()
    assert late is not None
    assert late["at"] == int(AT.timestamp()) * 1_000_000

    version = first.lake.versions(TABLES)
    assert mirror(world(2), {}) == {"new": 0, "entries": 100}
    assert first.lake.versions(TABLES) == version, "nothing new was said, so nothing is written"

    second = world(3)
    deliver(second, inbox(200, action="withdrawn", batch=3))
    deliver(second, inbox(201, batch=3), part="other")
    assert mirror(second, {})["new"] == 2
    assert len(mirrored(second)) == 102
    assert not list((workspace.state_path / "work").iterdir())

    report = lint(workspace.lake_path, TABLES, [row["token"] for row in rows.values()] + ["e0-consents"])
    assert report.clean, list(report.lines())


def test_a_word_from_the_desk_reaches_the_next_mirror(world: Callable[[int], Runtime]) -> None:
    first = world(1)
    deliver(first, inbox(1))
    mirror(first, {})
    entry = store.history(first.database, [Token("1:token-0001")])[0]
    store.append(first.database, [Said(Token("1:desk"), replace(entry, id="desk"))], store.secret_sid)
    assert len(mirrored(first)) == 1
    assert mirror(first, {})["entries"] == 2
    assert len(mirrored(first)) == 1, "a run has one mirror, however often it is resumed"
    mirror(world(2), {})
    assert set(mirrored(first)) > {"desk"}
    assert mirrored_through(first.database) == 2


class Losing(Lake):
    """A lake that loses a row on the way."""

    def overwrite(self, table: Any, frame: Any, part: str = "") -> None:
        super().overwrite(table, frame.limit(frame.count() - 1), part)


def test_a_mirror_that_lost_an_entry_stops_the_run_and_the_next_has_it(world: Callable[[int], Runtime]) -> None:
    first = world(1)
    deliver(first, *[inbox(n) for n in range(3)])
    losing = replace(first, lake=Losing(first.lake.spark, first.lake.root, 1, {}))
    with pytest.raises(MirrorIncomplete, match="told 3 entries, but its mirror holds 2"):
        mirror(losing, {})
    assert not list((first.workspace.state_path / "work").iterdir())
    mirror(world(2), {})
    assert len(mirrored(first)) == 3


@pytest.mark.parametrize("step", ["advance", "overwrite", "overwritten", "remember"])
def test_killed_anywhere_it_ends_the_same_when_it_is_run_again(
    world: Callable[[int], Runtime], workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    def write_and_die(*arguments: Any) -> None:
        write(*arguments)
        raise Killed

    runtime = world(1)
    write = Lake.overwrite
    deliver(runtime, *[inbox(n) for n in range(50)])
    target, name, deadly = {
        "advance": ("consent.intake", "advance", die),
        "overwrite": ("infra.lake.Lake", "overwrite", die),
        "overwritten": ("infra.lake.Lake", "overwrite", write_and_die),
        "remember": ("consent.jobs", "remember_mirror", die),
    }[step]
    monkeypatch.setattr(f"{target}.{name}", deadly)
    with pytest.raises(Killed):
        mirror(runtime, {})
    monkeypatch.undo()
    # Somebody speaks between the crash and the second try: the run's mirror is that of the first try, or knows it.
    entry = store.history(runtime.database, [Token("1:token-0001")])[0]
    store.append(runtime.database, [Said(Token("1:desk"), replace(entry, id="desk"))], store.secret_sid)
    mirror(world(1), {})
    held = set(mirrored(runtime))
    assert len(held - {"desk"}) == 50
    assert mirrored_through(runtime.database) == len(held)
    mirror(world(2), {})
    assert len(mirrored(runtime)) == store.entries(runtime.database) == 51
    assert not list((workspace.state_path / "work").iterdir())


def test_a_lake_that_was_emptied_gets_its_mirror_again(world: Callable[[int], Runtime]) -> None:
    first = world(1)
    deliver(first, inbox(1))
    mirror(first, {})
    shutil.rmtree(first.workspace.lake_path / CONSENT_EVENT.name)
    mirror(world(2), {})
    assert len(mirrored(first)) == 1
