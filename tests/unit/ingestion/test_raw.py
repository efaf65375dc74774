"""What is still there of what came: files by the bytes that were read, segments by the moments of their events."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from sqlalchemy import Engine

from infra.database import open_database
from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.again.raw import raw_of
from ingestion.again.span import Span
from ingestion.config import load_sources
from ingestion.model import Account, SourceFile
from ingestion.store import METADATA, Books, Taken
from ingestion.survey import survey
from ingestion.tables import LANDED

START = datetime(2026, 10, 31, 9, tzinfo=UTC)
WEB = "source: web\nconnector: {type: collector}\nidentifiers: {cookie: anonymousId}\n"
MILLIS = round(START.timestamp() * 1000)


@pytest.fixture
def engine() -> Engine:
    return open_database("sqlite://", METADATA)


@pytest.fixture
def read(engine: Engine) -> Callable[..., None]:
    """Return what writes down that a run read files."""

    def write(run: str, hour: int, source: str, *files: SourceFile) -> None:
        books = Books(engine, run)
        books.plan(source, files)
        accounts = [Account(source, file.path, read=file.units, accepted=file.units) for file in files]
        books.close([Taken(source, files, (), "d")], accounts, [], restrictions="", at=START + timedelta(hours=hour))

    return write


def within(first: float, last: float) -> Span:
    return Span(START + timedelta(hours=first), START + timedelta(hours=last))


def test_a_file_came_when_these_bytes_were_read_first(declare: Any, engine: Engine, read: Callable[..., None]) -> None:
    workspace: Workspace = declare()
    (crm,) = load_sources(workspace)
    folder = workspace.root / "data/crm"
    folder.mkdir(parents=True)
    header = ",".join(crm.columns()) + "\n"
    for name in ("a", "b", "c"):
        (folder / f"{name}.csv").write_text(header + f"{name},2026-01-01,,,,,\n")
    a, b, _ = survey(workspace.root, crm, crm.connector)  # type: ignore[arg-type]
    read("r0", 0, "crm", a)
    read("r1", 1, "crm", b)
    read("r5", 5, "crm", a, b)
    found = raw_of(workspace, engine, crm, within(0, 1))
    assert ([file.path for file in found.files], found.waiting) == (["data/crm/a.csv"], 1)
    assert found.moments == {"data/crm/a.csv": (START, START + timedelta(hours=5))}
    assert raw_of(workspace, engine, crm, within(2, 9)).rows == 0
    (folder / "a.csv").write_text(header + "a,2026-02-02,,,,,\n")
    (folder / "b.csv").unlink()
    found = raw_of(workspace, engine, crm, within(0, 9))
    assert (found.files, found.rows_gone, [gone.file for gone in found.gone]) == ((), 2, [a.path, b.path])
    assert any("2 raw rows in 2 files" in text for text in found.lines())
    for path in folder.glob("*"):
        path.unlink()
    assert raw_of(workspace, engine, crm, within(0, 9)).rows_gone == 2


def entry(second: float, **more: Any) -> bytes:
    at = (START + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return line(json.dumps({"r": at, "m": "m", "e": {}, **more}).encode())


def test_events_came_when_they_were_received(declare: Any, engine: Engine, read: Callable[..., None]) -> None:
    workspace: Workspace = declare(WEB)
    (web,) = load_sources(workspace)
    spool = workspace.log_path
    names = [f"{MILLIS + 1000 * second}-0000000a.ndjson" for second in (0, 60, 120)]
    listed = line(b'{"l":[{"messageId":"a"},{"messageId":"b"}],"r":"2026-10-31T09:00:30.000Z"}')
    kept = spool / ".kept/web"
    for folder in (kept, spool / "web"):
        folder.mkdir(parents=True)
    (kept / names[0]).write_bytes(entry(0) + listed + b'{"c":"00000000","e":{}}\n' + entry(59, v="suppressed", k="t"))
    (spool / "web" / names[1]).write_bytes(entry(60))
    (spool / "web" / names[2]).write_bytes(entry(120))
    taken = [SourceFile(f"state/spool/web/{name}", 1, "s", units) for name, units in zip(names, (5, 1), strict=False)]
    lost = SourceFile(f"state/spool/web/{MILLIS - 5000}-0000000b.ndjson", 1, "s", 7)
    read("r0", 1, "web", *taken, lost)
    found = raw_of(workspace, engine, web, within(0, 1))
    assert [(Path(file.path).name, file.units) for file in found.files] == [(names[0], 5), (names[1], 1)]
    assert (found.rows_gone, found.waiting) == (0, 1)
    # a replay's own reading of a kept file is no arrival
    read("r9", 9, "web", *found.files)
    early = raw_of(workspace, engine, web, Span(START - timedelta(seconds=9), START + timedelta(seconds=31)))
    assert [(Path(file.path).name, file.units) for file in early.files] == [(names[0], 4)]
    assert [(gone.rows, gone.at) for gone in early.gone] == [(7, START - timedelta(seconds=5))]


def test_entries_of_a_topic_came_when_they_were_received(
    declare: Any, engine: Engine, read: Callable[..., None]
) -> None:
    workspace: Workspace = declare(WEB)
    (workspace.root / "kindred.yaml").write_text("name: shop\nlog: {type: kafka}\n")
    workspace = Workspace.open(workspace.root)
    (web,) = load_sources(workspace)
    assert raw_of(workspace, engine, web, within(0, 9)).rows == 0
    moments = [(0, 0), (0, 30), (1, 59), (2, 10)]
    rows = [
        {"source": source, "epoch": 1, "landing": landing, "part": 0, "place": place, "landed_at": START}
        | {"body": json.dumps({"r": (START + timedelta(minutes=minute)).isoformat(), "m": "m", "e": {}})}
        for source in ("web", "shop")
        for place, (landing, minute) in enumerate(moments)
    ]
    write_deltalake(str(workspace.lake_path / LANDED.name), pa.Table.from_pylist(rows))
    lost, first, second = (SourceFile(f"topic/web/0001-{n:09d}", 0, f"landed {n}", n) for n in (7, 0, 1))
    read("r0", 0, "web", lost, first, second)
    found = raw_of(workspace, engine, web, within(0, 0.75))
    assert [(file.path, file.units) for file in found.files] == [("topic/web/0001-000000000", 2)]
    assert ([gone.file for gone in found.gone], found.waiting, found.streamed) == ([lost.path], 1, True)
    assert found.moments == {"topic/web/0001-000000000": (START,)}
