"""A destination's file: whole or absent, the same bytes each time."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from activation.declarations import Destination
from activation.deliver import write_changes


def change(destination: str, operation: str, key: str, **payload: str) -> dict[str, object]:
    said = {"destination": destination, "operation": operation, "audience": "a", "key_type": "email", "match_key": key}
    return {**said, "payload": list(payload.items())}


ROWS = [
    change("d", "add", "k1", orders="5", city='Ōtaki, "north"'),
    change("d", "remove", "k2"),
    change("other", "add", "k3"),
]
SCHEMA = pa.schema(
    [(n, pa.string()) for n in ("destination", "operation", "audience", "key_type", "match_key")]
    + [("payload", pa.map_(pa.string(), pa.string()))]
)


@pytest.fixture
def changes(tmp_path: Path) -> list[str]:
    # Spark numbers its files in the order of the sort; the paths arrive in any order.
    for number, rows in enumerate((ROWS[:1], ROWS[1:])):
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / f"part-0000{number}-x.parquet")
    return [str(path) for path in sorted(tmp_path.glob("*.parquet"), reverse=True)]


def destination(form: str) -> Destination:
    return Destination.model_validate(
        {"destination": "d", "format": form, "path": "out", "purpose": "p", "audiences": ["a"],
         "traits": ["orders", "city"]}
    )  # fmt: skip


def test_a_csv_file_names_operation_audience_and_match_key(changes: list[str], tmp_path: Path) -> None:
    file = write_changes(changes, destination("csv"), tmp_path / "out", 12)
    assert file == tmp_path / "out" / "d-00000012.csv"
    assert file.read_text(encoding="utf-8") == (
        'operation,audience,key_type,match_key,orders,city\nadd,a,email,k1,5,"Ōtaki, ""north"""\nremove,a,email,k2,,\n'
    )


def test_an_ndjson_file_says_the_same(changes: list[str], tmp_path: Path) -> None:
    file = write_changes(changes, destination("ndjson"), tmp_path / "out", 12)
    assert file is not None
    first, second = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert first["traits"] == {"orders": "5", "city": 'Ōtaki, "north"'}
    assert second == {"operation": "remove", "audience": "a", "key_type": "email", "match_key": "k2", "traits": {}}


def test_a_second_try_leaves_the_same_bytes_and_nothing_else(changes: list[str], tmp_path: Path) -> None:
    file = write_changes(changes, destination("csv"), tmp_path / "out", 12)
    assert file is not None
    before = file.read_bytes()
    (tmp_path / "out" / ".d-00000011.csv.part").write_text("half a li")
    assert write_changes(changes, destination("csv"), tmp_path / "out", 12) == file
    assert file.read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["d-00000012.csv"]


def test_nothing_new_means_no_file(changes: list[str], tmp_path: Path) -> None:
    quiet = destination("csv").model_copy(update={"destination": "quiet"})
    assert write_changes(changes, quiet, tmp_path / "out", 12) is None
    assert not (tmp_path / "out").exists()
