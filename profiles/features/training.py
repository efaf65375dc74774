"""The job `training_set`: rows of a feature set as they were at the moments of the labels, handed out as one file."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from consent.config import load_policy
from consent.model import ALL
from consent.overlay import DenyOverlay
from consent.sweep import Mark, sweep
from identity.tables import PROFILE_ALIAS, RECORD_FEATURES
from infra.identifiers import IdentifierType, load_identifier_types, normalise, token
from infra.ids import Token
from infra.runtime import Runtime
from ingestion.tables import CATALOGUE, EVENTS, RECORDS
from ingestion.transforms import current_catalogue
from profiles import render
from profiles.config import ProfileSettings, load_settings
from profiles.features.asked import asked_for
from profiles.features.declared import FeatureSet, load_features
from profiles.features.labels import MOMENT, Labels, read
from profiles.features.vector import Row, row
from profiles.feed import facts
from profiles.rulebook import Rulebook
from profiles.tables import PROFILE_GRAPH, PROFILE_TOKENS, PROFILE_VIEWS
from profiles.transforms import past

_TYPES: Final[Mapping[str, pa.DataType]] = {
    "whole": pa.int64(), "money": pa.float64(), "text": pa.string(), "time": pa.string(),
    "list": pa.list_(pa.string()), "flag": pa.bool_(),
}  # fmt: skip
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Work:
    """One training set under way: what is declared, by which rules, and a folder for what stands in between."""

    runtime: Runtime
    declared: FeatureSet
    settings: ProfileSettings
    rules: Rulebook
    folder: Path
    built: datetime


def training_set(runtime: Runtime, arguments: Mapping[str, str], built: datetime) -> dict[str, object]:
    """Write the rows of a feature set for labels to a file that its owner alone can read; return how many of what.

    Who is who, and what may be used for the purpose, is what the last build said, which judged at `built`, and what was
    refused since. What is told of a person is what had happened before each label's moment.
    """
    declared = asked_for(load_features(runtime.workspace), arguments["feature_set"])
    rules = Rulebook(load_policy(runtime.workspace), load_identifier_types(runtime.workspace))
    folder = runtime.workspace.state_path / "work" / "training"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        work = _Work(runtime, declared, load_settings(runtime.workspace), rules, folder, built)
        labels = read(Path(arguments["labels"]), partial(_sought, work, rules.types))
        known = _named(work, labels)
        people = _permitted(work)
        rows = known.join(people, "profile_id", "left_semi").localCheckpoint()
        counts = {"labels": labels.asked.num_rows, "known": known.count(), "rows": rows.count()}
        _told(work, rows).orderBy("row").write.parquet(str(folder / "told"))
        _write(work, labels, Path(arguments["out"]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    runtime.say(
        f"training set {declared.feature_set}: {counts['rows']:,} rows of {counts['labels']:,} labels; "
        f"{counts['labels'] - counts['known']:,} lead to nobody, {counts['known'] - counts['rows']:,} are of people "
        f"who may not be used for {declared.purpose}"
    )
    return {
        "labels": counts["labels"], "rows": counts["rows"], "nobody": counts["labels"] - counts["known"],
        "left_out": counts["known"] - counts["rows"], "version": declared.version,
    }  # fmt: skip


def _sought(work: _Work, types: Mapping[str, IdentifierType], kind: str, raw: str) -> Token | None:
    workspace = work.runtime.workspace
    declared = types.get(kind)
    value = None if declared is None else normalise(declared.normaliser, raw, workspace.settings.region)
    return None if value is None else token(workspace.token_key(), kind, value)


def _named(work: _Work, labels: Labels) -> DataFrame:
    """Return (row, profile_id, at) of the labels that lead to one person, as closely as the purpose demands."""
    lake, purpose = work.runtime.lake, work.declared.purpose
    path = work.folder / "asked.parquet"
    pq.write_table(labels.asked, path)
    asked = lake.spark.read.parquet(str(path)).withColumn("at", f.col("at").cast("timestamp"))
    survivors = lake.read(PROFILE_ALIAS).groupBy(f.col("alias_id").alias("named"))
    one = survivors.agg(f.collect_set("profile_id").alias("ends")).where(f.size("ends") == 1)
    by_id = asked.where("named is not null").join(one, "named", "left")
    by_id = by_id.select("row", f.coalesce(f.get("ends", f.lit(0)), "named").alias("profile_id"), "at")
    near = work.rules.policy.purposes[purpose].readable_links()  # type: ignore[index]  # checked where it is declared
    leads = lake.read(PROFILE_TOKENS).where((f.size("profile_ids") == 1) & f.col("link").isin(*near))
    by_token = asked.where("token is not null").join(leads.select("token", "profile_ids"), "token")
    by_token = by_token.select("row", f.get("profile_ids", f.lit(0)).alias("profile_id"), "at")
    there = lake.read(PROFILE_GRAPH).select("profile_id")
    return by_id.unionByName(by_token).join(there, "profile_id", "left_semi").select("row", "profile_id", "at")


def _permitted(work: _Work) -> DataFrame:
    """Return the people whom the purpose sees: those of the last build whom no refusal since has closed."""
    lake, purpose = work.runtime.lake, work.declared.purpose
    seen = lake.read(PROFILE_VIEWS).where(f.col("purpose") == purpose).select("profile_id")
    denied = [(t,) for t, closed in _denials(work) if closed in {purpose, ALL}]
    if not denied:
        return seen
    tokens = lake.spark.createDataFrame(denied, "token string").distinct()
    held = lake.read(PROFILE_GRAPH).select("profile_id", f.explode("tokens.token").alias("token"))
    return seen.join(held.join(f.broadcast(tokens), "token"), "profile_id", "left_anti")


def _denials(work: _Work) -> list[tuple[str, str]]:
    runtime = work.runtime
    overlay = DenyOverlay.open(runtime.workspace.serving_path)
    try:
        sweep(runtime.database, overlay, work.rules.policy, Mark.of(work.built), runtime.run.started_at)
        return overlay.denials()
    finally:
        overlay.close()


def _told(work: _Work, rows: DataFrame) -> DataFrame:
    """Return (row, profile_id, at, traits, attributes) of each row, as the purpose may see them."""
    lake, purpose, settings = work.runtime.lake, work.declared.purpose, work.settings
    found = facts(lake)
    held = past.Past(
        found.events, lake.read(RECORDS), lake.read(RECORD_FEATURES), current_catalogue(lake.read(CATALOGUE))
    )
    counted = past.counted_at(rows, lake.read(EVENTS))
    if settings.as_of == "run":
        counted = counted.withColumn("counted", f.col("at"))
    records = lake.read(PROFILE_GRAPH).select("profile_id", f.inline("records"))
    usable = records.where(f.array_contains("purposes", purpose)).select("profile_id", "record_key")
    members = past.scoped(counted, usable).localCheckpoint()
    placed = members.select("profile_id", "scope").distinct()
    placed = placed.withColumn("row", f.split("scope", r"\|")[0].cast("bigint"))
    told = rows.join(placed.drop("profile_id"), "row")
    wanted = {(one.part, one.of) for one in work.declared.features}
    declared = [one for one in settings.traits if ("traits", one.name) in wanted]
    traits = past.trait_rows(members, held, settings, declared, purpose) if declared else None
    golden = None
    if any(part == "attributes" for part, _ in wanted):
        golden = past.attribute_rows(members, held, settings, work.rules.contact_types())
    told = (
        told.withColumn("traits", f.lit(None).cast("map<string,string>"))
        if traits is None
        else told.join(traits, ["profile_id", "scope"], "left")
    )
    told = (
        told.withColumn("attributes", f.lit(None).cast(_ATTRIBUTES))
        if golden is None
        else told.join(golden, ["profile_id", "scope"], "left")
    )
    masks, short = work.rules.masks().get(purpose, ()), work.rules.shortened().get(purpose, {})
    return past.unmasked(told, masks, short).select("row", "profile_id", "at", "traits", "attributes")


_ATTRIBUTES: Final = "array<struct<name:string,value:string,observed_at:timestamp>>"


def _write(work: _Work, labels: Labels, out: Path) -> None:
    """Write the file whole under its name: a row a label in the order of the labels, values by the served rule."""
    columns = [(one.name, _TYPES[one.type]) for one in work.declared.features]
    schema = pa.schema(
        [("profile_id", pa.string()), ("at", MOMENT), *columns, ("status", pa.string()), ("label", labels.told.type)],
        {"feature_set": work.declared.feature_set, "version": str(work.declared.version),
         "purpose": work.declared.purpose},
    )  # fmt: skip
    draft = out.with_name(f".{out.name}.part")
    # Readable by its owner alone from its first byte on.
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    learnt = labels.told.to_pylist()
    with pq.ParquetWriter(draft, schema) as writer:
        for batch in _batches(work):
            rows = batch.to_pylist()
            filled = [_row(work, one) for one in rows]
            values = list(zip(*[one.values for one in filled], strict=True)) if filled else []
            arrays = [pa.array([one["profile_id"] for one in rows]), pa.array([one["at"] for one in rows], MOMENT)]
            arrays += [pa.array(told, kind) for told, (_, kind) in zip(values, columns, strict=True)]
            arrays.append(pa.array([one.status for one in filled]))
            arrays.append(pa.array([learnt[one["row"]] for one in rows], labels.told.type))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    draft.replace(out)


def _batches(work: _Work) -> Iterator[pa.RecordBatch]:
    told = ds.dataset(sorted((work.folder / "told").glob("*.parquet")), format="parquet")
    for batch in told.to_batches(batch_size=_AT_ONCE):
        if batch.num_rows:
            yield batch


def _row(work: _Work, told: Mapping[str, Any]) -> Row:
    """Return the values of one row, settled by the rule that serves them."""
    kinds = render.kinds(work.settings)
    golden = told["attributes"] or ()
    masked = work.rules.masks().get(work.declared.purpose, ())
    view = {
        "traits": {name: render.trait(value, kinds[name]) for name, value in told["traits"] or ()},
        "attributes": {one["name"]: one["value"] for one in golden},
        "audiences": [],
        "withheld": [{"field": name, "because": "policy"} for name in masked],
        "provenance": {one["name"]: {"observed_at": render.moment(one["observed_at"])} for one in golden},
        "as_of": render.moment(told["at"]),
    }
    return row(work.declared, view, told["at"], told["at"])
