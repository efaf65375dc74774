"""Who is who, as jobs: `resolve` brings every record's person up to date, `train` learns the model anew."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.config import load_policy
from consent.intake import mirrored_through
from identity import transforms, unfinished
from identity.changes import Since, find_changes
from identity.config import IdentityConfig, health_borders, load_identity
from identity.engine.batch import WRITES, Counts, Write, resolve_batch
from identity.engine.sites import Site, before, site
from identity.matching import registry
from identity.matching.registry import MatchModel
from identity.modelling import album, labelled, modelling
from identity.tables import (
    CONSTRAINTS,
    IDENTITY_EVENTS,
    PROFILE_INDEX,
    RESOLUTION,
    SHAPE,
    TABLES,
)
from infra.ids import content_digest
from infra.runtime import Runtime
from infra.together import together

_CLOSED_FEATURES = "SELECT record_key, birth_date, given_name, phones FROM features WHERE record_key IN (SELECT record_key FROM closed)"


def resolve(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Bring every record's person up to date with facts, consent, model and constraints, and tell what changed.

    Only what a change touches is resolved; the outcome is that of doing it all, which happens when the rules or the
    model changed, or on demand (`full`). A second run with the same facts changes nothing.
    """
    config = load_identity(runtime.workspace)
    runtime.lake.ensure(TABLES)
    last = _last(runtime)
    runtime = unfinished.taken_back(runtime, last.get("batch", -1))
    digests = _digests(runtime, config)
    work = unfinished.work_folder(runtime, digests)
    whole = arguments.get("full") == "yes" or last.get("inputs_digest") != digests["inputs_digest"]
    since = None if whole else Since(last["batch"], last["consent_sequence"], last["resolved_at"])
    seen = mirrored_through(runtime.database)
    erased = Path(arguments["erased"]) if "erased" in arguments else None
    changes = find_changes(runtime, config, work, since, erased)
    here = site(runtime, config, work)
    here.load(changes)
    model = _model(runtime, here, config, arguments)
    same = last.get("settings_digest") == digests["settings_digest"] and last.get("model_version") == model.version
    whole = whole or not same
    if whole and since is not None:
        here.take_all()
    runtime.say(f"comparing {here.count('fresh')} records{'' if whole else ' that changed'}")
    engine = here.engine(model, whole=whole)
    counts = resolve_batch(engine, config, model.version, runtime.run.number)
    runtime.say(f"settled {counts.closed} records in {counts.components} groups that may be one person each")
    engine.make("closed_features", _CLOSED_FEATURES)
    _write(runtime, here, config, whole=whole)
    _finish(runtime, {**digests, "consent_sequence": seen, "whole": whole}, model, counts)
    here.close()
    shutil.rmtree(work)
    return {"model": model.version, "whole": whole, **asdict(counts), **_summary(runtime)}


def train(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Learn a new model from the records as they are, resolve with it, and tell what it has learnt."""
    summary = resolve(runtime, {**arguments, "train": "true"})
    return summary | {"learnt": album.tell(runtime)}


def _last(runtime: Runtime) -> Mapping[str, Any]:
    """Return what the last resolution before this run was made by; empty where there was none."""
    rows = before(runtime, RESOLUTION).read_all().to_pylist()
    rows.sort(key=lambda row: row["batch"])
    return rows[-1] if rows else {}


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


def _model(runtime: Runtime, here: Site, config: IdentityConfig, arguments: Mapping[str, str]) -> MatchModel:
    """Return the frozen model, or one learnt from the records as they are now."""
    records = here.described()
    model = modelling.frozen(runtime, config, records, anew=arguments.get("train") == "true")
    if model is not None:
        return model
    runtime.say(f"learning from {records} records how people agree with themselves")
    here.take_all()
    connection = here.lesson(records)
    if "labels" in arguments:
        taken = labelled.load(connection, labelled.read(Path(arguments["labels"])))
        runtime.say(f"{taken.used} labels teach, {taken.unknown} speak of records that are not compared")
    return modelling.learn(runtime, connection, config, records)


def _write(runtime: Runtime, here: Site, config: IdentityConfig, *, whole: bool) -> None:
    """Bring what the engine made into the lake, table by table; each write happens once a run."""
    names = {name for write in WRITES for name in (write.rows, write.gone) if name}
    frames = {name: here.frame(name) for name in sorted(names | {"closed_features", "profile_before"})}
    some = {write.gone for write in WRITES if write.gone and here.count(write.gone)}
    steps = [
        partial(_write_table, runtime, write, frames, whole=whole, taken_out=write.gone in some) for write in WRITES
    ]
    together(*steps, partial(_write_index, runtime, config, frames, whole=whole))


def _write_table(
    runtime: Runtime, write: Write, frames: Mapping[str, DataFrame], *, whole: bool, taken_out: bool
) -> None:
    rows, lake = frames[write.rows], runtime.lake
    if write.table is IDENTITY_EVENTS:
        rows = rows.withColumn("at", f.lit(runtime.run.started_at))
    if whole and write.gone:
        lake.overwrite(write.table, rows)
    elif not taken_out:
        # of nothing, too: what a run has left as it was carries its number, by which it is told from an unfinished one's
        lake.append(write.table, rows)
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
