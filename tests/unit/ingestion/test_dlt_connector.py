"""What dlt pipelines wrote: load by load, packed or not, and a pipeline that the connector runs itself."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.connectors import dlt
from ingestion.connectors.declared import Dlt
from ingestion.errors import ConnectorMalformed

PIPELINE = """
import dlt
from dlt.destinations import filesystem

@dlt.resource(table_name="people", write_disposition="append")
def people(seen=dlt.sources.incremental("id")):
    yield [{"id": n, "name": f"N{n}", "tags": {"a": n}} for n in range(1, STOP)]

def run(bucket, pipelines):
    pipeline = dlt.pipeline("crm", destination=filesystem(bucket), dataset_name="crm", pipelines_dir=pipelines)
    pipeline.run(people(), loader_file_format="FORMAT")
"""


@pytest.fixture
def land(loads: Any) -> Any:
    def load(**said: Any) -> list[Any]:
        declared = Dlt.model_validate({"type": "dlt", "path": "out/crm", "table": "people", **said})
        return loads.load(lambda landing: dlt.land(landing, declared, loads.root, loads.root / "state"))

    return load


def wrote(root: Path, load: str, *rows: dict[str, Any], done: bool = True, ending: str = "jsonl") -> None:
    """Write what dlt's filesystem destination does."""
    folder = root / "out/crm"
    for name in ("people", "_dlt_loads"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps({**row, "_dlt_load_id": load}) + "\n" for row in rows).encode()
    file = folder / "people" / f"{load}.0a1b2c.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), file)
    else:
        file.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    if done:
        (folder / "_dlt_loads" / f"crm__{load}.jsonl").write_text("{}\n")


def test_completed_loads_land_one_after_the_other(land: Any, loads: Any) -> None:
    wrote(loads.root, "9.5", {"id": 1})
    wrote(loads.root, "10.25", {"id": 2}, ending="jsonl.gz")
    wrote(loads.root, "11.0", {"id": 3}, done=False)
    assert [row["id"] for row in land()] == [1, 2], "in the order of their moments; the third is not complete"
    assert land() == []
    wrote(loads.root, "11.0", {"id": 3}, {"id": 4}, ending="parquet")
    (loads.root / "out/crm/people/11.0.0a1b2c.jsonl").unlink()
    assert [row["id"] for row in land()] == [3, 4]
    (loads.root / "out/crm/_dlt_loads/crm__12.0.jsonl").write_text("{}\n")
    assert land() == [], "a load that brought nothing of this table"
    assert loads.said[-1] == "crm: 0 rows of 1 loads landed"


def test_a_moment_of_fewer_digits_is_a_number_all_the_same(land: Any, loads: Any) -> None:
    for number, load in enumerate(("9.1234567", "9.25", "9.3")):
        wrote(loads.root, load, {"id": number})
        assert [row["id"] for row in land()] == [number], "dlt writes the second's fraction without its last zeros"


def test_what_is_no_dataset_or_hides_its_loads_is_told(land: Any, loads: Any) -> None:
    with pytest.raises(ConnectorMalformed, match="out/crm is no dataset that dlt completed a load of"):
        land()
    wrote(loads.root, "9.5", {"id": 1})
    (loads.root / "out/crm/people/part-0.jsonl").write_text("{}\n")
    with pytest.raises(ConnectorMalformed, match="does not tell its load; leave the pipeline dlt's own layout"):
        land()
    (loads.root / "out/crm/people/part-0.jsonl").unlink()
    wrote(loads.root, "9.5", {"id": 1}, ending="jsonl.gz")
    packed = loads.root / "out/crm/people/9.5.0a1b2c.jsonl.gz"
    packed.write_bytes(packed.read_bytes()[:-5])
    with pytest.raises(ConnectorMalformed, match="cannot be read to its end"):
        land()
    packed.unlink()
    assert [row["id"] for row in land()] == [1], "nothing had landed half"


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.filterwarnings("ignore")  # dlt's own
def test_a_real_pipeline_is_run_and_its_new_rows_land(
    land: Any, loads: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dlt")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.chdir(loads.root)
    for stop, ids in ((4, [1, 2, 3]), (6, [4, 5]), (6, [])):
        text = PIPELINE.replace("STOP", str(stop)).replace("FORMAT", kind)
        (loads.root / "crm.py").write_text(text)
        rows = land(run="crm.py")
        assert [row["id"] for row in rows] == ids
        assert all(row["name"] == f"N{row['id']}" and row["_dlt_load_id"] for row in rows)
