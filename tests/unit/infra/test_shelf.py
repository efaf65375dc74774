"""Which version a run left a table in, as far as the log remembers."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from infra import shelf
from infra.errors import Broken
from infra.tables import Table


@dataclass
class Row:
    key: str


TABLE = Table("sample", Row, ("key",))
APP = "sample/"


def write(lake: Path, number: int) -> None:
    write_deltalake(
        str(lake / TABLE.name),
        pa.table({"key": [f"r{number}"]}),
        mode="append",
        configuration={"delta.logRetentionDuration": "interval 8 days"},
        commit_properties=CommitProperties(app_transactions=[Transaction(APP, number)]),
        post_commithook_properties=None,
    )


def test_the_last_run_up_to_a_number_left_a_version(tmp_path: Path) -> None:
    for number in (1, 3, 3, 7):
        write(tmp_path, number)
    assert [shelf.written(tmp_path, TABLE, APP, until, 3) for until in (0, 1, 2, 3, 6, 7)] == [0, 0, 0, 1, 1, 3]


def test_a_log_that_forgot_the_versions_before_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """A table that was last written before the log's retention is as its oldest version says."""
    for number in range(1, 5):
        write(tmp_path, number)
    log = tmp_path / TABLE.name / "_delta_log"
    for path in log.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    write(tmp_path, 5)
    table = DeltaTable(str(tmp_path / TABLE.name))
    table.create_checkpoint()
    table.cleanup_metadata()
    assert [path.name for path in log.glob("*.json")] == [f"{4:020}.json"]
    assert shelf.written(tmp_path, TABLE, APP, 9, 4) == 4
    with pytest.raises(Broken, match="table sample: a run that never ended wrote it"):
        shelf.written(tmp_path, TABLE, APP, 4, 4)


def test_only_the_log_of_a_table_that_never_was_is_cleared(tmp_path: Path) -> None:
    table = Table("unborn", Row, keys=("name",))
    log = tmp_path / "unborn" / "_delta_log"
    shelf.clear_unborn(tmp_path, table)
    (log / "_staged_commits").mkdir(parents=True)
    (log / ".00000000000000000000.json.5c3c.tmp").write_text("")
    (log / "00000000000000000000.json").write_text("{}")
    shelf.clear_unborn(tmp_path, table)
    assert log.is_dir(), "what was ever committed stays"
    (log / "00000000000000000000.json").unlink()
    shelf.clear_unborn(tmp_path, table)
    assert not log.exists()


def test_a_lookup_returns_the_wanted_rows_and_of_none_the_columns(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, number)
    found = shelf.lookup(tmp_path, TABLE, pc.field("key").isin(["r1", "r4", "r9"]))
    assert sorted(found["key"].to_pylist()) == ["r1", "r4"]
    none = shelf.lookup(tmp_path, TABLE, pc.field("key") == "nobody", columns=["key"])
    assert (none.num_rows, none.schema) == (0, found.schema)


def test_reading_the_lake_does_not_bring_pandas() -> None:
    """It takes a third of a second and fifty megabytes of every process that serves."""
    program = "import sys, api.http.main; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"
