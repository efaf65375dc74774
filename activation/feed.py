"""What the jobs of activation read: events at their people, views under consent, and the moment that counts as now."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from activation.config import Activation, load_activation, matchable
from activation.transforms import audience
from consent.config import load_policy
from consent.overlay import DenyOverlay
from consent.sweep import Mark, sweep
from identity.cookies.intervals import event_assignments
from identity.tables import COOKIE_INTERVAL
from infra import shelf
from infra.clock import Clock
from infra.identifiers import load_identifier_types
from infra.lake import Lake
from infra.runtime import Runtime
from infra.tables import Table
from infra.workspace import Workspace
from ingestion.tables import CATALOGUE, EVENTS
from ingestion.transforms import current_catalogue, current_events
from profiles.tables import PROFILE_CONSENT, PROFILE_GRAPH, PROFILE_VIEWS


def declared(workspace: Workspace) -> Activation:
    """Return audiences, destinations and decisions, held against the policy and the identifier types."""
    policy = load_policy(workspace)
    return load_activation(workspace, policy.purposes, matchable(load_identifier_types(workspace)), policy.masks)


def events(lake: Lake) -> DataFrame:
    """Return every event once, at its record: its known subject's, or its anonymous interval's."""
    return event_assignments(current_events(lake.read(EVENTS)), lake.read(COOKIE_INTERVAL))


def usable(lake: Lake) -> DataFrame:
    """Return profile, record and purpose for every record that a purpose may use."""
    return audience.usable(lake.read(PROFILE_GRAPH))


def views(lake: Lake, denied: Sequence[tuple[str, str]]) -> DataFrame:
    """Return what each purpose may see of each person who allows it, without those who have refused since the build."""
    allowed = audience.allowed(lake.read(PROFILE_VIEWS), lake.read(PROFILE_CONSENT))
    if not denied:
        return allowed
    frame = lake.spark.createDataFrame(denied, "token string, denied string")
    return audience.unrefused(allowed, lake.read(PROFILE_GRAPH), frame)


def denials(runtime: Runtime, now: datetime) -> list[tuple[str, str]]:
    """Return the tokens and purposes that were refused or have run out since the last build: few, and no values.

    What ran out since this run began is looked for here, for no server need be alive; a run that was killed and
    goes on days later sends nothing to those whose consent has ended in between.
    """
    overlay, mark = DenyOverlay.open(runtime.workspace.serving_path), Mark.of(runtime.run.started_at)
    try:
        sweep(runtime.database, overlay, load_policy(runtime.workspace), mark, now)
        return overlay.denials()
    finally:
        overlay.close()


def present(runtime: Runtime, arguments: Mapping[str, str], clock: Clock) -> datetime:
    """Return what a job takes for now: the clock's time, or the run's own where somebody has set that (`--at`)."""
    return runtime.run.started_at if "at" in arguments else clock()


def catalogue(lake: Lake, source: str) -> DataFrame:
    """Return the newest row of each key of a catalogue source."""
    return current_catalogue(lake.read(CATALOGUE)).where(f.col("source") == source)


def reference_moment(runtime: Runtime) -> datetime:
    """Return the moment that profiles were built for; conditions and windows count back from it."""
    newest: datetime | None = None
    if shelf.exists(runtime.workspace.lake_path, PROFILE_VIEWS):
        for batch in shelf.batches(runtime.workspace.lake_path, PROFILE_VIEWS, columns=["as_of"]):
            found = pc.max(batch.column("as_of")).as_py()
            newest = max(filter(None, (newest, found)), default=None)
    return newest.astimezone(UTC) if newest is not None else runtime.run.started_at


def small_rows(lake_path: Path, table: Table) -> list[Mapping[str, Any]]:
    """Return a table of sums (audiences, qualities) without waking the engine; never one with a row a person."""
    return [row for batch in shelf.batches(lake_path, table) for row in batch.to_pylist()]
