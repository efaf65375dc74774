"""Faults below and beside the job: a disk that takes no more, rows made to break whoever takes them in."""

import json
import os
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from infra import shelf
from infra.full import DiskRefuses, disk_failure
from infra.tables import Table
from ingestion.errors import SourceFileMalformed
from ingestion.tables import CATALOGUE, EVENTS, QUARANTINE, RECORDS

pytestmark = pytest.mark.spark
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
# Bytes that a file may have: below the smallest data file, between those, below and above a commit.
ROOM = (0, 2_500) if not NIGHTLY else tuple(range(0, 8_000, 200))


def java() -> int:
    """Return the process id of the session's JVM: a broker that another test left running is a child with java too."""
    session: Any = SparkSession.getActiveSession()
    pid: int = session.sparkContext._gateway.proc.pid
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "java"
    return pid


@contextmanager
def little_room(bytes_a_file: int) -> Iterator[None]:
    """Let the JVM write no file beyond a length, as a disk that has no more room would."""
    pid = java()
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_a_file, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def fill(shop: Any) -> None:
    chance = random.Random(6)  # noqa: S311 - a seed, no secret
    shop.lines(
        "data/web/day.ndjson",
        *(
            {
                "messageId": f"m{number}",
                "timestamp": "2026-10-01T08:00:00Z",
                "type": "track",
                "event": "Viewed",
                "anonymousId": f"a{chance.randrange(10)}",
                "traits": {"email": f"p{number}@example.org"} if number % 3 else {},
                "properties": {"url": f"https://shop.example.org/{chance.getrandbits(64)}"},
            }
            for number in range(60)
        ),
        "{broken",
    )


def content(shop: Any, table: Table) -> list[str]:
    return sorted(json.dumps(row.asDict(recursive=True), default=str) for row in shop.read(table).collect())


@pytest.mark.nightly  # by day test_drift.py
def test_thousands_of_columns_and_names_of_attackers_become_no_columns_of_the_lake(world: Callable[..., Any]) -> None:
    """F37: what a file calls its columns is data; the lake's own are declared."""
    shop = world("products", "web")
    names = ["__proto__", "constructor", "_metadata", "a`b", "x.y", "source", *(f"n{n}" for n in range(200))]
    shop.write("data/products/wide.csv", f"id;{';'.join(names)}\n1;{';'.join('v' for _ in names)}\n")
    evil = {"__proto__": {"admin": True}, "constructor": "x", **{f"n{n}": n for n in range(2_000)}}
    front = {"timestamp": "2026-10-01T08:00:00Z", "type": "track", "anonymousId": "a1"}
    shop.lines("data/web/evil.ndjson", {"messageId": "m1", **front, "properties": evil, "__proto__": {"gone": 1}})
    found = shop.run()
    shop.write("data/products/wider.csv", f"id;{';'.join(f'n{n}' for n in range(5_000))}\n")
    with pytest.raises(SourceFileMalformed, match="the file has 5,001 columns; 2,000 is the most"):
        shop.run("products")
    assert (found["products"]["accepted"], found["web"]["accepted"]) == (1, 1)
    (thing,) = shop.read(CATALOGUE).collect()
    assert thing.attributes == dict.fromkeys(names, "v")
    for table in (CATALOGUE, EVENTS):
        assert shop.read(table).columns == [column.name for column in table.columns()]


def test_a_disk_that_takes_no_more_costs_a_run_and_no_row(world: Callable[..., Any], tmp_path: Path) -> None:
    """F6: a commit that fails midway leaves every table readable; the same run succeeds later, exactly once."""
    plain = world("web")
    fill(plain)
    plain.run()
    wanted = {table: content(plain, table) for table in (EVENTS, RECORDS, QUARANTINE)}
    (plain.root).rename(tmp_path / "unbroken")
    shop = world("web")
    fill(shop)
    refused = 0
    for turn, room in enumerate(ROOM):
        try:
            with little_room(room):
                shop.run(resume=turn > 0)
        except (DiskRefuses, Py4JJavaError) as error:
            refused += 1
            told = error if isinstance(error, DiskRefuses) else disk_failure(error)
            assert told, "it is said that the disk is at fault, and not the data"
            assert "File too large" in str(told)
        for table in (EVENTS, RECORDS, QUARANTINE):
            if shelf.exists(shop.root / "state/lake", table):
                shop.read(table).count()
    assert refused, "no room was little enough"
    shop.run(resume=True)
    assert {table: content(shop, table) for table in wanted} == wanted
