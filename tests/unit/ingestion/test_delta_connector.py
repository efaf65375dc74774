"""A Delta table by its changes: inserts, updates and deletions in order; expired ones are told with the remedy."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from infra.workspace import Workspace
from ingestion.connectors import delta
from ingestion.connectors.declared import Delta
from ingestion.errors import ChangesGone, ConnectorMalformed

FEED = {"delta.enableChangeDataFeed": "true"}


class Table:
    def __init__(self, loads: Any, path: Path) -> None:
        self.loads, self.path = loads, path

    def write(self, rows: dict[str, list[Any]], **more: Any) -> None:
        write_deltalake(self.path, pa.table(rows), **more)

    def land(self, again: str | None = None, path: str = "lake/people", spark: Any = None) -> list[tuple[Any, ...]]:
        declared = Delta.model_validate({"type": "delta", "path": path, "again": again})
        (self.loads.root / "kindred.yaml").write_text("name: shop\n")
        workspace = Workspace.open(self.loads.root)
        rows = self.loads.load(lambda landing: delta.land(landing, declared, workspace, spark), again)
        return [(row["_change_type"], row["_commit_version"], row["id"], row.get("n")) for row in rows]


@pytest.fixture
def table(loads: Any, tmp_path: Path) -> Table:
    return Table(loads, tmp_path / "lake" / "people")


def test_the_table_first_and_then_what_changed(table: Table) -> None:
    table.write({"id": [1], "n": ["z"]}, configuration=FEED)
    table.write({"id": [2], "n": ["b"]}, mode="append")
    assert sorted(table.land()) == [("insert", 1, 1, "z"), ("insert", 1, 2, "b")]
    assert table.land() == []
    opened = DeltaTable(table.path)
    opened.update({"n": "'c'"}, predicate="id = 1")
    opened.delete("id = 2")
    opened.optimize.compact()
    assert table.land() == [("update_postimage", 2, 1, "c"), ("delete", 3, 2, "b")]
    table.write({"id": [1, 3], "n": ["c", "d"]}, mode="overwrite")
    found = table.land()
    assert found[0] == ("delete", found[0][1], 1, "c"), "what is written anew in one version is there afterwards"
    assert sorted(row[2:] for row in found[1:]) == [(1, "c"), (3, "d")]
    table.write({"id": [4], "v": [True]}, mode="append", schema_mode="merge")
    assert [row[2] for row in table.land()] == [4]
    assert "crm: new columns: v; map them in its YAML if they are wanted" in table.loads.said


def test_moments_and_numbers_are_spelled_as_others_spell_them(table: Table) -> None:
    at = pa.array([1_700_000_000_000_000], pa.timestamp("us", "UTC"))
    price = pa.array([None], pa.decimal128(5, 2))
    table.write({"id": [5.0], "at": at, "price": price, "who": [{"a": [b"x"]}]})  # type: ignore[dict-item]
    table.land()
    (line,) = table.loads.lines()
    assert b'"id":5,"at":"2023-11-14T22:13:20+00:00","price":null,"who":{"a":["eA=="]}' in line
    assert b'"_commit_timestamp":"20' in line


def test_without_a_feed_what_was_added_lands_and_deletions_are_told_to_be_unseen(table: Table) -> None:
    table.write({"id": [1, 2], "n": ["a", "b"]})
    assert len(table.land()) == 2
    table.write({"id": [3], "n": ["c"]}, mode="append")
    DeltaTable(table.path).delete("id = 1")
    assert [row[2] for row in table.land()] == [3, 2], "the rest of a file that was written anew comes again"
    assert any("no change feed: deletions are not seen" in said for said in table.loads.said)


def test_changes_that_are_gone_are_told_and_may_be_given_up(table: Table) -> None:
    table.write({"id": [1, 2], "n": ["a", "b"]}, configuration=FEED)
    table.land()
    DeltaTable(table.path).update({"n": "'jane.doe@example.org'"}, predicate="id = 1")
    table.write({"id": [9], "n": ["x"]}, mode="append")
    for file in (table.path / "_change_data").glob("*"):
        file.unlink()
    for _ in range(2):
        with pytest.raises(ChangesGone, match=r"version 1 of lake/people cannot be read .*connector.again") as caught:
            table.land()
        assert "jane" not in str(caught.value)
    assert sorted(row[2] for row in table.land(again="2026-11-02")) == [1, 2, 9]
    assert table.land(again="2026-11-02") == []


def test_another_table_in_its_place_is_not_taken_for_it(table: Table, tmp_path: Path) -> None:
    table.write({"id": [1], "n": ["a"]}, configuration=FEED)
    table.land()
    table.path.rename(tmp_path / "old")
    table.write({"id": [2], "n": ["a"]}, configuration=FEED)
    table.write({"id": [3], "n": ["a"]}, mode="append")
    with pytest.raises(ChangesGone, match="is another table"):
        table.land()
    with pytest.raises(ConnectorMalformed, match="lake/nothing is no Delta table"):
        table.land(path="lake/nothing")


@pytest.mark.spark
def test_what_deletion_vectors_hide_is_gone_and_nothing_else(table: Table, spark: Any) -> None:
    at = table.path.as_posix()
    spark.sql(
        f"CREATE TABLE delta.`{at}` (id INT, n STRING, d DOUBLE) USING delta "
        "TBLPROPERTIES ('delta.enableDeletionVectors' = true, 'delta.enableChangeDataFeed' = true)"
    )
    spark.sql(f"INSERT INTO delta.`{at}` VALUES (1, 'a', 5.0), (2, 'b', 2.5), (3, 'c', NULL)")
    spark.sql(f"DELETE FROM delta.`{at}` WHERE id = 2")
    assert sorted(row[2] for row in table.land(spark=spark)) == [1, 3]
    assert any(b'"d":"5"' in line for line in table.loads.lines())
    spark.sql(f"DELETE FROM delta.`{at}` WHERE id = 3")
    spark.sql(f"UPDATE delta.`{at}` SET n = 'z' WHERE id = 1")
    assert [(row[0], row[2]) for row in table.land(spark=spark)] == [("delete", 3), ("update_postimage", 1)]
    spark.sql(f"INSERT OVERWRITE delta.`{at}` VALUES (1, 'z', 5.0)")
    assert [(row[0], row[2]) for row in table.land(spark=spark)] == [("delete", 1), ("insert", 1)]
    assert table.land(spark=spark) == []
    assert b"+00:00" in table.loads.lines()[-1]
