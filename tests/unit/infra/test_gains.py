"""What a table gained is read from its log and counted in the files of the very writes, whoever else wrote."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from infra import gains


def write(table: Path, app: str | None, number: int, *sources: str, mode: str = "append") -> None:
    marks = CommitProperties(app_transactions=[Transaction(app, number)]) if app else None
    rows = pa.table({"source": list(sources), "kind": ["person"] * len(sources)})
    write_deltalake(table, rows, mode=mode, commit_properties=marks)  # type: ignore[call-overload]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    table = tmp_path / "lake" / "records"
    write(table, None, 0, "crm", "crm")
    write(table, "records/ingest", 1, "crm", "web", "web")
    write(table, "records/ingest", 2, "crm")
    write(table, "records/other", 2, "web")
    return table


def test_rows_are_those_of_the_run_and_part_alone(table: Path) -> None:
    assert gains.rows_of(table, "records/ingest", 1, -1, ["source"]) == {("crm",): 1, ("web",): 2}
    assert gains.rows_of(table, "records/ingest", 2, 1, ["source", "kind"]) == {("crm", "person"): 1}
    assert gains.rows_of(table, "records/ingest", 3, -1, ["source"]) == {}


def test_the_log_is_read_from_a_version_on(table: Path) -> None:
    assert gains.rows_of(table, "records/ingest", 1, 1, ["source"]) == {}
    assert [commit.version for commit in gains.commits(table, 1)] == [2, 3]


def test_a_table_that_is_not_there_gained_nothing(tmp_path: Path) -> None:
    assert gains.rows_of(tmp_path / "none", "none/ingest", 1, -1, ["source"]) == {}
    assert gains.heads(tmp_path / "none") == {}
    assert gains.writes(tmp_path / "none", {}) == {}


def test_files_that_were_replaced_since_still_tell_what_came(table: Path) -> None:
    DeltaTable(table).optimize.compact()
    assert gains.rows_of(table, "records/ingest", 1, -1, ["source"]) == {("crm",): 1, ("web",): 2}


def test_the_newest_versions_are_told_by_the_log(table: Path) -> None:
    DeltaTable(table).create_checkpoint()
    assert gains.heads(table.parent) == {"records": 3}
