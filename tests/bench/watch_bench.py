"""What it costs to watch every row for personal data: rows a second of one feed, by what its source asks for.

Run with: python tests/bench/watch_bench.py [rows]
"""

import json
import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import consent.store
import ingestion.store
from api.cli.scaffold import write_workspace
from infra.database import open_database
from infra.lake import Lake
from infra.runtime import RunInfo, Runtime
from infra.shelf import newest_versions
from infra.spark import session
from infra.workspace import Workspace
from ingestion.jobs import ingest

SOURCE = """source: web
connector: {{type: files, path: data/*.ndjson, format: ndjson}}
record: event
key: id
occurred_at: at
event: {{type: "=view", name: name}}
identifiers: {{cookie: anonymousId, email: traits.email}}
properties: [properties.search, properties.page, properties.order]
{0}
"""
MODES = {
    "nothing asked (a sample)": "",
    "on_personal_data: alarm": "on_personal_data: alarm",
    "on_personal_data: quarantine": "on_personal_data: quarantine",
    "on_personal_data: redact": "on_personal_data: redact",
    "free_text of one column": "free_text: {properties.search: redact}",
}


def rows(count: int, part: int) -> str:
    chance = random.Random(part)  # noqa: S311 - a seed, no secret
    made = []
    for n in range(count):
        properties = {
            "search": f"shoes {chance.randrange(9999)}",
            "page": f"/p/{n % 997}",
            "order": str(chance.randrange(10**9, 10**10)),
        }
        if n % 100 == 0:
            properties["search"] = f"a{n}@example.org"
        one = {
            "id": f"p{part}e{n}",
            "at": "2026-10-01T10:00:00Z",
            "name": "view",
            "anonymousId": f"c{n % 5000}",
            "properties": properties,
        }
        one["traits"] = {"email": f"u{n % 3000}@example.org"} if n % 3 == 0 else {}
        made.append(json.dumps(one))
    return "\n".join(made)


def cpu() -> float:
    """Return the seconds of processor time that this process and all below it have had: steady on a busy machine."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(words[1])
        used[int(stat.parent.name)] = sum(map(int, words[11:15]))
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(used.get(pid, 0) for pid in mine) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shop"
        write_workspace(root)
        place = Workspace.open(root)
        database = open_database(place, consent.store.METADATA, ingestion.store.METADATA)
        spark: Any = session(place.settings.engine, Path(folder) / "spark")
        number = 0

        def run(mode: str, rows_: int) -> tuple[float, float]:
            nonlocal number
            number += 1
            (root / "sources/web.yaml").write_text(SOURCE.format(mode))
            data = root / "data"
            data.mkdir(exist_ok=True)
            for old in data.iterdir():
                old.unlink()
            (data / f"{number}.ndjson").write_text(rows(rows_, number))
            again = Workspace.open(root)
            base = newest_versions(again.lake_path)
            at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=number)
            info = RunInfo(f"run{number}", number, at, f"salt{number}", base)
            lake = Lake(spark, again.lake_path, number, base)
            began, had = time.monotonic(), cpu()
            ingest(Runtime(again, lake, database, info, lambda _: None), {})
            return rows_ / (time.monotonic() - began), cpu() - had

        run("", 10_000)  # warm
        for round_ in range(2):
            for told, mode in MODES.items():
                fast, spent = run(mode, count)
                print(f"{told:<30}{fast:>10,.0f} rows/s{spent:>8.1f} s of CPU  (round {round_ + 1})", flush=True)
        spark.stop()


if __name__ == "__main__":
    main()
