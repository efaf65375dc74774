"""Files that no version needs go at once; those of the newest stay, and so do marks and the log."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from infra import shelf
from infra.tables import Table
from infra.upkeep import _sweep


class Row:
    """One number."""

    number: int


TABLE = Table("numbers", Row, keys=("number",))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for number in (1, 2):
        write_deltalake(str(tmp_path / "numbers"), pa.table({"number": [number]}), mode="overwrite")
    return tmp_path


def test_only_what_the_newest_version_names_stays(lake: Path) -> None:
    folder = lake / "numbers"
    (newest,) = shelf.data_files(lake, TABLE)
    for path in folder.glob("*.parquet"):
        path.with_name(f".{path.name}.crc").write_bytes(b"sum")
    (folder / "deletion_vector_1.bin").write_bytes(b"positions")
    (folder / "left" / "over").mkdir(parents=True)
    (folder / "left" / "draft.parquet").write_bytes(b"somebody")
    log = sorted(path.name for path in (folder / "_delta_log").iterdir())
    _sweep(lake, TABLE)
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted([f".{newest.name}.crc", "_delta_log", "deletion_vector_1.bin", newest.name])
    assert sorted(path.name for path in (folder / "_delta_log").iterdir()) == log
    assert shelf.count(lake, TABLE) == 1


def test_an_erasure_and_a_rewrite_are_no_writes_of_a_run(lake: Path) -> None:
    from deltalake import CommitProperties, DeltaTable, Transaction

    folder = str(lake / "numbers")
    written = CommitProperties(app_transactions=[Transaction("numbers/", 7)])
    write_deltalake(folder, pa.table({"number": [3]}), mode="append", commit_properties=written)
    mine = CommitProperties(custom_metadata={"userMetadata": shelf.ERASURE})
    DeltaTable(folder).delete("number = 2", commit_properties=mine)
    at = shelf.version(lake, TABLE)
    assert shelf.written(lake, TABLE, "numbers/", 7, at) == at
    DeltaTable(folder).delete("number = 3")
    assert shelf.written(lake, TABLE, "numbers/", 7, at + 1) == at
