"""Who is who, as jobs: `resolve` brings every record's person up to date, `train` learns the model anew."""

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.config import load_policy
from consent.intake import mirrored_through
from identity import transforms, unfinished
from identity.changes import Changes, Since, find_changes
from identity.config import IdentityConfig, health_borders, load_identity, rules
from identity.engine.batch import WRITES, Counts, Write, resolve_batch
from identity.engine.local import Local, settle_here
from identity.matching import registry, scoring
from identity.matching.registry import MatchModel
from identity.modelling import album, labelled, modelling
from identity.tables import (
    CONSTRAINTS,
    EDGES,
    IDENTITY_EVENTS,
    POSTING_INDEX,
    PROFILE_INDEX,
    RECORD_FEATURES,
    RESOLUTION,
    SHAPE,
    TABLES,
)
from infra import shelf
from infra.arrow import nothing
from infra.ids import content_digest
from infra.runtime import Runtime
from infra.tables import Table

_PARTS_IN_PROCESS = 100_000
_WRITERS = 4


def resolve(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Bring every record's person up to date with facts, consent, model and constraints, and tell what changed.

    Only what a change touches is resolved; the outcome is that of doing it all, which happens when the rules or the
    model changed, or on demand (`full`). A second run with the same facts changes nothing.
    """
    config = load_identity(runtime.workspace)
    runtime.lake.ensure(TABLES)
    work = runtime.workspace.state_path / "work" / f"resolve-{runtime.run.number}"
    work.mkdir(parents=True, exist_ok=True)
    last = _last(runtime)
    runtime = unfinished.taken_back(runtime, last.get("batch", -1))
    digests = _digests(runtime, config)
    whole = arguments.get("full") == "yes" or last.get("inputs_digest") != digests["inputs_digest"]
    since = None if whole else Since(last["batch"], last["consent_sequence"], last["resolved_at"])
    seen = mirrored_through(runtime.database)
    changes = find_changes(runtime, config, work, since)
    connection = _connect(work)
    _load(connection, changes)
    model = _model(runtime, connection, config, arguments)
    same = last.get("settings_digest") == digests["settings_digest"] and last.get("model_version") == model.version
    whole = whole or not same
    if whole:
        _take_all(runtime, connection)
    runtime.say(f"comparing {scoring.count(connection, 'fresh')} records{'' if whole else ' that changed'}")
    counts = _resolve(runtime, connection, model, config, whole=whole)
    runtime.say(f"settled {counts.closed} records in {counts.components} groups that may be one person each")
    _write(runtime, connection, config, work, whole=whole)
    _finish(runtime, {**digests, "consent_sequence": seen, "whole": whole}, model, counts)
    connection.close()
    shutil.rmtree(work)
    return {"model": model.version, "whole": whole, **asdict(counts), **_summary(runtime)}


def train(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Learn a new model from the records as they are, resolve with it, and tell what it has learnt."""
    summary = resolve(runtime, {**arguments, "train": "true"})
    return summary | {"learnt": album.tell(runtime)}


def _last(runtime: Runtime) -> Mapping[str, Any]:
    """Return what the last resolution before this run was made by; empty where there was none."""
    rows = _before(runtime, RESOLUTION).read_all().to_pylist()
    rows.sort(key=lambda row: row["batch"])
    return rows[-1] if rows else {}


def _before(runtime: Runtime, table: Table, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
    """Return a table's rows as this run found them; a table that the run made itself was empty."""
    version = runtime.run.base.get(table.name)
    if version is None:
        return nothing(table, columns)
    return shelf.reader(runtime.workspace.lake_path, table, version, columns)


def _digests(runtime: Runtime, config: IdentityConfig) -> dict[str, str]:
    """Return digests of what records and features follow from, and of what weights and clusters do besides the model."""
    said = config.model_dump(mode="json")
    policy = load_policy(runtime.workspace).version
    made = {"format": registry.FORMAT, "shape": SHAPE, "policy": policy}
    inputs = {**made, **{name: said[name] for name in ("identifiers", "cookies")}}
    return {
        "inputs_digest": content_digest(inputs),
        "settings_digest": content_digest(
            {
                name: said[name]
                for name in ("identifiers", "comparisons", "blocking", "evidence", "thresholds", "limits", "health")
            }
        ),
    }


def _connect(work: Path) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in a file: what a batch makes of many records need not fit into memory."""
    # a name of its own: DuckDB would lend a second try in this process the database of the first
    return scoring.connect(file=str(Path(mkdtemp(dir=work)) / "engine.duckdb"))


def _load(connection: duckdb.DuckDBPyConnection, changes: Changes) -> None:
    for name in ("fresh", "gone", "taken"):
        connection.execute(
            f"CREATE TABLE {name} AS SELECT * FROM read_parquet(?) ORDER BY ALL",
            [f"{getattr(changes, name)}/*.parquet"],
        )


def _model(
    runtime: Runtime, connection: duckdb.DuckDBPyConnection, config: IdentityConfig, arguments: Mapping[str, str]
) -> MatchModel:
    """Return the frozen model, or one learnt from all records as they are now."""
    connection.register("held", _before(runtime, RECORD_FEATURES, ("record_key", "bare")))
    [(described,)] = connection.execute(
        "SELECT count(*) FROM (SELECT record_key, bare FROM fresh UNION ALL SELECT record_key, bare FROM held "
        "WHERE record_key NOT IN (SELECT record_key FROM fresh UNION SELECT record_key FROM gone)) WHERE NOT bare"
    ).fetchall()
    model = modelling.frozen(runtime, config, described, anew=arguments.get("train") == "true")
    if model is not None:
        modelling.load_frequencies(runtime, connection, model)
        return model
    runtime.say(f"learning from {described} records how people agree with themselves")
    _take_all(runtime, connection)
    scoring.load_features(connection, connection.sql("SELECT * FROM fresh").to_arrow_table().to_reader())
    if "labels" in arguments:
        taken = labelled.load(connection, labelled.read(Path(arguments["labels"])))
        runtime.say(f"{taken.used} labels teach, {taken.unknown} speak of records that are not compared")
    return modelling.learn(runtime, connection, config)


def _take_all(runtime: Runtime, connection: duckdb.DuckDBPyConnection) -> None:
    """Let the records that did not change count as changed too."""
    connection.register("held", _before(runtime, RECORD_FEATURES))
    connection.execute(
        "INSERT INTO fresh SELECT * FROM held WHERE record_key NOT IN "
        "(SELECT record_key FROM fresh UNION SELECT record_key FROM gone)"
    )


def _resolve(
    runtime: Runtime, connection: duckdb.DuckDBPyConnection, model: MatchModel, config: IdentityConfig, *, whole: bool
) -> Counts:
    connection.register(
        "mirror", shelf.reader(runtime.workspace.lake_path, CONSTRAINTS, columns=["kind", "left_key", "right_key"])
    )
    connection.execute("CREATE TABLE wishes AS SELECT DISTINCT kind, left_key, right_key FROM mirror")
    blank = {POSTING_INDEX.name, EDGES.name} if whole else set()

    def base(table: Table, columns: Sequence[str] | None) -> pa.RecordBatchReader:
        if table.name in blank:
            return nothing(table, columns)
        return _before(runtime, table, columns)

    def settle(parts: str, into: str) -> None:
        _settle(runtime, connection, config, parts, into)

    engine = Local(connection.cursor(), model, config, base, settle)
    return resolve_batch(engine, config, model.version, runtime.run.number)


def _settle(
    runtime: Runtime, connection: duckdb.DuckDBPyConnection, config: IdentityConfig, parts: str, into: str
) -> None:
    """Settle few pieces in this process, many on all cores: Spark's Python workers apply the same rule."""
    if scoring.count(connection, parts) <= _PARTS_IN_PROCESS:
        settle_here(connection, parts, into, rules(config))
        return
    folder = runtime.workspace.state_path / "work" / f"resolve-{runtime.run.number}"
    dealt = _frame(runtime, connection, parts, folder)
    buckets = transforms.buckets(scoring.count(connection, parts))
    transforms.persons(dealt, rules(config), buckets).write.mode("overwrite").parquet(str(folder / into))
    connection.execute(
        f"CREATE OR REPLACE TABLE {into} AS SELECT * FROM read_parquet(?)", [f"{folder / into}/*.parquet"]
    )


def _frame(runtime: Runtime, connection: duckdb.DuckDBPyConnection, name: str, folder: Path) -> DataFrame:
    path = folder / f"{name}.parquet"
    connection.execute(f"COPY {name} TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    return runtime.lake.spark.read.parquet(str(path))


def _write(
    runtime: Runtime, connection: duckdb.DuckDBPyConnection, config: IdentityConfig, work: Path, *, whole: bool
) -> None:
    """Bring what the engine made into the lake, table by table; each write happens once a run."""
    connection.execute(
        "CREATE OR REPLACE TABLE closed_features AS SELECT record_key, birth_date, given_name, phones FROM features "
        "WHERE record_key IN (SELECT record_key FROM closed)"
    )
    names = {name for write in WRITES for name in (write.rows, write.gone) if name}
    frames = {
        name: _frame(runtime, connection, name, work) for name in sorted(names | {"closed_features", "profile_before"})
    }
    with ThreadPoolExecutor(max_workers=_WRITERS) as pool:
        running = [pool.submit(_write_table, runtime, write, frames, whole=whole) for write in WRITES]
        running.append(pool.submit(_write_index, runtime, config, frames, whole=whole))
        for one in running:
            one.result()


def _write_table(runtime: Runtime, write: Write, frames: Mapping[str, DataFrame], *, whole: bool) -> None:
    rows, lake = frames[write.rows], runtime.lake
    if write.table is IDENTITY_EVENTS:
        rows = rows.withColumn("at", f.lit(runtime.run.started_at))
    if not write.gone:
        lake.append(write.table, rows)
    elif whole:
        lake.overwrite(write.table, rows)
    else:
        lake.replace(write.table, rows, frames[write.gone], write.keys)


def _write_index(runtime: Runtime, config: IdentityConfig, frames: Mapping[str, DataFrame], *, whole: bool) -> None:
    lake = runtime.lake
    rows = transforms.profile_index(
        frames["members_now"],
        frames["closed_features"],
        frames["edges_now"],
        lake.read(CONSTRAINTS),
        lake.read_base(PROFILE_INDEX),
        runtime.run.number,
        health_borders(config),
    )
    if whole:
        lake.overwrite(PROFILE_INDEX, rows)
    else:
        lake.replace(PROFILE_INDEX, rows, frames["profile_before"], PROFILE_INDEX.keys)


def _finish(runtime: Runtime, made_by: Mapping[str, object], model: MatchModel, counts: Counts) -> None:
    """Say that this resolution came to its end; the next one may build on it."""
    run, lake = runtime.run, runtime.lake
    row = {"batch": run.number, **made_by, "model_version": model.version, "changed": counts.changed}
    values, schema = {**row, "resolved_at": run.started_at}, lake.schema(RESOLUTION)
    lake.append(RESOLUTION, lake.spark.createDataFrame([tuple(values[name] for name in schema.names)], schema))


def _summary(runtime: Runtime) -> dict[str, object]:
    """Return what a run says of itself: how many profiles there are and what changed, by kind."""
    lake = runtime.lake
    sizes = lake.read(PROFILE_INDEX).selectExpr("count(*) AS profiles", "coalesce(sum(size), 0) AS records").first()
    changes = lake.read(IDENTITY_EVENTS).where(f"batch = {runtime.run.number}").groupBy("kind").count().collect()
    return {
        "profiles": int(sizes["profiles"]) if sizes else 0,
        "records": int(sizes["records"]) if sizes else 0,
        "changes": {row["kind"]: int(row["count"]) for row in sorted(changes, key=lambda r: str(r["kind"]))},
    }
