"""Who is who, as jobs: `resolve` names every record's person, `train` learns the model anew."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import duckdb
from pyspark.sql import DataFrame

from consent import funnel
from consent.config import load_policy
from consent.screen import record_decisions
from consent.tables import CONSENT_EVENT
from identity import album, frequencies, labelled, lineage, pairing, registry, scoring, store, training, transforms
from identity.config import IdentityConfig, health_borders, load_identity, rules
from identity.intervals import cookie_intervals
from identity.registry import MatchModel
from identity.tables import (
    CONSTRAINTS,
    COOKIE_INTERVAL,
    EDGES,
    IDENTITY_EVENTS,
    MEMBERSHIP,
    MODEL_REGISTRY,
    PROFILE_ALIAS,
    PROFILE_INDEX,
    RECORD_CONSENT,
    RECORD_FEATURES,
    TABLES,
    TF_SNAPSHOT,
)
from infra import shelf
from infra.runtime import Runtime
from ingestion.tables import EVENTS, RECORDS
from ingestion.transforms import current_events, current_records

PURPOSE = "identity_resolution"
_ROWS_IN_A_BUCKET = 40_000


def resolve(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Name every record's person anew from facts, model and constraints; a second run with them changes nothing."""
    config = load_identity(runtime.workspace)
    runtime.lake.ensure(TABLES)
    _prepare(runtime, config)
    runtime.say("comparing records")
    connection = scoring.connect()
    described = scoring.load_features(connection, shelf.parquet_files(runtime.workspace.lake_path, RECORD_FEATURES))
    if "labels" in arguments:
        taken = labelled.load(connection, labelled.read(Path(arguments["labels"])))
        runtime.say(f"{taken.used} labels teach, {taken.unknown} speak of records that are not compared")
    model = _model(runtime, connection, config, described, anew=arguments.get("train") == "true")
    work = _work(runtime)
    wishes = [s.constraint for s in store.standing(runtime.database, runtime.run.started_at)]
    counts = pairing.pair_up(connection, model, config, wishes, work)
    connection.close()
    runtime.say(f"settling {counts.components} groups of records that may be one person")
    _settle(runtime, config, model, work)
    return {"model": model.version, **asdict(counts), **_summary(runtime)}


def train(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:
    """Learn a new model from the records as they are, resolve with it, and tell what it has learnt."""
    summary = resolve(runtime, {**arguments, "train": "true"})
    return summary | {"learnt": album.tell(runtime)}


def _prepare(runtime: Runtime, config: IdentityConfig) -> None:
    """Write intervals, consent decisions, features and the mirror of the constraints."""
    lake, run = runtime.lake, runtime.run
    anonymous = [name for name, kind in config.identifiers.items() if kind.anonymous]
    runtime.say("finding out whose cookies are whose")
    events = current_events(lake.read(EVENTS))
    intervals = cookie_intervals(events, lake.read_base(COOKIE_INTERVAL), config.cookies, anonymous, run.salt)
    lake.overwrite(COOKIE_INTERVAL, intervals)
    records = lake.read(RECORDS)
    resolvable = transforms.resolvable(
        current_records(records), transforms.arrivals(records), lake.read(COOKIE_INTERVAL)
    )
    runtime.say("asking what each record may be used for")
    policy = load_policy(runtime.workspace)
    decisions = record_decisions(resolvable, lake.read(CONSENT_EVENT), policy, list(policy.purposes), run.started_at)
    lake.overwrite(RECORD_CONSENT, decisions)
    _account(runtime)
    runtime.say("normalising names, dates and addresses")
    allowed = transforms.allowed_for(resolvable, lake.read(RECORD_CONSENT), PURPOSE)
    schema = lake.schema(RECORD_FEATURES)
    today = run.started_at.date()
    lake.overwrite(RECORD_FEATURES, transforms.record_features(allowed, config.identifiers, today, schema))
    lake.overwrite(CONSTRAINTS, _mirror(runtime))


def _account(runtime: Runtime) -> None:
    """Keep the consent funnel of the records for all purposes, and tell it for the one that is asked here."""
    decided = shelf.batches(runtime.workspace.lake_path, RECORD_CONSENT, columns=funnel.COLUMNS)
    counts = funnel.counts(decided)
    funnel.record_funnel(runtime.database, runtime.run.id, "resolve", counts)
    for line in funnel.lines("resolve", [count for count in counts if count.purpose == PURPOSE]):
        runtime.say(line)


def _mirror(runtime: Runtime) -> DataFrame:
    standing = store.standing(runtime.database, runtime.run.started_at)
    rows = [
        (s.id, c.kind, c.left, c.right, c.actor, c.reason, c.created_at, c.expires_at)
        for s in standing
        for c in [s.constraint]
    ]
    return runtime.lake.spark.createDataFrame(rows, runtime.lake.schema(CONSTRAINTS))


def _work(runtime: Runtime) -> pairing.Work:
    folder = runtime.workspace.state_path / "work" / f"resolve-{runtime.run.number}"
    folder.mkdir(parents=True, exist_ok=True)
    return pairing.Work(edges=folder / "edges.parquet", parts=folder / "parts.parquet")


def _model(
    runtime: Runtime, connection: duckdb.DuckDBPyConnection, config: IdentityConfig, records: int, *, anew: bool
) -> MatchModel:
    """Return the frozen model, or one learnt now where there is none, it has been outgrown, or somebody asked."""
    lake = runtime.workspace.lake_path
    rows = shelf.reader(lake, MODEL_REGISTRY, columns=["batch", "model"]).read_all().to_pylist()
    newest = max(rows, key=lambda row: int(row["batch"]), default=None)
    mine = newest is not None and newest["batch"] == runtime.run.number
    fits = newest is not None and registry.usable(
        newest["model"], config.comparisons, records, config.model.retrain_when_grown
    )
    if newest is not None and (mine or (fits and not anew)):
        model = registry.from_text(newest["model"])
        frequencies.load(connection, shelf.parquet_files(lake, TF_SNAPSHOT), model.frequencies_digest)
        return model
    runtime.say(f"learning from {records} records how people agree with themselves")
    model = training.train(connection, config)
    _register(runtime, connection, model, _work(runtime).edges.with_name("frequencies.parquet"))
    return model


def _register(runtime: Runtime, connection: duckdb.DuckDBPyConnection, model: MatchModel, path: Path) -> None:
    """Store the frequencies first: a model is there only when all it needs is."""
    spark, run = runtime.lake.spark, runtime.run
    pairing.write(connection, f"SELECT '{model.frequencies_digest}' AS snapshot, * FROM frequencies", path)
    runtime.lake.append(TF_SNAPSHOT, spark.read.parquet(str(path)))
    row = (model.version, registry.as_text(model), run.started_at, model.records, run.number)
    runtime.lake.append(MODEL_REGISTRY, spark.createDataFrame([row], runtime.lake.schema(MODEL_REGISTRY)))


def _settle(runtime: Runtime, config: IdentityConfig, model: MatchModel, work: pairing.Work) -> None:
    """Cluster every component alone, name the clusters for good, and tell what changed."""
    lake, run = runtime.lake, runtime.run
    parts = lake.spark.read.parquet(str(work.parts))
    buckets = max(2, parts.count() // _ROWS_IN_A_BUCKET + 1)
    settled_path = str(work.parts.with_name("settled"))
    transforms.persons(parts, rules(config), buckets).write.mode("overwrite").parquet(settled_path)
    settled = lake.spark.read.parquet(settled_path)
    features, before = lake.read(RECORD_FEATURES), lake.read_base(MEMBERSHIP)
    nodes = features.select("record_key", "known", "arrival", "source")
    lake.overwrite(MEMBERSHIP, transforms.membership(nodes, settled, before, run.number))
    members = lake.read(MEMBERSHIP)
    scored = lake.spark.read.parquet(str(work.edges))
    lake.overwrite(EDGES, transforms.settled_edges(scored, settled, model.version))
    lake.overwrite(
        PROFILE_INDEX,
        transforms.profile_index(
            members,
            features,
            lake.read(EDGES),
            lake.read(CONSTRAINTS),
            lake.read_base(PROFILE_INDEX),
            run.number,
            health_borders(config),
        ),
    )
    old_aliases = lake.read_base(PROFILE_ALIAS)
    taken = lineage.takers(lake.read(COOKIE_INTERVAL), lake.read_base(COOKIE_INTERVAL))
    lake.overwrite(PROFILE_ALIAS, lineage.aliases(members, before, old_aliases, taken, run.number))
    changes = lineage.identity_events(
        members, before, lake.read(PROFILE_ALIAS), old_aliases, run.number, run.started_at
    )
    lake.append(IDENTITY_EVENTS, changes)


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
