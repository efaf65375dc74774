"""Frozen frequencies come back as they were, however often they were stored."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from identity.matching import frequencies, scoring


def test_a_snapshot_that_two_models_stored_is_read_once(tmp_path: Path) -> None:
    row = {"snapshot": "abc", "field": "given_name", "value_hash": "h", "frequency": 0.5}
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for file in files:
        pq.write_table(pa.Table.from_pylist([row, {**row, "snapshot": "old"}]), file)
    connection = scoring.connect()
    frequencies.load(connection, [str(file) for file in files], "abc")
    assert connection.execute("SELECT * FROM frequencies").fetchall() == [("given_name", "h", 0.5)]
    connection.close()
