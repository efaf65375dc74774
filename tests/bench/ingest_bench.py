"""What do contracts, duplicates and quarantine cost, against Spark that only reads the same file and writes it?

`python tests/bench/ingest_bench.py [--rows N] [--rounds N] [--formats ndjson parquet csv] [--json]`. One process, one
session. A small file warms both up, then in each round both take in the same new file: of its rows one in fifty comes a
second time, one in a hundred breaks the contract, and all that earlier rounds told stands in the lake.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

import consent.store
import ingestion.quarantine.store
import ingestion.store
from infra.database import open_database
from infra.lake import Lake
from infra.runtime import RunInfo, Runtime
from infra.shelf import newest_versions
from infra.spark import session
from infra.workspace import Workspace
from ingestion.jobs import ingest

TEMPLATES = Path(__file__).parents[2] / "api" / "templates" / "workspace"
BEGAN: Final = datetime(2026, 3, 1, tzinfo=UTC)
IDENTITY = """
identifiers:
  customer: {normaliser: code, strength: decisive}
  email: {normaliser: email}
  cookie: {normaliser: text, strength: weak, anonymous: true}
"""
SOURCE = """
source: FORMAT
connector: {type: files, path: data/FORMAT/*, format: FORMAT}
record: event
key: messageId
occurred_at: timestamp
event: {type: type, name: event}
identifiers: {customer: userId, email: email, cookie: anonymousId}
properties: [url, product, quantity, amount, currency, referrer, campaign]
duplicates: key
contract:
  quantity: {type: integer, min: 1, max: 99}
  amount: {type: number, min: 0}
  currency: {type: enum, values: [USD, EUR, GBP]}
  url: {required: true, max_length: 200}
  product: {pattern: "sku-[0-9]{5}"}
"""


@dataclass
class Stand:
    """A workspace with a source a format, and the session that both rivals share."""

    root: Path
    spark: Any
    number: int = 0

    def ours(self, name: str) -> float:
        """Run the job on what is new of a source and return its seconds."""
        workspace = Workspace.open(self.root)
        self.number += 1
        base = newest_versions(workspace.lake_path)
        stores = (consent.store.METADATA, ingestion.quarantine.store.METADATA, ingestion.store.METADATA)
        lake = Lake(self.spark, workspace.lake_path, self.number, base)
        info = RunInfo(f"run{self.number}", self.number, BEGAN + timedelta(days=self.number), "salt", base)
        runtime = Runtime(workspace, lake, open_database(workspace, *stores), info, lambda _line: None)
        began = time.perf_counter()
        found: Any = ingest(runtime, {"source": name})
        spent = time.perf_counter() - began
        account = found["sources"][name]
        assert account["quarantined"] > 0 < account["accepted"], account
        return spent

    def bare(self, name: str, file: Path) -> float:
        """Let Spark read the same file, its columns known, and write it to a table of its own."""
        began = time.perf_counter()
        reader = self.spark.read
        if name == "parquet":
            frame = reader.parquet(str(file))
        else:
            columns = ", ".join(f"{column} string" for column in next(events(1, random.Random(0), 0)))  # noqa: S311
            frame = reader.schema(columns).json(str(file)) if name == "ndjson" else _csv(reader, columns, file)
        frame.write.format("delta").mode("append").save(str(self.root / "bare" / name))
        return time.perf_counter() - began


def _csv(reader: Any, columns: str, file: Path) -> Any:
    return reader.schema(columns).option("header", "true").csv(str(file))


def events(count: int, chance: random.Random, start: int) -> Iterator[dict[str, str]]:
    """Yield events of invented visitors."""
    for number in range(start, start + count):
        known, again = chance.random() < 0.3, chance.random() < 0.02
        visitor = chance.randrange(count // 5 + 1)
        at = BEGAN + timedelta(seconds=chance.randrange(86_400 * 300))
        yield {
            "messageId": f"m-{start + chance.randrange(number - start + 1) if again else number:012d}",
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "type": "track",
            "event": chance.choice(("Product Viewed", "Product Added", "Order Completed")),
            "userId": f"c-{visitor:08d}" if known else "",
            "email": f"person{visitor}@example.org" if known else "",
            "anonymousId": f"{visitor * 2_654_435_761:024x}",
            "url": f"https://shop.example.org/p/{chance.randrange(90_000)}?page={number % 40}",
            "product": f"sku-{chance.randrange(100_000):05d}",
            "quantity": "0" if chance.random() < 0.01 else str(1 + chance.randrange(9)),
            "amount": f"{chance.randrange(1, 50_000) / 100:.2f}",
            "currency": chance.choice(("USD", "EUR", "GBP")),
            "referrer": f"https://www.example.com/search/{chance.randrange(1_000)}",
            "campaign": f"c{chance.randrange(30)}",
        }


def write(name: str, file: Path, rows: Iterator[dict[str, str]]) -> Path:
    """Write events in a format."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if name == "ndjson":
        with file.open("w") as out:
            out.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    else:
        writers: dict[str, Callable[[pa.Table, Path], None]] = {"parquet": pq.write_table, "csv": pa.csv.write_csv}
        writers[name](pa.Table.from_pylist(list(rows)), file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="+", default=["ndjson", "csv", "parquet"])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "consent").mkdir()
        (root / "sources").mkdir()
        for name in ("policy.yaml", "labels.yaml"):
            (root / "consent" / name).write_text((TEMPLATES / "consent" / name).read_text())
        (root / "kindred.yaml").write_text("name: bench\n")
        (root / "identity.yaml").write_text(IDENTITY)
        (root / ".env").write_text(f"KINDRED_TOKEN_KEY={'k' * 40}\n")
        for name in asked.formats:
            (root / "sources" / f"{name}.yaml").write_text(SOURCE.replace("FORMAT", name))
        stand = Stand(root, session(Workspace.open(root).settings.engine, root / "spark"))
        for name in asked.formats:
            measure(stand, name, asked.rows, asked.rounds, machine=asked.json)
        stand.spark.stop()


def measure(stand: Stand, name: str, rows: int, rounds: int, *, machine: bool) -> None:
    """Print the rows a second of both and their ratio, round by round and in the middle."""
    ratios: list[float] = []
    start = 0
    for turn in range(-1, rounds):
        count = rows if turn >= 0 else max(rows // 10, 1_000)
        made = events(count, random.Random(turn), start)  # noqa: S311 - a seed, no secret
        file = write(name, stand.root / "data" / name / f"part{turn + 1}.{name}", made)
        start += count
        bare = stand.bare(name, file)
        ours = stand.ours(name)
        if turn < 0:
            continue
        ratios.append(bare / ours)
        told = {
            "format": name,
            "rows": rows,
            "bare": round(count / bare),
            "ours": round(count / ours),
            "ratio": round(bare / ours, 3),
        }
        if machine:
            print(json.dumps(told))
        else:
            print("{format:8} bare {bare:>9,} rows/s   ours {ours:>9,} rows/s   ratio {ratio}".format(**told))
    if not machine:
        print(f"{name:8} ratio in the middle {statistics.median(ratios):.3f} of {rows:,} rows, {rounds} rounds")


if __name__ == "__main__":
    main()
