"""A write happens once a run, has its declared shape, and leaves no person in the log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pyspark.sql import functions as f

from infra import shelf
from infra.columns import birth_id
from infra.errors import Broken
from infra.ids import birth_id as birth_id_in_python
from infra.lake import Lake
from infra.tables import PERSONAL, Table


@dataclass
class Row:
    key: str
    email: Annotated[str | None, PERSONAL]


TABLE = Table("sample", Row, ("key",))


@dataclass
class Part:
    name: str
    at: int | None


@dataclass
class Grown:
    key: str
    email: Annotated[str | None, PERSONAL]
    parts: list[Part]
    since: int | None


@dataclass
class PartBefore:
    name: str


@dataclass
class Before:
    key: str
    email: Annotated[str | None, PERSONAL]
    parts: list[PartBefore]


def test_what_replaces_all_rows_brings_the_columns_that_are_declared_since(spark: Any, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    before, now = (Table("sample", row, ("key",), merged=True) for row in (Before, Grown))
    first = Lake(spark, root, 1, {})
    first.ensure([before])
    first.append(before, spark.createDataFrame([("a", None, [("x",)])], first.schema(before)))
    second = Lake(spark, root, 2, shelf.newest_versions(root))
    second.overwrite(now, spark.createDataFrame([("b", None, [("y", 3)], 7)], second.schema(now)))
    found = [row for batch in shelf.batches(root, now) for row in batch.to_pylist()]
    assert found == [{"key": "b", "email": None, "parts": [{"name": "y", "at": 3}], "since": 7}]
    assert second.read_base(before).first()["key"] == "a"
    third = Lake(spark, root, 3, shelf.newest_versions(root))
    third.append(now, spark.createDataFrame([("c", None, [], None)], third.schema(now)))
    assert third.read(now).count() == 2


def test_a_write_happens_once_a_run(spark: Any, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    rows = spark.createDataFrame([("a", "ann@example.org"), ("b", None)], "key string, email string")
    first = Lake(spark, root, 1, {})
    first.ensure([TABLE])
    for _ in range(3):
        first.append(TABLE, rows)
        first.append(TABLE, rows, part="other")
    assert first.read(TABLE).count() == 4
    assert first.read_base(TABLE).count() == 0
    second = Lake(spark, root, 2, shelf.newest_versions(root))
    second.overwrite(TABLE, rows)
    second.overwrite(TABLE, rows.limit(0))
    assert second.read(TABLE).count() == 2
    assert second.read_base(TABLE).count() == 4
    assert shelf.newest_versions(root) == {"sample": shelf.version(root, TABLE)}
    assert sorted(row["key"] for batch in shelf.batches(root, TABLE) for row in batch.to_pylist()) == ["a", "b"]
    for file in (root / "sample" / "_delta_log").rglob("*"):
        assert file.is_dir() or b"ann@example.org" not in file.read_bytes()
    with pytest.raises(Broken, match="email: absent"):
        second.append(TABLE, rows.drop("email"))
    with pytest.raises(Broken, match="more: not declared"):
        second.append(TABLE, rows.withColumn("more", f.lit(1)))


def test_births_are_the_same_in_both_tongues(spark: Any) -> None:
    pairs = [("crm", "ä|1"), ("web", ""), ("", "x"), ("tills", "loyalty:42")]
    rows = spark.createDataFrame(pairs, "source string, key string")
    found = [row[0] for row in rows.select(birth_id("salt", f.col("source"), f.col("key"))).collect()]
    assert found == [birth_id_in_python("salt", source, key) for source, key in pairs]


def test_what_was_taken_back_stays_gone_when_later_runs_change_nothing(spark: Any, tmp_path: Path) -> None:
    """A run's number stands on every table that it has left in order, or an older run's would be taken for it."""
    root = tmp_path / "lake"
    table = Table("sample", Row, ("key",), merged=True)

    def lake(number: int) -> Lake:
        return Lake(spark, root, number, shelf.newest_versions(root))

    lake(1).ensure([table])
    lake(1).append(table, spark.createDataFrame([("good", None)], lake(1).schema(table)))
    lake(2).append(table, spark.createDataFrame([("dead", None)], lake(2).schema(table)))
    for number, ended in ((3, 1), (4, 3)):
        mine = lake(number)
        version = mine.settled(table, ended)
        assert version is not None
        if version != shelf.version(root, table):
            mine.take_back(table, version)
        mine.append(table, mine.empty(table))
        assert shelf.reader(root, table).read_all().to_pylist() == [{"key": "good", "email": None}]
