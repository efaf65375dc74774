"""One workspace resolved by DuckDB on one machine and its like by Spark: every table of identity, row by row."""

import random
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from street import RECORDS, configured, everyday, identifier, record, refusal, runtime, workspace
from worlds import World, keyed

from infra.arrow import schema

GIVEN = ("Ann", "Anna", "Robert", "Bob", "Carol", "Miriam", "Olu", "Pavel")
FAMILY = ("Carver", "Carvr", "Oyelaran", "Lindqvist", "Novak", "Whitcombe")
BIRTHS = [f"{year}-0{month}-1{day}" for year in (1961, 1978, 1990) for month in "123" for day in "12"]
STREETS = ("5 Elm St", "5 Elm Street", "12 Oak Avenue", "77 Station Road")


def crowd(number: int) -> list[dict[str, Any]]:
    """Return enough records to learn from; some are of one person."""
    chance = random.Random(4)  # noqa: S311 - a seed, no secret
    pick = chance.choice
    return [
        record(
            f"p{one}", 10 + one, *([identifier("email", f"{pick('abcdef')}{one % 40}@example.org")] if one % 3 else []),
            given_name=pick(GIVEN), family_name=pick(FAMILY), birth_date=pick(BIRTHS), street=pick(STREETS),
            postcode=pick(("43017", "43018")),
        )
        for one in range(number)
    ]  # fmt: skip


def resolved(
    spark: Any, folder: Path, engines: Sequence[str], first: Sequence[str], many: int
) -> list[Mapping[str, list[str]]]:
    """Return what the tables of a workspace hold under each engine, once everybody came and then a little changed.

    The first run is resolved with each of `first`, or for all of them alike where it is one. Fewer than a hundred
    people teach no model.
    """
    from identity.config import load_identity, rules
    from identity.jobs import resolve
    from identity.stewardship.steward import Desk, Wish, link

    people = [*RECORDS, *crowd(many)]
    moved = [{**one, "content_hash": "moved", "batch": 2, "sequence": 900} for one in people[9:14]]
    for one in moved:
        one["attributes"] = {**one["attributes"], "street": "1 Mill Lane"}
    gone = {**people[20], "deleted": True, "batch": 2, "sequence": 901}
    refused = refusal("1:email:rob.carver@example.org", 10)
    for name, engine in zip(("a", "b"), first, strict=False):
        began = runtime(spark, workspace(folder / name, engine), 1, people, everyday())
        resolve(began, {})
        began.database.dispose()
    if len(first) == 1:
        shutil.copytree(folder / "a", folder / "b")
    told = []
    for name, engine in zip(("a", "b"), engines, strict=True):
        configured(folder / name, engine)
        run = runtime(spark, folder / name, 2, [*people, *moved, gone], everyday(), [refused])
        desk = Desk(run.database, run.workspace.lake_path, rules(load_identity(run.workspace)))
        link(desk, "p3", "p50", Wish("ann", "they say so", run.run.started_at - timedelta(hours=1)))
        summary = resolve(run, {})
        told.append({**tables(run), "summary": [repr(summary)]})
        run.database.dispose()
    return told


def tables(run: Any) -> Mapping[str, list[str]]:
    """Return the rows of all of identity's tables, sorted, to the last bit of each value."""
    from identity.tables import TABLES
    from infra import shelf

    lake = run.workspace.lake_path
    return {
        # a word's id is drawn when it is said
        table.name: sorted(repr({**row, "id": ""}) if table.name == "constraints" else repr(row) for row in rows)
        for table in TABLES
        for rows in (shelf.reader(lake, table).read_all().to_pylist(),)
    }


def lessons(spark: Any, folder: Path, sizes: Sequence[int]) -> list[list[list[str]]]:
    """Return what each place takes to learn from, once for each of the numbers of records that there might be.

    Some are of before, some changed, some are gone.
    """
    from identity.changes import Changes
    from identity.config import load_identity
    from identity.engine.sites import Cluster, Machine
    from identity.tables import RECORD_FEATURES, TABLES

    world = World(1, random.Random(7))  # noqa: S311
    held = [world.record(f"r{one:03d}", one) for one in range(60)]
    fresh = [world.record(f"r{one:03d}", one) for one in range(50, 70)]
    began = runtime(spark, workspace(folder / "w"), 1, ())
    began.lake.ensure(TABLES)
    rows = pa.Table.from_pylist(held, schema=schema(RECORD_FEATURES))
    began.lake.overwrite(RECORD_FEATURES, written(spark, rows, folder / "held"))
    run = runtime(spark, folder / "w", 2, ())
    changes = Changes(folder / "fresh", folder / "gone", folder / "taken")
    written(spark, pa.Table.from_pylist(fresh, schema=schema(RECORD_FEATURES)), changes.fresh)
    written(spark, keyed(["record_key"], [("r000",)]), changes.gone)
    written(spark, keyed(["old_key", "record_key"], []), changes.taken)
    told = []
    for kind in (Machine, Cluster):
        work = folder / kind.__name__
        work.mkdir()
        place = kind(run, load_identity(run.workspace), work)
        place.load(changes)
        number = place.described()
        place.take_all()
        place.take_all()
        told.append([[str(number), str(place.count("fresh")), *taught(place.lesson(size))] for size in sizes])
        place.close()
    run.database.dispose()
    began.database.dispose()
    return told


def taught(connection: Any) -> list[str]:
    """Return the records that a lesson is about, to the last bit of each value."""
    found = connection.sql("SELECT * FROM described ORDER BY record_key").to_arrow_table().to_pylist()
    return [repr(row) for row in found]


def written(spark: Any, rows: pa.Table, path: Path) -> Any:
    """Return rows as a frame over a folder of Parquet."""
    path.mkdir()
    pq.write_table(rows, path / "part.parquet")
    return spark.read.parquet(str(path))
