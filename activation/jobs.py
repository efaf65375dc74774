"""The jobs of activation: who is in which audience, what goes to destinations, what to recommend, what came of it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from activation import feed
from activation.config import Activation
from activation.declarations import Audience, Destination, definition, shown
from activation.deliver import write_changes
from activation.errors import UnknownName
from activation.learn import learn
from activation.mirror import mirror_decisions
from activation.model import Condition, Happened
from activation.tables import (
    AUDIENCE_INDEX,
    AUDIENCE_MEMBERS,
    DECISIONS,
    OUTCOMES,
    SYNC_CHANGE,
    SYNC_STATE,
    TABLES,
)
from activation.transforms import audience as people
from activation.transforms import delivery
from activation.transforms import outcomes as results
from activation.transforms.condition import leaves
from consent import funnel
from identity.tables import MEMBERSHIP, PROFILE_ALIAS
from infra import shelf
from infra.clock import Clock, system_clock
from infra.lake import Lake
from infra.runtime import Runtime
from profiles import account

Denials = Sequence[tuple[str, str]]


def audiences(runtime: Runtime, arguments: Mapping[str, str], clock: Clock = system_clock) -> dict[str, object]:
    """Find out who is in which audience, under the consent that stands, and tell how many.

    The consent funnel counts the people whom an audience's purpose could ask its conditions of, and those left out.
    Conditions are asked of nobody who is left out, so nobody knows how many of them would have been members.
    """
    runtime.lake.ensure(TABLES)
    found, at = feed.declared(runtime.workspace), feed.reference_moment(runtime)
    denied = feed.denials(runtime, feed.present(runtime, arguments, clock))
    before = runtime.lake.read_base(AUDIENCE_MEMBERS)
    members = people.with_since(_members(runtime, found, at, denied), before, runtime.run.number)
    runtime.lake.overwrite(AUDIENCE_MEMBERS, members)
    index = people.indexed(_declared(runtime, found.audiences, at), runtime.lake.read(AUDIENCE_MEMBERS))
    runtime.lake.overwrite(AUDIENCE_INDEX, index)
    rows = feed.small_rows(runtime.workspace.lake_path, AUDIENCE_INDEX)
    told = {str(row["audience"]): shown(row["size"]) for row in sorted(rows, key=lambda row: str(row["audience"]))}
    for name, size in told.items():
        runtime.say(f"audience {name}: {size} people")
    _account(runtime, found, denied)
    return {"as_of": at.isoformat(), "audiences": told}


def sync(runtime: Runtime, arguments: Mapping[str, str], clock: Clock = system_clock) -> dict[str, object]:
    """Bring destinations up to date: additions, changes and removals since they were last told.

    First the changes are written down, then the files, then the state. Killed in between, the same run does the
    rest with the same bytes; given up in between, the next run takes back what nobody wants any more.
    """
    lake, number = runtime.lake, runtime.run.number
    lake.ensure(TABLES)
    chosen = _chosen(feed.declared(runtime.workspace), arguments.get("destination"))
    told = delivery.told(lake.read_base(SYNC_STATE), lake.read_base(SYNC_CHANGE))
    denied = feed.denials(runtime, feed.present(runtime, arguments, clock))
    wanted = [_wanted(lake, destination, denied) for destination in chosen]
    names = [destination.destination for destination in chosen]
    if wanted:
        ours = told.where(f.col("destination").isin(*names))
        lake.overwrite(SYNC_CHANGE, delivery.changes(reduce(DataFrame.unionByName, wanted), ours, number))
        summary = _deliver(runtime, chosen)
        lake.overwrite(SYNC_STATE, delivery.settled(told, lake.read(SYNC_CHANGE), number))
        return summary
    return {}


def recommend(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Learn what goes together and what people buy again, and say honestly how good that is beside popularity."""
    runtime.lake.ensure(TABLES)
    decision = feed.declared(runtime.workspace).decision()
    if decision is None:
        runtime.say("recommend: no file in decisions/ asks for it")
        return {}
    return learn(runtime, decision, feed.reference_moment(runtime))


def outcomes(runtime: Runtime, arguments: Mapping[str, str]) -> dict[str, object]:  # noqa: ARG001 - every job's shape
    """Mirror the log of decisions and join it with what the people did afterwards, as far as analytics may see."""
    lake = runtime.lake
    lake.ensure(TABLES)
    decision = feed.declared(runtime.workspace).decision()
    if decision is None:
        return {}
    many = mirror_decisions(runtime)
    known = results.renamed(lake.read(DECISIONS), lake.read(PROFILE_ALIAS))
    purpose, names = decision.recommendations.training_purpose, decision.recommendations.purchase
    acts = people.permitted(feed.events(lake), feed.usable(lake), purpose)
    window, redemption = decision.outcome_window, decision.campaigns.redemption
    newest = feed.reference_moment(runtime)
    lake.overwrite(OUTCOMES, results.outcomes(known, acts, window, names, redemption, newest))
    return {"decisions": many}


def _account(runtime: Runtime, found: Activation, denied: Denials) -> None:
    purposes = {one.purpose for one in found.audiences}
    counts = account.viewed(runtime.workspace.lake_path, denied, purposes)
    for line in funnel.told(runtime.database, runtime.run.id, "activate", counts):
        runtime.say(line)


def _members(runtime: Runtime, found: Activation, at: datetime, denied: Denials) -> DataFrame:
    conditions, by_purpose = found.conditions(), defaultdict[str, dict[str, Condition]](dict)
    for one in found.audiences:
        by_purpose[one.purpose][one.audience] = conditions[one.audience]
    views, events = feed.views(runtime.lake, denied), _events(runtime, found, list(conditions.values()))
    usable = feed.usable(runtime.lake)
    frames = [
        people.members(views, people.permitted(events, usable, purpose), described, purpose, at)
        for purpose, described in sorted(by_purpose.items())
    ]
    columns = ("audience", "profile_id", "purpose")
    empty = runtime.lake.empty(AUDIENCE_MEMBERS).select(*columns)
    return reduce(DataFrame.unionByName, [frame.select(*columns) for frame in frames], empty)


def _events(runtime: Runtime, found: Activation, conditions: Sequence[Condition]) -> DataFrame:
    events = feed.events(runtime.lake)
    if not any(_about_products(clause) for clause in leaves(conditions)):
        return events
    decision = found.decision()
    source = decision.recommendations.products.source if decision else "products"
    return people.described(events, feed.catalogue(runtime.lake, source))


def _about_products(clause: Happened) -> bool:
    return any(test.name.startswith("product.") for test in clause.where)


def _declared(runtime: Runtime, declared: Sequence[Audience], at: datetime) -> DataFrame:
    version = shelf.version(runtime.workspace.lake_path, MEMBERSHIP)
    rows = [(one.audience, one.purpose, definition(one), version, at, runtime.run.number) for one in declared]
    kinds = "audience string, purpose string, definition string, identity_version long, as_of timestamp, batch long"
    return runtime.lake.spark.createDataFrame(rows, kinds)


def _chosen(found: Activation, name: str | None) -> tuple[Destination, ...]:
    known = {one.destination: one for one in found.destinations}
    if name is not None and name not in known:
        raise UnknownName("destination", name, known)
    return tuple(known.values()) if name is None else (known[name],)


def _wanted(lake: Lake, destination: Destination, denied: Denials) -> DataFrame:
    views = feed.views(lake, denied)
    return delivery.wanted(lake.read(AUDIENCE_MEMBERS), lake.read(AUDIENCE_INDEX), views, destination)


def _deliver(runtime: Runtime, chosen: Sequence[Destination]) -> dict[str, object]:
    lake = runtime.workspace.lake_path
    counts: Counter[tuple[str, str]] = Counter()
    for batch in shelf.batches(lake, SYNC_CHANGE, columns=["destination", "operation"]):
        counts.update((row["destination"], row["operation"]) for row in batch.to_pylist())
    summary: dict[str, object] = {}
    for one in chosen:
        folder = runtime.workspace.root / one.path
        file = write_changes(shelf.parquet_files(lake, SYNC_CHANGE), one, folder, runtime.run.number)
        said = {operation: counts[one.destination, operation] for operation in ("add", "change", "remove")}
        summary[one.destination] = {**said, "file": None if file is None else f"{one.path}/{file.name}"}
        kinds = ", ".join(f"{many:,} {operation}" for operation, many in said.items())
        runtime.say(f"destination {one.destination}: {kinds}" + (f" → {file.name}" if file else "; no file"))
    return summary
