"""Rows by JDBC, from the Derby that comes with Spark: what changed, in parts, and no secret told."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import ingestion.store
from infra.database import open_database
from infra.workspace import Workspace
from ingestion.connectors import jdbc
from ingestion.connectors.declared import Jdbc
from ingestion.connectors.landed import Landed, landed
from ingestion.cursors import Cursors
from ingestion.errors import ConnectorMalformed
from ingestion.read import stretch_lines

pytestmark = pytest.mark.spark
DERBY = "org.apache.derby.iapi.jdbc.AutoloadedDriver"


@pytest.fixture
def db(spark: Any, tmp_path: Path) -> Callable[[str], None]:
    """Return what runs a statement in a database in the JVM's memory."""
    manager = spark.sparkContext._jvm.java.sql.DriverManager
    url = f"jdbc:derby:memory:{tmp_path.name};create=true"

    def run(statement: str) -> None:
        connection = manager.getConnection(url)
        connection.createStatement().execute(statement)
        connection.close()

    run("CREATE TABLE people (id BIGINT, name VARCHAR(40), price DECIMAL(20, 2), updated_at TIMESTAMP, seen DATE)")
    return run


@pytest.fixture
def land(spark: Any, tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "kindred.yaml").write_text("name: shop\n")
    workspace = Workspace.open(tmp_path)
    cursors = Cursors(open_database(f"sqlite:///{tmp_path}/k.db", ingestion.store.METADATA))
    said: list[str] = []

    def load(columns: tuple[str, ...] = ("ID",), **more: Any) -> list[dict[str, Any]]:
        url = f"jdbc:derby:memory:{tmp_path.name}"
        declared = {"type": "jdbc", "url": url, "driver": DERBY, "table": "people", "cursor": "UPDATED_AT", **more}
        wanted = Jdbc.model_validate({name: value for name, value in declared.items() if value is not None})
        at = datetime(2026, 11, 1, tzinfo=UTC)
        landing = Landed(workspace.landing_path, "crm", cursors, at=at, say=said.append)
        before = {file.path for file in landed(tmp_path, workspace.landing_path / "crm", ())}
        jdbc.land(landing, wanted, columns, spark, workspace, at)
        files = landed(tmp_path, workspace.landing_path / "crm", before)
        return [json.loads(text) for f in files for s in f.stretches for _, text in stretch_lines(tmp_path / f.path, s)]

    load.said = said  # type: ignore[attr-defined]
    return load


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(row["ID"] for row in rows)


def test_what_changed_lands_and_what_no_cursor_places_too(db: Any, land: Any) -> None:
    db("INSERT INTO people VALUES (1, 'Zo\u00eb', 1234567890123456.10, '2026-01-02 03:04:05.000006', '2026-01-02')")
    db("INSERT INTO people VALUES (2, 'x', NULL, NULL, NULL), (3, 'x', NULL, '2999-01-01 00:00:00', NULL)")
    rows = land()
    assert ids(rows) == [1, 2, 3]
    (row,) = (row for row in rows if row["ID"] == 1)
    assert row["NAME"] == "Zo\u00eb"
    assert row["UPDATED_AT"].startswith("2026-01-02T03:04:05.000006")
    assert row["SEEN"] == "2026-01-02"
    assert land() == []
    db("INSERT INTO people VALUES (4, 'x', NULL, '2026-01-02 03:04:05.000006', NULL)")
    assert 4 in ids(land())
    db("UPDATE people SET name = 'changed' WHERE id = 2")
    assert 2 in ids(land())
    db("INSERT INTO people VALUES (5, 'x', NULL, '2026-02-01 00:00:00', NULL)")
    assert 5 in ids(land())
    assert land() == []
    db("ALTER TABLE people ADD COLUMN vip BOOLEAN")
    land()
    assert "crm: new columns: VIP; map them in its YAML if they are wanted" in land.said


def test_a_first_load_in_parts_has_every_row_once(db: Any, land: Any) -> None:
    values = ", ".join(f"({n}, 'x', NULL, '2026-01-01 00:00:00', NULL)" for n in range(1, 101))
    db(f"INSERT INTO people VALUES {values}, (NULL, 'x', NULL, '2026-01-01 00:00:00', NULL)")
    rows = land(split="ID", parts=3)
    assert sorted(row.get("ID", 0) for row in rows) == list(range(101))
    assert land(split="ID", parts=3) == []
    assert len(land(table=None, query="SELECT id, name FROM people WHERE id < 10", cursor=None)) == 9


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"table": "nobody"}, "JDBC failed"),
        ({"driver": "no.such.Driver"}, "JDBC failed .*ClassNotFound"),
        ({"url": "jdbc:derby:memory:none;password=s3cret"}, "JDBC failed"),
        ({"columns": ("ID", "NAM")}, "column 'NAM' is missing; it has 'NAME'"),
        ({"jar": "no.jar"}, "no.jar is not there"),
    ],
)
def test_what_is_wrong_is_told_without_words_of_the_driver(db: Any, land: Any, change: Any, says: str) -> None:
    db("INSERT INTO people VALUES (1, 'jane.doe', NULL, NULL, NULL)")
    with pytest.raises(ConnectorMalformed, match=says) as caught:
        land(**change)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
