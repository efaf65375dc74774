"""`kindred drift` and the ages that `kindred check` tells: read from the books, without an engine."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ingestion.store
from api.cli.drifting import stale
from api.cli.main import app
from api.cli.scaffold import write_workspace
from infra.database import open_database, writing
from infra.workspace import Workspace
from ingestion.drift.compare import Drawn
from ingestion.drift.evolution import Recorded
from ingestion.drift.profile import Profile
from ingestion.drift.store import Load, write

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
AT = datetime(2026, 11, 1, 4, tzinfo=UTC)
TILLS = """source: tills
connector: {type: files, path: data/*.csv, format: csv}
record: event
key: id
occurred_at: at
event: {type: "=purchase"}
identifiers: {loyalty: card}
properties: [store, amount]
expect: {freshness: {warn_after: 26h}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_workspace(tmp_path)
    (tmp_path / "sources/tills.yaml").write_text(TILLS)
    return tmp_path


@pytest.fixture
def loaded(shop: Path) -> Path:
    columns = {
        "store": Profile(200, 100, {"text": 100}, 3, 2),
        "amount": Profile(200, 200, {"integer": 150, "number": 50}, 180, 4, 0.5, 4200.0),
        "sold_on": Profile(200, 200, {"date": 200}, 2, 10, 1_790_000_000.0, 1_790_086_400.0),
    }
    moved = ({"column": "store", "told": "empty 50%, before 1%"}, {"column": "gone", "told": "empty 100%, before 0%"})
    load = Load("tills", "r3", 3, AT, 5000, False, Drawn(200, AT, columns), moved)
    recorded = [
        Recorded("store", "text", 1, 3, 100),
        Recorded("sold_on", "date", 3, 3, 200, proposal="properties: [sold_on]\ncontract: {sold_on: {type: date}}"),
    ]
    database = open_database(Workspace.open(shop), ingestion.store.METADATA)
    with writing(database) as connection:
        write(connection, load, recorded)
        told = {"source": "tills", "surveyed": 1, "read": 1, "written": {}, "arrived_at": AT, "told_at": AT}
        connection.execute(ingestion.store.FLOW.insert().values(run_id="r3", **told))
    database.dispose()
    return shop


def run(shop: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "-w", str(shop)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_a_load_is_shown_by_column_with_what_moved_and_what_is_new(loaded: Path) -> None:
    told = run(loaded, "drift")
    assert "tills: run 3 of 2026-11-01 04:00Z, 5,000 rows, 200 sampled; 1 loads known" in told
    lines = {line.split()[0]: line for line in told.splitlines() if line}
    assert lines["store"].strip().split(maxsplit=4) == ["store", "text", "50%", "3", "empty 50%, before 1%"]
    assert "integer 75%, number 25%" in lines["amount"]
    assert lines["amount"].split()[-2:] == ["0.5", "4,200"]
    assert "2026-09-21" in lines["sold_on"]
    assert "empty 100%, before 0%" in lines["gone"]
    assert "# sources/, tills: sold_on (date), first seen in run 3; to take it in:\nproperties: [sold_on]" in told
    assert "now: freshness warn: the newest row is of 2026-11-01 04:00Z" in told or "now:" not in told


def test_machines_are_told_the_same(loaded: Path) -> None:
    (tills,) = json.loads(run(loaded, "drift", "tills", "--json"))
    assert tills["newest"] == "2026-11-01T04:00:00+00:00"
    assert tills["loads"][0]["columns"]["amount"]["kind"] == "number"
    assert [column["name"] for column in tills["columns"]] == ["store", "sold_on"]


def test_what_never_loaded_is_told_and_an_unknown_source_is_an_error(shop: Path) -> None:
    assert "tills: no load yet" in run(shop, "drift")
    assert json.loads(run(shop, "drift", "--json"))[0]["loads"] == []
    assert not (shop / "state").exists()  # only looking makes nothing
    result = CliRunner().invoke(app, ["drift", "tils", "-w", str(shop)])
    assert result.exit_code == 3


def test_a_check_tells_the_age_of_what_is_too_old_and_stays_sound(loaded: Path) -> None:
    place = Workspace.open(loaded)
    assert list(stale(place, AT + timedelta(hours=20))) == []
    old = "tills: freshness warn: the newest row is of 2026-11-01 04:00Z, 30 h old; at most 26 h is expected"
    assert list(stale(place, AT + timedelta(hours=30))) == [old]
    assert run(loaded, "check").startswith("sound: ")


def test_anyway_is_for_one_load_of_named_sources(shop: Path) -> None:
    result = CliRunner().invoke(app, ["ingest", "--anyway", "-w", str(shop)])
    assert result.exit_code == 2
    assert "kindred ingest crm --anyway" in result.output
