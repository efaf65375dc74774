"""Tables that a dlt pipeline wrote with its filesystem destination: the files of the loads that it completed.

dlt notes each load in `_dlt_loads` when all of it is there, so a load that is under way is not seen. Its sources need
nothing of ours: a pipeline run elsewhere fills the folder, or `run` names a Python file whose function
`run(bucket, pipelines)` is called before each load.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.connectors.declared import Dlt
from ingestion.connectors.own import own_function
from ingestion.connectors.port import Landing
from ingestion.errors import ConnectorMalformed
from ingestion.packed import DAMAGED, open_bytes

# {load}.{file}.{ending}, as dlt's own layout has it; `_dlt_loads` has {schema}__{load}.
_FILE: Final = re.compile(r"(\d+\.\d+)\.[^.]+\.(jsonl|parquet)(\.gz)?")
_LOAD: Final = re.compile(r".*__(\d+\.\d+)\.jsonl(?:\.gz)?")


def land(landing: Landing, declared: Dlt, root: Path, state: Path) -> None:
    """Land what the loads since the last one brought, load by load."""
    if declared.run:
        run = own_function(landing.source, root, declared.run, "run")
        run(str((root / declared.path).parent), str(state / "dlt" / landing.source))
    dataset = root / declared.path
    if not (dataset / "_dlt_loads").is_dir():
        right = "name the folder of the dataset, which holds _dlt_loads, and run the pipeline first"
        raise ConnectorMalformed(landing.source, f"{declared.path} is no dataset that dlt completed a load of", right)
    done, before = _loads(dataset), _moment(landing.cursor)
    fresh = [load for load in done if _moment(load) > before]
    until = landing.intend(lambda: max(fresh, key=_moment) if fresh else None)
    if until is None:
        return
    wanted = [load for load in done if before < _moment(load) <= _moment(until)]
    rows = 0
    for part, load in enumerate(wanted):
        rows += landing.write(_rows(landing.source, root, _files(landing.source, dataset / declared.table, load)), part)
    landing.commit()
    landing.say(f"{rows:,} rows of {len(wanted)} loads landed")


def _moment(load: str | None) -> Decimal:
    """Return the moment that a load is named by, in seconds: 9.5 comes before 10.25, and 9.25 before 9.5."""
    return Decimal(load or 0)


def _loads(dataset: Path) -> list[str]:
    found = (_LOAD.fullmatch(file.name) for file in (dataset / "_dlt_loads").iterdir())
    return sorted({match[1] for match in found if match}, key=_moment)


def _files(source: str, table: Path, load: str) -> list[Path]:
    """Return a load's files of a table; it may have none, and the table no folder."""
    found = []
    for file in sorted(table.rglob("*")) if table.is_dir() else ():
        match = _FILE.fullmatch(file.name)
        if match is None and file.is_file():
            right = "leave the pipeline dlt's own layout ({table_name}/{load_id}.{file_id}.{ext}), in jsonl or parquet"
            raise ConnectorMalformed(source, f"a file in {table.name}/ does not tell its load", right)
        if match and match[1] == load:
            found.append(file)
    return found


def _rows(source: str, root: Path, files: list[Path]) -> Iterator[Mapping[str, Any] | bytes]:
    for file in files:
        try:
            if ".parquet" in file.name:
                with pq.ParquetFile(file) as opened:
                    for batch in opened.iter_batches(2_000):
                        yield from batch.to_pylist()
            else:
                with open_bytes(file) as stream:
                    yield from (line for line in stream if line.strip())
        except (OSError, pa.ArrowException, *DAMAGED):
            right = "let the pipeline write it again"
            raise ConnectorMalformed(source, f"{file.relative_to(root)} cannot be read to its end", right) from None
