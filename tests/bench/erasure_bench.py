"""What does it cost to erase a thousand people, beside writing the same tables anew without them?

`python tests/bench/erasure_bench.py [--records N] [--people N] [--json]`. A lake of invented records and three events
of each is made twice. From one the people are taken out by keys, purged and expired at once, as an erasure does; the
other's tables are overwritten without them, and expired. Spark, Delta and the disk are counted; both end alike.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyspark.sql import functions as f

import ingestion.quarantine.store
import ingestion.store
from consent.erasure.ports import Subject
from infra import shelf, upkeep
from infra.database import open_database
from infra.ids import RecordKey, Token
from infra.lake import Lake
from infra.runtime import RunInfo, Runtime
from infra.settings import EngineSettings
from infra.spark import session
from ingestion.erasure import Facts
from ingestion.tables import EVENTS, RECORDS, TABLES

KEY = b"bench-token-key-of-at-least-32-characters"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
_EVENTS = 3


def main() -> int:
    """Measure, print, and end with 1 where both ways leave other rows."""
    asked = _asked()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        spark = session(EngineSettings(driver_memory="4g"), root / "spark")
        erasing, rewriting = (_made(spark, root / name, asked.records) for name in ("erasing", "rewriting"))
        people = _people(asked.people)
        steps = _erase(root, erasing, people)
        whole = _timed(lambda: _rewrite(rewriting, people))
        rows = [[shelf.count(lake.root, table) for table in (RECORDS, EVENTS)] for lake in (erasing, rewriting)]
        spark.stop()
    told = {"records": asked.records, "people": asked.people, "erasure": steps, "rewrite": whole, "rows": rows[0]}
    told["ratio"] = round(whole / sum(steps.values()), 2)
    if asked.json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items())
        sys.stdout.write(
            f"{asked.people:,} people out of {asked.records:,} records and {_EVENTS * asked.records:,} events: "
            f"{sum(steps.values()):.1f} s ({parts}); the same tables written anew {whole:.1f} s\n"
        )
    return 0 if rows[0] == rows[1] else 1


def _asked() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _made(spark: Any, root: Path, records: int) -> Lake:
    """Fill a lake: each record a person of their own, with an address, and three events under it."""
    lake = Lake(spark, root / "lake", 1, {})
    lake.ensure(TABLES)
    who = spark.range(records).withColumn("value", f.concat(f.lit("person"), f.col("id"), f.lit("@example.org")))
    named = f.array(f.struct(f.lit("email").alias("type"), f.col("value"), f.md5("value").alias("token")))
    told = {"record_key": f.md5(f.col("id").cast("string")), "key": f.col("id").cast("string"), "identifiers": named}
    lake.append(
        RECORDS, _shaped(lake, RECORDS, who, told | {"attributes": f.create_map(f.lit("name"), f.col("value"))})
    )
    each = who.withColumn("n", f.explode(f.array(*(f.lit(n) for n in range(_EVENTS)))))
    event = {"record_key": told["record_key"], "message_id": f.concat_ws("-", "id", "n"), "identifiers": named,
             "subject_token": f.md5("value")}  # fmt: skip
    lake.append(EVENTS, _shaped(lake, EVENTS, each, event))
    return lake


def _shaped(lake: Lake, table: Any, frame: Any, told: dict[str, Any]) -> Any:
    """Return rows of a table's shape: what is told, and something harmless of the right type elsewhere."""
    blank = {"string": "", "bigint": 0, "double": 0.5, "boolean": False}
    columns = []
    for field in lake.schema(table).fields:
        kind = field.dataType.simpleString()
        if field.name in told:
            column = told[field.name]
        elif field.name == "source":
            column = f.lit("crm")
        elif kind == "timestamp":
            column = f.lit(NOW)
        elif kind.startswith("map"):
            column = f.from_json(f.lit("{}"), "map<string,string>")
        else:
            column = f.lit(blank[kind]).cast(kind)
        columns.append(column.alias(field.name))
    return frame.select(*columns)


def _people(number: int) -> Subject:
    """Return the first so many people as one subject: what an erasure of many is to the stores."""
    import hashlib

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    values = tuple(("email", f"person{n}@example.org") for n in range(number))
    return Subject(
        tokens=tuple(Token(md5(value)) for _, value in values),
        record_keys=tuple(RecordKey(md5(str(n))) for n in range(number)),
        values=values,
        source_keys=tuple(("crm", str(n)) for n in range(number)),
    )


def _erase(root: Path, lake: Lake, people: Subject) -> dict[str, float]:
    database = open_database(
        f"sqlite:///{root / 'k.db'}", ingestion.store.METADATA, ingestion.quarantine.store.METADATA
    )
    state = root / "state"
    workspace = SimpleNamespace(
        state_path=state, lake_path=lake.root, log_path=state / "spool", landing_path=state / "landing", root=root,
        token_key=lambda: KEY, load=lambda *_: SimpleNamespace(identifiers={}),
        settings=SimpleNamespace(region="US", log=None),
    )  # fmt: skip
    made: Any = workspace
    store = Facts(Runtime(made, lake, database, RunInfo("r", 2, NOW, "s", {}), lambda _: None), "bench", hours=0)
    return {
        "delete": _timed(lambda: store.delete(people)),
        "purge": _timed(lambda: store.purge(people)),
        "expire": _timed(lambda: store.expire(people)),
    }


def _rewrite(lake: Lake, people: Subject) -> None:
    gone = f.broadcast(lake.spark.createDataFrame([(key,) for key in people.record_keys], "record_key string"))
    later = Lake(lake.spark, lake.root, 2, {})
    for table in (RECORDS, EVENTS):
        later.overwrite(table, later.read(table).join(gone, "record_key", "left_anti"))
    upkeep.expire(later, (RECORDS, EVENTS), 0)


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return round(time.monotonic() - began, 2)


if __name__ == "__main__":
    sys.exit(main())
